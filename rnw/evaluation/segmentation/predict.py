"""Prediction by a segmentation network: label maps, overlays with a legend, areas of classes."""

from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rnw.data.pictures import open_picture
from rnw.data.sets.rows import SegmentationDataset
from rnw.errors import InputError
from rnw.evaluation.photographs import OnBad, find_images, read_photographs, stop_at
from rnw.evaluation.segmentation.kept import palette_image
from rnw.evaluation.segmentation.model import Model
from rnw.files import PathLike, atomic_write, check_free, open_regular, write_json
from rnw.locks import alone_in

LABEL_MAP, OVERLAY, AREAS = (
    ".png",
    "_overlay.png",
    ".json",
)  # what follows a picture's name
OPACITY = 0.55  # of the colors over the photograph
LINES = 32  # of the legend, in the height of a picture
FONT_SIZES = (10, 40)  # pixels, the smallest and the largest


class Area(NamedTuple):
    """A class that is present: its pixels, and their share of the picture."""

    number: int
    name: str
    pixels: int
    share: float


class Prediction(NamedTuple):
    """The classes of a picture, the largest first."""

    image: str
    height: int
    width: int
    areas: List[Area]

    def as_dict(self) -> Dict[str, Any]:
        """Return everything in plain types."""
        keys = ("class", "name", "pixels", "share")
        classes = [dict(zip(keys, area)) for area in self.areas]
        return {**self._asdict(), "areas": classes}


def predict(
    model: Model,
    paths: Sequence[PathLike],
    output: Path,
    *,
    overwrite: bool = False,
    on_bad: OnBad = stop_at,
) -> Iterator[Prediction]:
    """Segment image files, and those in folders, and write the results to `output`.

    `NAME.png` is the label map in the numbers and colors of the dataset, `NAME_overlay.png` shows
    it over the photograph with a legend, `NAME.json` has the area of each class. They have the size
    of the photograph once it is turned upright.

    on_bad: see `read_photographs`.

    Raises InputError before any is segmented if two photographs have the same name, if results
    exist and `overwrite` is not set, if a photograph would be replaced, and if another process
    writes to the folder.
    """
    images = find_images(paths)
    with alone_in(output):
        _check_outputs(images, output, overwrite)
        for path, image in read_photographs(images, on_bad):
            yield _predict(model, path, image, output)


def _outputs(path: Path, output: Path) -> List[Path]:
    """Return where labels, overlay and areas of an image are written."""
    return [output / f"{path.stem}{suffix}" for suffix in (LABEL_MAP, OVERLAY, AREAS)]


def _check_outputs(images: Sequence[Path], output: Path, overwrite: bool) -> None:
    by_file: Dict[Path, Path] = {}
    for path in images:
        for file in _outputs(path, output):
            other = by_file.setdefault(file, path)
            if other is not path:
                raise InputError(
                    f"{other} and {path}: would both be written to {file.name}; rename one"
                )
    _spare_photographs(images, output)
    check_free(*by_file, overwrite=overwrite)


def _spare_photographs(images: Sequence[Path], output: Path) -> None:
    """Raise InputError where an image, or what is no label map, has the name of what is written.

    Images are compared by inode, since links and another case of letters give them other names.
    """
    given = {_inode(path) for path in images if path.exists()}
    for path in images:
        labels, *others = _outputs(path, output)
        found = [file for file in (labels, *others) if file.exists() and _inode(file) in given]
        if labels.exists() and not _has_palette(labels):
            found.append(labels)
        if found:
            raise InputError(
                f"{found[0]}: is a picture that would be replaced; choose another folder with -o"
            )


def _inode(path: Path) -> Tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _has_palette(path: Path) -> bool:
    try:
        with open_regular(path) as file, open_picture(file, str(path)) as image:
            return image.mode == "P"
    except (OSError, InputError):
        return False


def _predict(model: Model, path: Path, image: np.ndarray, output: Path) -> Prediction:
    labels = model.segment(image, path.stem)
    height, width = labels.shape
    found = Prediction(str(path), height, width, measure_areas(labels, model.dataset))
    pictures = {
        LABEL_MAP: palette_image(labels, model.dataset),
        OVERLAY: draw_overlay(image, labels, model.dataset),
    }
    for suffix, picture in pictures.items():
        with atomic_write(output / f"{path.stem}{suffix}") as file:
            picture.save(file, "png")
    write_json(output / f"{path.stem}{AREAS}", found.as_dict())
    return found


def measure_areas(labels: np.ndarray, dataset: SegmentationDataset) -> List[Area]:
    """Return the classes present in (H, W) uint8, the largest first."""
    counts = np.bincount(labels.ravel(), minlength=dataset.classes).tolist()
    present = sorted((k for k, count in enumerate(counts) if count), key=lambda k: -counts[k])
    return [Area(k, dataset.class_names[k], counts[k], counts[k] / labels.size) for k in present]


def draw_overlay(
    image: np.ndarray, labels: np.ndarray, dataset: SegmentationDataset
) -> Image.Image:
    """Return the colors of classes (H, W) over a photograph (H, W, 3), a legend on the right."""
    palette = np.array(dataset.palette, np.uint8)
    photograph, colors = (Image.fromarray(pixels) for pixels in (image, palette[labels]))
    blended = Image.blend(photograph, colors, OPACITY)
    legend = _draw_legend(measure_areas(labels, dataset), palette, blended.height)
    canvas = Image.new(
        "RGB", (blended.width + legend.width, max(blended.height, legend.height)), "white"
    )
    canvas.paste(blended, (0, 0))
    canvas.paste(legend, (blended.width, 0))
    return canvas


def _draw_legend(areas: Sequence[Area], palette: np.ndarray, height: int) -> Image.Image:
    smallest, largest = FONT_SIZES
    size = min(max(height // LINES, smallest), largest)
    font, line = ImageFont.load_default(size), size * 3 // 2
    texts = [f"{area.name} {100 * area.share:.1f} %" for area in areas]
    width = max(int(font.getlength(text)) for text in texts) + 3 * size
    legend = Image.new("RGB", (width, line * len(areas) + size), "white")
    draw = ImageDraw.Draw(legend)
    for number, (area, text) in enumerate(zip(areas, texts)):
        top = size // 2 + line * number
        square = (size // 2, top, size // 2 + size, top + size)
        draw.rectangle(square, tuple(palette[area.number].tolist()), "black")
        draw.text((2 * size, top + size // 2), text, "black", font, anchor="lm")
    return legend
