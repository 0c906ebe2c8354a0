"""How classifiers are judged: top-1 and top-5 accuracy."""
