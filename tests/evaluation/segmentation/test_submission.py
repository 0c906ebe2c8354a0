"""Archives of predictions for benchmark servers."""

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import SEGMENTATION
from rnw.data.sets.rows import OWN_SUBMISSION
from rnw.errors import InputError
from rnw.evaluation.segmentation.kept import LABELS, KeptLabels
from rnw.evaluation.segmentation.submission import (
    check_submission,
    find_form,
    write_submission,
)
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures, make_dataset

IDS = (7, 8, 11)
FILES = {
    "voc": "results/VOC2012/Segmentation/comp6_test_cls/{}.png",
    "cityscapes": "{}.png",
    "ade20k": "{}.png",
    "pascal-context": "{}.png",
}
STEMS = ("ulm_000000_000019_x", "ulm_000001_000019_x")


class _Named(Pictures):
    def name(self, index):
        return f"pictures/{STEMS[index]}.jpg"


def _dataset(name):
    pictures = _Named([picture(40, 50, 0), picture(30, 20, 1)])
    form = SEGMENTATION[name].submission
    return make_dataset(pictures, 3, name=name, label_ids=IDS, submission=form)


def _predict(dataset):
    """Kept predictions for both pictures; their classes."""
    kept = KeptLabels(Path("kept"), dataset, {})
    stream = np.random.RandomState(0)
    labels = [stream.randint(0, 3, size).astype(np.uint8) for size in ((40, 50), (30, 20))]
    for stem, classes in zip(STEMS, labels):
        kept.write(stem, classes)
    return labels


def _open(path):
    """The files of an archive."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.mark.parametrize("name", FILES)
def test_archives_hold_the_published_numbers_where_they_belong(name):
    dataset = _dataset(name)
    form = find_form(dataset)
    labels = _predict(dataset)
    for suffix in form.suffixes:
        archive = Path(f"mine{suffix}")
        assert write_submission(Path("kept"), dataset, archive) == 2
        assert check_submission(archive, dataset) == []
        contents = _open(archive)
        assert list(contents) == [FILES[name].format(stem) for stem in STEMS]
        for content, classes in zip(contents.values(), labels):
            with Image.open(io.BytesIO(content)) as image:
                assert image.mode == ("P" if form.palette else "L")
                assert (np.array(image) == np.array(IDS)[classes]).all()


def test_gzip_is_used_where_the_name_says_so():
    _predict(_dataset("voc"))
    write_submission(Path("kept"), _dataset("voc"), Path("mine.tgz"))
    assert Path("mine.tgz").read_bytes()[:2] == b"\x1f\x8b"


def test_the_folder_of_kept_labels_can_be_checked():
    dataset = _dataset("voc")
    _predict(dataset)
    assert check_submission(Path("kept", LABELS), dataset) == []


def _save(name, array, mode=None):
    path = Path("mine", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)


GOOD = np.full((40, 50), 7, np.uint8)
FIRST, SECOND = (f"{stem}.png" for stem in STEMS)


@pytest.mark.parametrize(
    ("dataset", "name", "array", "mode", "problems"),
    [
        ("voc", FIRST, GOOD, None, []),
        ("voc", FIRST, GOOD[:, :9], None, [f"{FIRST}: 9x40 pixels, expected 50x40"]),
        ("voc", FIRST, GOOD, "RGB", [f"{FIRST}: mode RGB, expected 8 bits, gray or with a pal"]),
        ("voc", FIRST, GOOD * 0 + 9, None, [f"{FIRST}: values 9, expected those of classes, 7"]),
        ("voc", f"{STEMS[0]}.jpg", GOOD, None, [f"{STEMS[0]}.jpg: not exp", f"{FIRST}: missing"]),
        ("voc", f"elsewhere/{FIRST}", GOOD, None, [f"elsewhere/{FIRST}: n", f"{FIRST}: missing"]),
        ("voc", "other.png", GOOD, None, ["other.png: not expected", f"{FIRST}: missing"]),
        ("cityscapes", "ulm/ulm_000000_000019_pred.png", GOOD, None, []),
        ("cityscapes", "ulm_000000_000018.png", GOOD, None, ["ulm_000000_000018.png: not exp", ""]),
    ],
)
def test_problems_are_named(dataset, name, array, mode, problems):
    _save(SECOND, GOOD[:30, :20])
    _save(name, array, mode)
    found = check_submission(Path("mine"), _dataset(dataset))
    assert len(found) == len(problems)
    for problem, start in zip(found, problems):
        assert start in problem


def test_all_problems_are_named():
    stream = np.random.RandomState(0)
    _save(FIRST, stream.randint(100, 200, (40, 51)).astype(np.uint8))
    Path("mine", SECOND).write_bytes(b"no picture")
    found = check_submission(Path("mine"), _dataset("ade20k"))
    assert [problem.partition(": ")[0] for problem in found] == [FIRST, FIRST, SECOND]
    assert found[2] == f"{SECOND}: cannot be read as an image: it starts with b'no picture'"
    assert found[1].endswith(
        "values 100, 101, 102, 103, 104, ..., expected those of classes, 7 to 11"
    )


def test_two_pictures_for_one_are_named():
    _save(FIRST, GOOD)
    _save("ulm_000000_000019_again.png", GOOD)
    _save(SECOND, GOOD[:30, :20])
    found = check_submission(Path("mine"), _dataset("cityscapes"))
    assert found == [f"{FIRST}: a second one for ulm_000000_000019"]


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 cut"])
def test_what_is_no_archive_is_refused(content):
    if content is not None:
        Path("mine.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"^mine\.zip: (no such|cannot be read as a) folder"):
        check_submission(Path("mine.zip"), _dataset("ade20k"))


@pytest.mark.parametrize(
    ("dataset", "made", "given", "problem"),
    [
        ("ade20k", "mine.zip", "mine.tar", "mine.tar: a zip, expected a zip with a name that ends"),
        ("voc", "mine.tar", "mine.zip", "mine.zip: a tar, expected a tar with a name that ends in"),
        ("voc", "mine.tgz", "mine.tgz", None),
    ],
)
def test_archives_of_another_name_are_named(dataset, made, given, problem):
    _predict(_dataset(dataset))
    write_submission(Path("kept"), _dataset(dataset), Path(made))
    Path(made).rename(given)
    found = check_submission(Path(given), _dataset(dataset))
    assert [text[: len(problem or "")] for text in found] == ([problem] if problem else [])


@pytest.mark.parametrize("dataset", ["voc", "pascal-context", "cityscapes", "ade20k"])
@pytest.mark.parametrize("suffix", [".tar", ".zip"])
def test_archives_of_another_kind_are_named(dataset, suffix):
    """A zip where the server takes a tar, and the other way round, whatever it is called."""
    form = SEGMENTATION[dataset].submission
    _predict(_dataset(dataset))
    tarred = form.suffixes[0] == ".tar"
    with zipfile.ZipFile("a.zip", "w") as zipped, tarfile.open("a.tar", "w") as tar:
        for stem in STEMS:
            zipped.write(f"kept/labels/{stem}.png", form.path(stem))
            tar.add(f"kept/labels/{stem}.png", form.path(stem))
    Path("a.zip" if tarred else "a.tar").rename(f"mine{suffix}")
    (problem,) = check_submission(Path(f"mine{suffix}"), _dataset(dataset))
    kinds = ("a zip, expected a tar", "a tar, expected a zip")
    assert problem.startswith(f"mine{suffix}: {kinds[not tarred]} with a name that ends in ")


def _zip(compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile("mine.zip", "w", compression) as archive:
        archive.writestr(FIRST, bytes(range(256)) * 20)
    return bytearray(Path("mine.zip").read_bytes())


def _in_headers(offset, value):
    """A zip with another byte in both headers of its file, counted from the flags."""
    content = _zip()
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags + offset] = value
    return content


def _damaged(content):
    content[len(content) // 2] ^= 255
    return content


@pytest.mark.parametrize(
    ("make", "wording"),
    [
        (lambda: _in_headers(0, 1), "is encrypted"),
        (lambda: _in_headers(2, 99), "compression method is not supported"),
        (lambda: _damaged(_zip()), "Bad CRC-32"),
        (lambda: _damaged(_zip(zipfile.ZIP_DEFLATED)), ""),
        (lambda: _damaged(_zip(zipfile.ZIP_LZMA)), ""),
        (lambda: _damaged(_zip(zipfile.ZIP_BZIP2)), ""),
    ],
)
def test_zips_that_cannot_be_read_are_named(make, wording):
    Path("mine.zip").write_bytes(make())
    with pytest.raises(InputError, match=rf"^mine\.zip: cannot be read as a folder.*{wording}"):
        check_submission(Path("mine.zip"), _dataset("ade20k"))


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_tars_that_are_cut_are_named(kind, part):
    with tarfile.open("whole.tar", f"w:{kind}") as archive:
        for name in (FIRST, SECOND):
            Path(name).write_bytes(np.random.RandomState(0).bytes(100_000))
            archive.add(name)
    whole = Path("whole.tar").read_bytes()
    Path("mine.tar").write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(InputError, match=r"^mine\.tar: cannot be read as a folder, tar or zip: "):
        check_submission(Path("mine.tar"), _dataset("voc"))


@pytest.mark.parametrize(
    ("archive", "wording"),
    [
        ("mine.zip", r"^mine\.zip: expected a name that ends in \.tar or"),
        ("there.tar", r"^there\.tar: exists already; choose another name, or pass --overwrite"),
        ("mine.tar", r"^kept/labels: no predictions; `rnw eval-seg --save-predictions kept`"),
    ],
)
def test_what_cannot_be_packed_is_refused(archive, wording):
    Path("there.tar").write_text("precious")
    with pytest.raises(InputError, match=wording):
        write_submission(Path("kept"), _dataset("voc"), Path(archive))
    assert Path("there.tar").read_text() == "precious"


def test_each_published_data_set_has_a_form():
    assert {name for name, row in SEGMENTATION.items() if row.submission is not None} == set(FILES)


def test_data_sets_without_a_server_are_refused():
    with pytest.raises(InputError, match=r"^no form of submissions for 'shapes': expected one of"):
        find_form(SEGMENTATION["shapes"])


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_data_of_ones_own_are_packed_as_they_are(suffix):
    dataset = _dataset("voc")
    dataset = replace(dataset, submission=OWN_SUBMISSION)
    labels = _predict(dataset)
    archive = Path(f"mine{suffix}")
    assert write_submission(Path("kept"), dataset, archive) == 2
    assert check_submission(archive, dataset) == []
    contents = _open(archive)
    assert list(contents) == [f"{stem}.png" for stem in STEMS]
    for content, classes in zip(contents.values(), labels):
        with Image.open(io.BytesIO(content)) as image:
            assert (np.array(image) == np.array(IDS)[classes]).all()
    archive.rename("other.tar" if suffix == ".zip" else "other.zip")
    (problem,) = check_submission(next(Path().glob("other.*")), dataset)
    assert "expected a tar" in problem if suffix == ".zip" else "expected a zip" in problem
