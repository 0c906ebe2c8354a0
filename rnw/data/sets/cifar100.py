"""CIFAR-100 as published, in its binary form or in that for Python, with its 100 classes.

The 20 superclasses are left aside.
"""

from rnw.data.sets.cifar import binary_files, cifar_row, pickled_files

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
FORMS = (
    binary_files(
        "cifar-100-binary.tar.gz",
        "03b5dce01913d631647c71ecec9e9cb8",
        "cifar-100-binary",
        {"train": ["train.bin"], "test": ["test.bin"]},
        labels=2,
    ),
    pickled_files(
        "cifar-100-python.tar.gz",
        "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-python",
        {"train": ["train"], "test": ["test"]},
        labels=b"fine_labels",
    ),
)

DATASET = cifar_row("cifar100", "CIFAR-100", NAMES, FORMS)
