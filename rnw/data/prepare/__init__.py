"""From the official archives of a dataset to folders, lists and packs."""
