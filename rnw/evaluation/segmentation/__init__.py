"""How segmentation networks are judged: pixel accuracy and intersection over union."""
