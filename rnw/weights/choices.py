"""TABLE of what a conversion of weights can be asked for; help lists it without NumPy.

How each format is read and written is in `formats.py`.
"""

from typing import Dict

MODULE, GLUON, ONNX_GRAPH = "module", "gluon", "onnx"
FORMAT_TITLES: Dict[str, str] = {
    MODULE: "MXNet's Module (arg: and aux: names, as the released files)",
    GLUON: "Gluon's load_parameters",
    "safetensors": "safetensors file with the names of the released files",
    "npz": "NumPy file with the names of the released files",
    ONNX_GRAPH: "ONNX graph, for ONNX Runtime and others",
    "rnw_torch": "PyTorch: the networks of rnw.torch",
    "resnet38d": "PyTorch: ResNet38 of PSA, SEAM and their family",
    "wider_resnet": "PyTorch: WiderResNet of inplace_abn",
    "wider_resnet_a2": "PyTorch: WiderResNetA2 of inplace_abn",
    "wrn38": "PyTorch: WiderResNetA2 of NVIDIA's semantic-segmentation",
}
PLAIN, STATE_DICT = "plain", "state_dict"  # how a PyTorch file holds weights
WRAPS = (PLAIN, STATE_DICT)
FLOATS, BYTES = "float32", "uint8"
INPUTS = (FLOATS, BYTES)  # what the pictures are that a graph takes
OPSET = 15  # of ONNX 1.10, of 2021
