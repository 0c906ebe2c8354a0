"""scikit-learn's handwritten digits: what a network can be trained on anywhere in a minute."""

import importlib.util
from pathlib import Path

import numpy as np

from rnw.data.picture_types import Examples
from rnw.data.sets.rows import Dataset, check_split

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HELD_OUT_EVERY = 5  # every fifth digit is a test digit
FILE = Path("datasets", "data", "digits.csv.gz")  # below scikit-learn's folder


def read_digits(root: Path, split: str) -> Examples:
    """Return scikit-learn's 1,797 digits, white on black, enlarged from 8x8 to 28x28.

    Every fifth is in split 'test', the others in 'train'; `root` is not used. Raises InputError for
    another split.
    """
    check_split("digits", split, ("train", "test"))
    from rnw.data.pictures import gray_to_rgb  # needs an extra
    from rnw.data.transforms import resize

    rows = np.loadtxt(_installed_file(), delimiter=",")
    gray = np.round(rows[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = np.stack([resize(gray_to_rgb(image), 28, 28, "cubic") for image in gray])
    held_out = np.arange(len(images)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    chosen = held_out if split == "test" else ~held_out
    return Examples(images[chosen], rows[chosen, -1].astype(np.int64))


def _installed_file() -> Path:
    """Return where scikit-learn keeps the digits: importing it takes longer than training a step.

    Raises ModuleNotFoundError where it is not installed.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    return Path(found.origin).parent / FILE


DATASET = Dataset(
    "digits",
    "scikit-learn's handwritten digits",
    None,
    len(NAMES),
    lambda: NAMES,
    read_digits,
    "train",
    "test",
    recipe="digits",
)
