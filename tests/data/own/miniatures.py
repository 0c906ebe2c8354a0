"""Miniatures of the layouts in which people keep datasets: a few pictures of a few pixels."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.pictures import colors, encode

HEIGHT, WIDTH = 12, 16
NAMES = ("ground", "cat", "dog")
COLORS = ((0, 0, 0), (255, 0, 0), (0, 0, 255))


def picture(seed=0):
    return encode(colors(seed, HEIGHT, WIDTH))


def label_map(seed=0, classes=3):
    """Classes (HEIGHT, WIDTH) uint8, all of which occur."""
    labels = np.random.RandomState(seed).randint(0, classes, (HEIGHT, WIDTH))
    labels[0, :classes] = range(classes)
    return labels.astype(np.uint8)


def png(values, colors_of=None):
    """A gray PNG file of numbers, or with a palette of colors."""
    image = Image.fromarray(values)
    if colors_of is not None:
        image.putpalette([channel for color in colors_of for channel in color])
    return _encoded(image)


def colored(labels, colors_of=COLORS):
    return _encoded(Image.fromarray(np.array(colors_of, np.uint8)[labels]))


def _encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def write(files, root="data"):
    """Write files by path below a root, bytes or text; return the root."""
    for name, content in files.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Path(root)


def class_folders(*splits, classes=("cat", "dog"), count=2, root="data"):
    """`<split>/<class>/<number>.jpg`, or without splits `<class>/<number>.jpg`."""
    return write(
        {
            f"{split}{name}/{number}.jpg": picture(number)
            for split in [f"{split}/" for split in splits] or [""]
            for name in classes
            for number in range(count)
        },
        root,
    )


def pairs(image, label, names="ab", content=None):
    """Files of pictures and label maps; `image` and `label` are paths with `{}` for the name.

    The n-th letter is drawn from seed n.
    """
    return {
        path: made
        for seed, name in ((ord(name) - ord("a"), name) for name in names)
        for path, made in (
            (image.format(name), picture(seed)),
            (label.format(name), content or png(label_map(seed))),
        )
    }


def coco(names, size=(HEIGHT, WIDTH), categories=((7, "cat"), (3, "dog"))):
    """COCO's annotations: each picture has a cat in the upper left quarter."""
    height, width = size
    square = [0, 0, width // 2, 0, width // 2, height // 2, 0, height // 2]
    return json.dumps(
        {
            "images": [
                {"id": k, "file_name": name, "height": height, "width": width}
                for k, name in enumerate(names)
            ],
            "categories": [{"id": number, "name": name} for number, name in categories],
            "annotations": [
                {
                    "id": k,
                    "image_id": k,
                    "category_id": 7,
                    "iscrowd": 0,
                    "area": height * width / 4,
                    "segmentation": [square],
                }
                for k in range(len(names))
            ],
        }
    )


def labelme(*shapes, size=(HEIGHT, WIDTH)):
    """Labelme's file of shapes (label, kind, points)."""
    return json.dumps(
        {
            "imageHeight": size[0],
            "imageWidth": size[1],
            "shapes": [
                {"label": label, "shape_type": kind, "points": points}
                for label, kind, points in shapes
            ],
        }
    )
