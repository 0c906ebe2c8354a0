"""Datasets of the catalog that have no recipe of their own: prepared, trained on and tested."""

from pathlib import Path

import pytest

from rnw.cli.train_cls import CLASSIFICATION
from rnw.cli.train_seg import SEGMENTATION
from tests.data.prepare import miniature_segmentation
from tests.data.prepare.miniature import imagenetv2_files, write_tar
from tests.data.sets.test_cifar import contents

TINY = ("--set", "width=0.03125", "--set", "epochs=1", "--workers", 0)


def _prepare(rnw, name, folder="downloads"):
    code, out, err = rnw("prepare", name, folder, "--subset")
    assert (code, err) == (0, "")
    return out


@pytest.mark.slow
def test_camvid_from_its_archive_to_scores(rnw):
    archives, _ = miniature_segmentation.FILES["camvid"]()
    miniature_segmentation.write_archives(Path("downloads"), archives)
    assert _prepare(rnw, "camvid").endswith("data/camvid/test.lst: 1 picture\n")
    options = (*TINY, "--set", "crop=16", "--set", "origin=32", "--val-every", 1)
    code, out, err = rnw("train-seg", "--dataset", "camvid", *options)
    assert (code, err) == (0, "trained by recipe scratch-seg; --recipe chooses another\n")
    weights = out.splitlines()[-1]
    assert weights == "output/camvid_rna-56-0-1-1-1-1-1-1_cls11_s8_ep-0001.params"
    code, out, _ = rnw("eval-seg", "--weights", weights)
    assert code == 0
    assert "camvid test, 1 image\n" in out
    assert " bicyclist\n" in out
    code, out, _ = rnw("eval-seg", "--weights", weights, "--split", "val", "--flip")
    assert (code, "camvid val, 1 image\n" in out) == (0, True)


def test_cifar10_from_its_archive_to_scores(rnw):
    files = contents("cifar10")
    members = [(f"cifar-10-batches-bin/{name}", files[name]) for name in files]
    write_tar(Path("downloads/cifar-10-binary.tar.gz"), members, "w:gz")
    assert _prepare(rnw, "cifar10").endswith("data/cifar10: 3 pictures of test\n")
    code, out, err = rnw("train-cls", "--dataset", "cifar10", *TINY)
    assert (code, err) == (0, "trained by recipe scratch-cls; --recipe chooses another\n")
    weights = out.splitlines()[-1]
    assert weights == "output/cifar10_rna-56-1-1-1-1-1-1-1_cls10_ep-0001.params"
    code, out, _ = rnw("eval-cls", "--weights", weights)
    assert (code, "cifar10 test, 3 images" in out) == (0, True)


def test_a_recipe_of_another_dataset_gets_the_classes():
    recipe = CLASSIFICATION.resolve("model_f", "cifar100", ("batch=8",))
    assert (recipe.dataset, recipe.classes, recipe.batch) == ("cifar100", 100, 8)
    assert recipe.network == "model_f"


def test_recipes_for_any_data_fit_datasets_that_have_their_own():
    recipe = SEGMENTATION.resolve("scratch-seg", "shapes", ("width=0.125",))
    assert (recipe.classes, recipe.origin, recipe.width) == (5, 128, 0.125)
    recipe = CLASSIFICATION.resolve("scratch-cls", "digits", ())
    assert (recipe.dataset, recipe.classes, recipe.epochs) == ("digits", 10, 100)
    assert SEGMENTATION.resolve("shapes", "shapes", ()).epochs == 24


def test_one_split_is_said_to_be_tested_on_itself(rnw, capfd):
    files = miniature_segmentation.synthia_files()[0]["SYNTHIA_RAND_CITYSCAPES.rar"]
    miniature_segmentation.write_folder(Path("downloads"), files)
    assert _prepare(rnw, "synthia").endswith("data/synthia/train.lst: 2 pictures\n")
    capfd.readouterr()
    recipe = SEGMENTATION.resolve(None, "synthia", ())
    assert (recipe.classes, recipe.batch, recipe.origin) == (19, 2, 1280)
    assert "SYNTHIA has one split: networks are tested on the pictures" in capfd.readouterr().err


def test_nothing_is_trained_on_a_dataset_for_tests(rnw):
    files = imagenetv2_files("matched-frequency")
    path = Path("downloads/imagenetv2-matched-frequency.tar.gz")
    write_tar(path, sorted(files.items()), "w:gz")
    assert "matched-frequency.lst: 6 pictures of 3 classes" in _prepare(rnw, "imagenetv2")
    code, _, err = rnw("train-cls", "--dataset", "imagenetv2")
    assert (code, "ImageNetV2 is for tests alone: it has no split to train on" in err) == (2, True)
    code, out, _ = rnw("dataset", "check", "imagenetv2")
    assert (code, "imagenetv2 matched-frequency: 6 pictures" in out) == (0, True)
    assert "33.33 %        2 pictures  2 n01530575\n" in out  # of the subset that is there


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("prepare", "cifar10", "--pack"), "--pack: the pictures of cifar10 are packed as publ"),
        (("train-seg", "--dataset", "camvid"), "data/camvid/train.lst: no such list; `rnw prepare"),
        (("train-cls", "--dataset", "cifar100"), "data/cifar100/train.bin: no such file; `rnw pr"),
        (("train-cls", "--dataset", "camvid"), "camvid: is a dataset for segmentation, exp"),
    ],
)
def test_what_is_refused(rnw, arguments, wording):
    code, _, err = rnw(*arguments)
    assert (code, wording in err) == (2, True), err
