"""PASCAL Context with its 59 classes alone: background is ignored, in training and in tests.

Pictures and label maps are those of the row with 60 classes, in the same folder.
"""

from dataclasses import replace

from rnw.data.label_meaning import LabelMeaning
from rnw.data.sets import pascal_context
from rnw.data.sets.rows import prepared_labeled

NAME = "pascal-context-59"
LABEL_IDS = tuple(range(1, len(pascal_context.CLASSES)))  # 0 is background
MEANING = LabelMeaning("PASCAL Context", LABEL_IDS)

DATASET = replace(
    pascal_context.DATASET,
    name=NAME,
    title="PASCAL Context without background",
    class_names=pascal_context.CLASSES[1:],
    palette=pascal_context.DATASET.palette[1:],
    read=prepared_labeled(NAME, MEANING),
    recipe="",
    label_ids=LABEL_IDS,
    meaning=MEANING,
    submission=None,
)
