"""`rnw prepare`, and the scripts that are the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnw.locks import LOCK_FILE, FolderLock
from tests.data.prepare import miniature_segmentation
from tests.data.prepare.miniature import jpeg, make_ilsvrc12, make_places365

TOOL = Path(__file__).parents[2] / "tools" / "prepare.py"


@pytest.fixture(scope="module")
def ilsvrc(tmp_path_factory):
    return make_ilsvrc12(tmp_path_factory.mktemp("ilsvrc")).folder


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return make_places365(tmp_path_factory.mktemp("places"), "256").folder


@pytest.fixture(scope="module", params=["voc", "cityscapes", "ade20k", "pascal-context"])
def labeled(request, tmp_path_factory):
    """Name and archives of a segmentation dataset."""
    folder = tmp_path_factory.mktemp("archives")
    archives, _ = miniature_segmentation.FILES[request.param]()
    miniature_segmentation.write_archives(folder, archives)
    return request.param, folder


def _tool(dataset, *arguments):
    done = subprocess.run(
        [sys.executable, TOOL, dataset, *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_prepares(rnw, ilsvrc):
    code, out, err = rnw("prepare", "ilsvrc-cls", ilsvrc, "--subset", "--pack")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"read {ilsvrc}/ILSVRC2012_devkit_t12.tar.gz",
        f"extract {ilsvrc}/ILSVRC2012_img_train.tar to data/ilsvrc12/ILSVRC2012_train",
        f"extract {ilsvrc}/ILSVRC2012_img_val.tar to data/ilsvrc12/ILSVRC2012_val",
        "write data/ilsvrc12/train.lst and data/ilsvrc12/val.lst",
        "pack the pictures of train in data/ilsvrc12/train.rec",
        "pack the pictures of val in data/ilsvrc12/val.rec",
        "data/ilsvrc12/train.lst: 24 pictures of 4 classes",
        "data/ilsvrc12/val.lst: 12 pictures of 4 classes",
    ]
    code, again, err = rnw("prepare", "ilsvrc-cls", ilsvrc, "--subset", "--pack")
    assert (code, err) == (0, "")
    assert again.splitlines() == out.splitlines()[-2:]
    assert rnw("prepare", "ilsvrc-cls", ilsvrc, "--dry-run") == (0, "nothing to do\n", "")


def test_a_dry_run_writes_nothing(rnw, ilsvrc):
    code, out, err = rnw("prepare", "ilsvrc-cls", ilsvrc, "--dry-run", "--split", "val")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"check the md5 of {ilsvrc}/ILSVRC2012_devkit_t12.tar.gz",
        f"read {ilsvrc}/ILSVRC2012_devkit_t12.tar.gz",
        f"check the md5 of {ilsvrc}/ILSVRC2012_img_val.tar",
        f"extract {ilsvrc}/ILSVRC2012_img_val.tar to data/ilsvrc12/ILSVRC2012_val",
        "write data/ilsvrc12/val.lst",
        "this would be done",
    ]
    assert list(Path().iterdir()) == []


def test_a_dry_run_says_what_is_missing(refused, ilsvrc):
    err = refused("prepare", "places365-cls", ilsvrc, "--dry-run")
    assert "missing in" in err
    assert "train_large_places365standard.tar or train_256_places365standard.tar or" in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "wording"),
    [((), "expected md5 fa75699e90414af021442c21a62c3abf"), (("--no-md5",), "expected 1281167 of")],
)
def test_a_miniature_is_not_the_official_data_set(rnw, ilsvrc, options, wording):
    code, _, err = rnw("prepare", "ilsvrc-cls", ilsvrc, *options)
    assert code == 2
    assert err.startswith("Error: ")
    assert wording in err
    assert not Path("data").exists()


@pytest.mark.slow
def test_an_interrupt_stops_it_until_it_is_called_again(rnw):
    make_ilsvrc12(Path("archives"), train=800)
    command = [sys.executable, TOOL, "ilsvrc-cls", "archives", "--subset"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not Path("data/ilsvrc12/.ILSVRC2012_train.part").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.decode().strip()) == (
        130,
        "stopped; run the same command again to resume",
    )
    assert not Path("data/ilsvrc12/train.lst").exists()
    code, out, _ = rnw("prepare", "ilsvrc-cls", "archives", "--subset")
    assert code == 0
    assert "train.lst: 3200 pictures of 4 classes" in out


def test_two_at_once_do_not_write_into_one_folder(refused, rnw, ilsvrc):
    command = ("prepare", "ilsvrc-cls", ilsvrc, "--subset", "--output", "data")
    with FolderLock(Path("data")) as lock:
        lock.acquire()
        err = refused(*command)
        assert err.startswith("Error: data: another run is writing there: wait for its end, or")
        assert [path.name for path in Path("data").iterdir()] == [LOCK_FILE]
    assert rnw(*command)[0] == 0
    assert not Path("data", LOCK_FILE).exists()


def test_names_that_are_not_utf8_are_shown():
    for split in ("train", "val"):
        path = Path(os.fsdecode(b"so\xe9/%s/n01440764/p.JPEG" % split.encode()))
        path.parent.mkdir(parents=True)
        path.write_bytes(jpeg(1, 0))
    done = subprocess.run(
        [sys.executable, "-m", "rnw", "prepare", "ilsvrc-cls", b"so\xe9", "--subset"],
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict", "PYTHONPATH": str(TOOL.parents[1])},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"ILSVRC2012_train to so\\udce9/train\n" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "root"),
    [("ilsvrc-cls", "data/ilsvrc12"), ("places365-cls", "data/places365")],
)
def test_the_script_is_the_same(rnw, request, dataset, root):
    source = request.getfixturevalue("ilsvrc" if dataset == "ilsvrc-cls" else "places")
    assert _tool(dataset, "--help") == rnw("prepare", dataset, "--help")
    assert _tool(dataset, "absent") == rnw("prepare", dataset, "absent")
    code, _, err = _tool(dataset, source, "--subset")
    assert (code, err) == (0, "")
    by_tool = {path: path.read_bytes() for path in Path(root).glob("*.*")}
    assert {path.name for path in by_tool} >= {"train.lst", "val.lst", "classes.txt"}
    rnw("prepare", dataset, source, "--subset", "--output", "other")
    for path, content in by_tool.items():
        assert (Path("other") / path.name).read_bytes() == content


def test_prepares_a_segmentation_data_set(rnw):
    folder = Path("archives")
    miniature_segmentation.write_archives(folder, miniature_segmentation.context_files()[0])
    code, out, err = rnw("prepare", "pascal-context", folder, "--subset")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "extract archives/VOCtrainval_03-May-2010.tar to data/pascal-context/VOC2010",
        "extract archives/trainval.tar.gz to data/pascal-context/context_trainval",
        "draw the label maps data/pascal-context/context_labels",
        "check the pictures and label maps of train, write data/pascal-context/train.lst",
        "check the pictures and label maps of val, write data/pascal-context/val.lst",
        "data/pascal-context/train.lst: 2 pictures",
        "data/pascal-context/val.lst: 1 picture",
    ]
    code, again, err = rnw("prepare", "pascal-context", folder, "--subset")
    assert (code, err) == (0, "")
    assert again.splitlines() == out.splitlines()[-2:]
    assert rnw("prepare", "pascal-context", "--dry-run") == (0, "nothing to do\n", "")


def test_what_a_segmentation_data_set_lacks_is_named(refused, labeled):
    name, folder = labeled
    err = refused("prepare", name, "--dry-run")
    assert f"missing in data/{name}: " in err
    assert refused("prepare", name, folder, "--split", "absent").startswith(
        "Error: no split 'absent': expected train or "
    )
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("dataset", ["ilsvrc-cls", "voc"])
def test_options_of_others_are_refused(rnw, dataset):
    options = ("--split", "train_aug") if dataset == "ilsvrc-cls" else ("--pack",)
    code, out, err = rnw("prepare", dataset, *options)
    assert (code, out) == (2, "")
    assert "no split 'train_aug'" in err or "--pack is for pictures with one class each" in err


def test_a_segmentation_miniature_is_not_the_official_data_set(rnw, labeled):
    name, folder = labeled
    code, _, err = rnw("prepare", name, folder, "--no-md5")
    assert code == 2
    assert "Error: " in err
    assert "of train, found 2; complete the folder" in err
    assert not list(Path().rglob("*.lst"))


@pytest.mark.slow
def test_the_script_is_the_same_for_segmentation(rnw, labeled):
    name, folder = labeled
    assert _tool(name, "--help") == rnw("prepare", name, "--help")
    code, out, err = _tool(name, folder, "--subset")
    assert (code, err) == (0, "")
    by_tool = {path.name: path.read_bytes() for path in Path("data", name).glob("*.lst")}
    assert {"val.lst"} < set(by_tool)
    assert len(out.splitlines()) > len(by_tool)
    rnw("prepare", name, folder, "--subset", "--output", "other")
    assert by_tool == {path.name: path.read_bytes() for path in Path("other").glob("*.lst")}


@pytest.mark.slow
def test_an_interrupt_stops_drawing_until_it_is_called_again(rnw):
    archives, _ = miniature_segmentation.context_files()
    maps = archives["trainval.tar.gz"]
    names = [f"2009_{number:06d}" for number in range(1500)]
    maps.update({f"trainval/{name}.mat": maps["trainval/2008_000002.mat"] for name in names})
    miniature_segmentation.write_archives(Path("archives"), archives)
    command = [sys.executable, TOOL, "pascal-context", "archives", "--subset"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    drawn = Path("data/pascal-context/context_labels")
    deadline = time.monotonic() + 60
    while not drawn.exists() or not any(drawn.glob("*.png")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.decode().strip()) == (
        130,
        "stopped; run the same command again to resume",
    )
    assert len(list(drawn.glob("*.png"))) < 1503
    assert not list(Path().rglob("*.lst"))
    code, out, _ = rnw("prepare", "pascal-context", "archives", "--subset")
    assert code == 0
    assert "train.lst: 2 pictures" in out
    assert len(list(drawn.iterdir())) == 1503
