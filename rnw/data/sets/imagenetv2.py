"""ImageNetV2: three test sets of other pictures for the classes of ILSVRC 2012 (arXiv 1902.10811).

Archives, names and counts are those of github.com/modestyachts/ImageNetV2: 10,000 pictures each, 10
of a class. Class folders are named by number: 10 is the eleventh class, though it sorts third.
"""

from fractions import Fraction
from pathlib import Path

from rnw.data.sets import ilsvrc12
from rnw.data.sets.ilsvrc12_ids import WORDNET_IDS
from rnw.data.sets.publication import Form, Publication
from rnw.data.sets.rows import Dataset, prepared

TESTS = {  # by split, the end of the archive's name
    "matched-frequency": "matched-frequency",
    "threshold-0.7": "threshold0.7",
    "top-images": "top-images",
}


def class_of(folder: str) -> str:
    """Return the WordNet id of the class of a folder named by its number, others unchanged."""
    number = int(folder) if folder.isdecimal() and len(folder) < 4 else len(WORDNET_IDS)
    return WORDNET_IDS[number] if number < len(WORDNET_IDS) else folder


def _form(name: str) -> Form:
    folder = f"imagenetv2-{name}-format-val"
    return Form(f"imagenetv2-{name}.tar.gz", None, folder, (folder,), inside=f"{folder}/")


IMAGENETV2 = Publication(
    classes=len(WORDNET_IDS),
    images=dict.fromkeys(TESTS, 10_000),
    forms={split: (_form(name),) for split, name in TESTS.items()},
    annotations=(),
    class_kind="the number of a class from 0 to 999",
    class_names=r"n\d{8}",
    class_of=class_of,
    optional=("threshold-0.7", "top-images"),
)

DATASET = Dataset(
    "imagenetv2",
    "ImageNetV2",
    Path("data/imagenetv2"),
    IMAGENETV2.classes,
    ilsvrc12.DATASET.class_names,
    prepared("imagenetv2"),
    "",
    "matched-frequency",
    recipe="",
    test_scale=Fraction(10, 7),  # as ILSVRC
    publication=IMAGENETV2,
    class_ids=WORDNET_IDS,
)
