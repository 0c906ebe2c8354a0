"""The recipe table and its overrides."""

import json
import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

import rnw.training
from rnw.data.crops import Cropping
from rnw.data.sets.catalog import DATASETS
from rnw.errors import InputError
from rnw.networks.zoo import network_names
from rnw.training.kvstores import KVSTORES
from rnw.training.optimizers import OPTIMIZERS
from rnw.training.recipe import Recipe, SegmentationRecipe
from rnw.training.recipe_fields import declared, declared_anew
from rnw.training.recipes import RECIPES, find_recipe, named_weights, starting_weights
from rnw.weights.labels import parse_label
from rnw.weights.released import RELEASED

FINE_TUNINGS = ("a_to_a1", "a_to_a2")
SEGMENTATION = [name for name, row in RECIPES.items() if row.task == "segmentation"]
PHASES = {name: f"{name}_linear" for name in SEGMENTATION if f"{name}_linear" in SEGMENTATION}
PICTURES = {"cityscapes": 2975, "voc": 10_582, "ade20k": 20_210, "pascal-context": 4998}


def test_model_a_is_the_papers():
    recipe = find_recipe("model_a")
    found = (recipe.batch, recipe.epochs, recipe.base_lr, recipe.schedule, recipe.lr_floor)
    assert found == (256, 90, 0.1, "linear", 1e-6)
    found = (recipe.optimizer, recipe.momentum, recipe.weight_decay, recipe.kvstore, recipe.width)
    assert found == ("torch_nesterov", 0.9, 1e-4, "local", 1)
    assert (recipe.dataset, recipe.classes) == ("ilsvrc-cls", 1000)


def test_every_network_of_table_1_and_every_data_set_has_a_recipe():
    assert set(network_names()) < set(RECIPES)
    assert {row.recipe for row in DATASETS.values()} <= {*RECIPES, ""}
    assert all(recipe.source for recipe in RECIPES.values())


@pytest.mark.parametrize(
    ("name", "network", "dataset", "classes", "epochs", "base_lr"),
    [
        ("a_to_a1", "model_a1", "ilsvrc-cls", 1000, 9, 0.01),
        ("a_to_a2", "model_a2", "places365-cls", 365, 6, 0.01),
        ("places365_a2", "model_a2", "places365-cls", 365, 64, 0.1),
    ],
)
def test_other_recipes_differ_from_model_a_in_few_fields(
    name, network, dataset, classes, epochs, base_lr
):
    recipe = find_recipe(name)
    found = (recipe.network, recipe.dataset, recipe.classes, recipe.epochs, recipe.base_lr)
    assert found == (network, dataset, classes, epochs, base_lr)
    changed = dict(zip(("name", "network", "dataset", "classes", "epochs", "base_lr"), found))
    changed.update(name="model_a", source="", network="model_a", dataset="ilsvrc-cls")
    changed.update(classes=1000, epochs=90, base_lr=0.1, starts_from="", suffix="")
    assert replace(recipe, **changed) == replace(find_recipe("model_a"), source="")


def test_iterations_are_the_papers():
    """450k from scratch and 45k of fine-tuning, to whole epochs."""
    images = {name: DATASETS[name].published for name in ("ilsvrc-cls", "places365-cls")}
    assert images == {"ilsvrc-cls": 1_281_167, "places365-cls": 1_803_460}
    for name, iterations in (
        ("model_a", 450_000),
        ("places365_a2", 450_000),
        ("a_to_a1", 45_000),
        ("a_to_a2", 45_000),
    ):
        recipe = find_recipe(name)
        epoch = images[recipe.dataset] // recipe.batch
        assert abs(recipe.epochs * epoch - iterations) <= epoch / 2


def test_labels_are_the_originals():
    assert str(find_recipe("model_a1").label) == "ilsvrc-cls_rna-a1_cls1000"
    assert str(find_recipe("a_to_a1").label) == "ilsvrc-cls_rna-a1_cls1000_from-a"


def test_only_fine_tunings_start_from_weights():
    starting = {name for name in RECIPES if find_recipe(name).starts_from}
    assert starting == {*FINE_TUNINGS, *PHASES, "finetune-cls", "finetune-seg"}
    assert starting_weights(find_recipe("model_a")) is None
    assert starting_weights(find_recipe("model_a"), Path("x")) == Path("x")


@pytest.mark.parametrize("name", FINE_TUNINGS)
def test_a_fine_tuning_starts_from_the_released_model_a(name):
    recipe = find_recipe(name)
    assert recipe.starts_from in RELEASED
    path = Path("models/ilsvrc-cls_rna-a_cls1000_ep-0001.params")
    with pytest.raises(InputError, match=rf"{path}: not there, and recipe {name} starts from it"):
        starting_weights(recipe)
    assert starting_weights(recipe, Path("other")) == Path("other")
    path.parent.mkdir()
    path.touch()
    assert starting_weights(recipe) == path


def test_the_commands_for_cityscapes():
    first, second = (find_recipe(name) for name in ("cityscapes", "cityscapes_linear"))
    assert (first.batch, first.epochs, first.base_lr, first.schedule) == (16, 140, 0.0016, "fixed")
    assert (second.epochs, second.base_lr, second.schedule) == (64, 0.0008, "linear")
    assert str(first.label) == "cityscapes_rna-a1_cls19_s8"
    assert str(second.label) == "cityscapes_rna-a1_cls19_s8_x1-140"
    for recipe in (first, second):
        assert (recipe.optimizer, recipe.momentum, recipe.weight_decay) == ("sgd", 0.9, 5e-4)
        assert (recipe.crop, recipe.origin, recipe.rates) == (500, 2048, (0.7, 1.3))
        assert (recipe.input_size, recipe.loss, recipe.kvstore) == (504, "ohem", "local")


@pytest.mark.parametrize(("first", "second"), PHASES.items())
def test_two_phases(first, second):
    first, second = find_recipe(first), find_recipe(second)
    assert (first.network, first.classifier, first.batch) == ("model_a1", "2 conv", 16)
    assert (first.schedule, first.base_lr) == ("fixed", 0.0016)
    assert (second.schedule, second.base_lr) == ("linear", 0.0008)
    assert named_weights(first) == Path("models/ilsvrc-cls_rna-a1_cls1000_ep-0001.params")
    path = Path(f"out/{first.label}_ep-{first.epochs:04d}.params")
    assert named_weights(second, Path("out")) == path
    with pytest.raises(InputError, match=f"train recipe {first.name} first, with the same"):
        starting_weights(second, folder=Path("out"))
    path.parent.mkdir()
    path.touch()
    assert starting_weights(second, folder=Path("out")) == path
    changed = {"epochs", "base_lr", "schedule", "starts_from", "continues", "suffix", "name"}
    differing = {k for k, v in asdict(first).items() if getattr(second, k) != v}
    assert differing == changed | ({"split"} if first.name == "voc_coco" else set())


@pytest.mark.parametrize(
    ("name", "overrides", "file"),
    [
        ("cityscapes", ["network=model_a2"], "cityscapes_rna-a2_cls19_s8_ep-0140.params"),
        ("voc", ["network=resnet101"], "voc_resnet101_cls21_s8_ep-0039.params"),
        ("voc_coco", ["network=a", "stride=16"], "voc_rna-a_cls21_s16_coco_ep-0004.params"),
        ("voc", ["dataset=shapes", "classes=5"], "shapes_rna-a1_cls5_s8_ep-0039.params"),
        ("voc", ["suffix=mine", "epochs=1"], "voc_rna-a1_cls21_s8_ep-0039.params"),
    ],
)
def test_a_second_phase_starts_from_its_own_network(name, overrides, file):
    second = find_recipe(f"{name}_linear", overrides)
    assert named_weights(second, Path("out")) == Path("out", file)
    with pytest.raises(InputError, match=rf"^out/{file}: not there"):
        starting_weights(second, folder=Path("out"))
    shared = [field for field in overrides if not field.startswith(("suffix", "epochs"))]
    first = find_recipe(name, shared)
    assert first.label.params_file(first.epochs) == file


@pytest.mark.parametrize(("name", "pictures"), PICTURES.items())
def test_updates_are_those_on_cityscapes(name, pictures):
    """25,900 and 11,840, to whole epochs."""
    for recipe, updates in ((name, 25_900), (f"{name}_linear", 11_840)):
        epoch = pictures // 16
        assert abs(find_recipe(recipe).epochs * epoch - updates) <= epoch / 2


def test_crops_are_whole_strides():
    assert find_recipe("voc", ["crop=97"]).input_size == 104
    assert find_recipe("voc", ["crop=96", "stride=32"]).input_size == 96
    assert find_recipe("model_f").input_size == 56


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [("rates=0.5,2", "rates", (0.5, 2.0)), ("crop=97", "crop", 97)],
)
def test_overrides_of_segmentation(override, field, value):
    assert getattr(find_recipe("voc", [override]), field) == value
    with pytest.raises(InputError, match=f"cannot set '{override}'"):
        find_recipe("model_a", [override])


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("epochs=3", "epochs", 3),
        ("base_lr=0.01", "base_lr", 0.01),
        ("schedule=step", "schedule", "step"),
        ("schedule=cosine", "schedule", "cosine"),
        ("warmup=0.5", "warmup", 0.5),
        ("lr_steps=100,200", "lr_steps", (100, 200)),
        ("lr_steps=", "lr_steps", ()),
        ("balance=true", "balance", True),
        ("balance=False", "balance", False),
        ("label_smoothing=0.1", "label_smoothing", 0.1),
    ],
)
def test_overrides(override, field, value):
    recipe = find_recipe("digits", [override])
    assert getattr(recipe, field) == value
    written = json.loads(recipe.to_json()).get(field, value)
    assert written == (list(value) if field == "lr_steps" else value)


@pytest.mark.parametrize(
    ("override", "wording"),
    [
        ("epochs", "cannot set 'epochs': expected key=value"),
        ("speed=3", "key one of dataset, network, classes"),
        ("name=x", "cannot set 'name=x'"),
        ("epochs=three", "cannot set epochs=three: expected a whole number"),
        ("base_lr=fast", "cannot set base_lr=fast: expected a number"),
        ("lr_steps=1,b", "expected whole numbers joined by commas"),
        ("epochs=0", "epochs is 0, expected at least 1"),
        ("base_lr=-1", "base_lr is -1.0, expected 0 or more"),
        ("base_lr=nan", "base_lr is nan"),
        ("warmup=12", "warmup is 12.0, expected less than epochs, which is 12"),
        ("warmup=nan", "warmup is nan, expected 0 or more"),
        ("suffix=a/b", "suffix is 'a/b', expected at most 100 letters a to z, digits and any of"),
        ("suffix=../x", "suffix is '../x', expected at most"),
        ("suffix=a*", "expected at most 100 letters"),
        ("suffix=[a]", "expected at most 100 letters"),
        ("suffix=a\0", "expected at most 100 letters"),
        ("suffix=a\nb", "expected at most 100 letters"),
        ("suffix=a\n", "expected at most 100 letters"),
        ("suffix=ä", "expected at most 100 letters"),
        ("suffix=" + 101 * "x", "expected at most 100 letters"),
        ("suffix=ep-0001", "suffix is 'ep-0001', expected .*, not 'ep-' at first"),
        ("suffix=s8", "suffix is 's8', which in file names would be the stride"),
        ("suffix=s16_mine", "suffix is 's16_mine', which in file names would be the stride"),
        ("base_lr=1e-7", "lr_floor is 1e-06, above base_lr, 1e-07"),
        ("lr_floor=1", "lr_floor is 1.0, above base_lr, 0.1"),
        ("schedule=cosin", "schedule is 'cosin', expected one of .*; did you mean 'cosine'"),
        ("optimizer=adams", "optimizer is 'adams', expected one of .*; did you mean 'adam'"),
        ("kvstore=dist-sync", "expected one of .*; did you mean 'dist_sync'"),
        ("balance=yes", "cannot set balance=yes: expected true or false"),
        ("label_smoothing=1", "label_smoothing is 1.0, expected 0 or more and below 1"),
        ("label_smoothing=nan", "label_smoothing is nan, expected 0 or more and below 1"),
        ("class_weights=1,2", "class_weights has 2 numbers, expected one for each of the 10 clas"),
        ("class_weights=1,-1", r"class_weights is \(1.0, -1.0\), expected each 0 or more, and not"),
        ("class_weights=0,0", r"class_weights is \(0.0, 0.0\), expected each 0 or more, and not"),
        ("class_weights=1,inf", r"class_weights is \(1.0, inf\), expected each 0 or more"),
        ("class_weights=1,x", "cannot set class_weights=1,x: expected numbers joined by commas"),
        ("width=0", "width is 0.0, expected above 0 and at most 16"),
        ("lr_steps=5,0", r"lr_steps is \(5, 0\), expected numbers of updates from 1 on"),
        ("classes=1", "classes is 1, expected 2 to 1000000"),
        ("classes=99999999999999999999", "classes is 9+, expected 2 to 1000000"),
    ],
)
def test_refuses_bad_overrides(override, wording):
    with pytest.raises(InputError, match=wording):
        find_recipe("digits", [override])


@pytest.mark.parametrize(
    ("override", "wording"),
    [
        ("rates=1,x", "cannot set rates=1,x: expected two numbers joined by a comma"),
        ("rates=1.3,0.7", "rates is .1.3, 0.7., expected two numbers"),
        ("rates=0.001,1", "and a pixel of origin at least"),
        (
            "rates=0.7,inf",
            r"^rates is \(0\.7, inf\), expected .* 65,535 at most \(origin is 500\)$",
        ),
        ("rates=inf,inf", "expected two numbers"),
        ("rates=-inf,inf", "expected two numbers"),
        ("rates=1e30,1e31", "expected two numbers, .* 65,535 at most"),
        ("rates=0.7,131.08", "expected two numbers, .* 65,535 at most"),
        ("rates=nan,1", "rates is .nan, 1.0., expected two numbers"),
        ("rates=0.7,nan", "expected two numbers"),
        ("rates=", r"rates is \(\), expected two numbers"),
        ("rates=1,1,1", "rates is .1.0, 1.0, 1.0., expected two numbers"),
        ("origin=1000000000", "65,535 at most .origin is 1000000000."),
        ("crop=0", "crop is 0, expected 1 to 16384"),
        ("crop=1000000000", "crop is 1000000000, expected 1 to 16384"),
        ("stride=0", "stride is 0, expected at least 1"),
        ("classifier=3 conv", "classifier is '3 conv', expected one of 1 conv, 2 conv"),
        ("loss=focal", "loss is 'focal', expected one of softmax, ohem"),
        ("suffix=a/b", "suffix is 'a/b', expected at most"),
        ("classes=256", "classes is 256, expected 1 to 255: label maps have 8 bits"),
    ],
)
def test_refuses_bad_overrides_of_segmentation(override, wording):
    with pytest.raises(InputError, match=wording):
        find_recipe("voc", [override])


@pytest.mark.parametrize("pixels", [1, 65_535])
def test_the_smallest_and_the_largest_rate_can_be_drawn(pixels):
    recipe = find_recipe("voc", ["origin=500", f"rates={pixels / 500},{pixels / 500}"])
    cropping = Cropping(504, recipe.origin, recipe.classes, recipe.rates)
    box, _ = cropping.draw(30, 20, np.random.RandomState(0))
    assert (box.height, box.width) == (max(1, int(504 / (pixels / 30))),) * 2
    with pytest.raises(InputError, match="a pixel of origin at least"):
        find_recipe("voc", ["origin=49", f"rates={1 / 49},1"])  # rounded, 0.9999... pixels


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("suffix", ["s", "sum", "x1-140", "from-a", "a_b.c+d=1", 100 * "x", None])
def test_labels_are_read_as_written(name, suffix):
    recipe = find_recipe(name, [] if suffix is None else [f"suffix={suffix}"])
    label = recipe.label
    assert parse_label(label.params_file(recipe.epochs)) == label
    assert label.suffix == (recipe.suffix if suffix is None else suffix)


def test_refuses_unknown_recipe():
    with pytest.raises(InputError, match="unknown recipe 'model_z': expected one of model_a, "):
        find_recipe("model_z")


def test_fields_name_all_optimizers_and_kvstores():
    fields = declared(Recipe)
    for name, table in (("optimizer", OPTIMIZERS), ("kvstore", KVSTORES)):
        assert fields[name].values.words == tuple(table)


@pytest.mark.parametrize("kind", [Recipe, SegmentationRecipe])
def test_all_fields_but_name_and_source_can_be_set(kind):
    names = [field.name for field in fields(kind)]
    assert ["name", "source", *declared(kind)] == names
    assert all(field.meaning and str(field.values) for field in declared(kind).values())


def test_the_readme_explains_every_field():
    readme = Path(rnw.training.__file__).with_name("README.md").read_text()
    section = readme.partition("\n### Fields\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", section, re.MULTILINE)
    explained = [*declared(Recipe).values(), *declared_anew(SegmentationRecipe, Recipe)]
    assert rows == [(name, str(values), meaning) for name, values, meaning in explained]


def test_adam_refuses_a_momentum_that_never_forgets():
    assert find_recipe("digits", ["optimizer=sgd", "momentum=1"]).momentum == 1
    with pytest.raises(InputError, match=r"^momentum is 1\.0, expected less than 1 by Adam$"):
        find_recipe("digits", ["optimizer=adamw", "momentum=1"])


def test_fine_and_coarse_labels_of_cityscapes_are_trained_on_together():
    for name, updates in (("cityscapes_coarse", 25_900), ("cityscapes_coarse_linear", 11_840)):
        recipe = find_recipe(name)
        pictures = recipe.published_images(Path("nowhere"))
        assert pictures == 22_973  # lines of the original's train+.lst
        assert abs(recipe.epochs * (pictures // 16) - updates) <= pictures // 16 / 2


def test_files_of_runs_say_a_split_where_they_did_or_where_it_is_chosen():
    assert "split" not in json.loads(find_recipe("model_a").to_json())
    assert json.loads(find_recipe("model_a", ["split=val"]).to_json())["split"] == "val"
    names = list(json.loads(find_recipe("voc").to_json()))
    assert names[names.index("suffix") :][:3] == ["suffix", "split", "stride"]


def test_files_of_runs_without_optional_fields_are_as_before():
    new = {"warmup", "class_weights", "balance", "label_smoothing"}
    assert new.isdisjoint(json.loads(find_recipe("digits").to_json()))
    defaults = ["warmup=0", "class_weights=", "balance=false", "label_smoothing=0"]
    assert new.isdisjoint(json.loads(find_recipe("digits", defaults).to_json()))


def test_classes_are_weighed_in_one_way():
    weights = ",".join(10 * ["1"])
    with pytest.raises(InputError, match=r"^class_weights and balance both weigh"):
        find_recipe("digits", [f"class_weights={weights}", "balance=true"])
    assert find_recipe("digits", [f"class_weights={weights}"]).changes_loss
    assert not any(recipe.changes_loss for recipe in RECIPES.values())
