"""CIFAR-100 as published in its binary form, with its 100 classes (the 20 superclasses aside)."""

from pathlib import Path

from rnw.data.sets.cifar import IMAGES, cifar_reader
from rnw.data.sets.publication import Form, PackedPublication
from rnw.data.sets.rows import Dataset

# of fine_label_names.txt
_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
NAMES = tuple(_NAMES.split())
FOLDER = "cifar-100-binary"
FORM = Form(
    "cifar-100-binary.tar.gz",
    "03b5dce01913d631647c71ecec9e9cb8",
    FOLDER,
    (FOLDER,),
    inside=f"{FOLDER}/",
    probe="test.bin",
)
FILES = {"train": ("train.bin",), "test": ("test.bin",)}

DATASET = Dataset(
    "cifar100",
    "CIFAR-100",
    Path("data/cifar100"),
    len(NAMES),
    lambda: NAMES,
    cifar_reader("CIFAR-100", FORM, FILES, labels=2),
    "train",
    "test",
    recipe="",
    publication=PackedPublication((FORM,), IMAGES),
    class_ids=NAMES,
)
