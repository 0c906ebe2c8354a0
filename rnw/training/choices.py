"""TABLE of words in recipes and options; importing it starts neither NumPy nor MXNet.

What they stand for is in `optimizers.py` and `kvstores.py`.
"""

OPTIMIZERS = ("torch_nesterov", "sgd", "adam", "adamw")
ADAMS = ("adam", "adamw")  # which keep a variance beside momentum
KVSTORES = ("local", "device", "dist_sync", "dist_device_sync", "dist_async")
