"""Installation; the numbers of versions are explained where they are bounded."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "rnw" / "__init__.py").read_text())[1]

MXNET_PYTHON = "python_version < '3.13'"
EVALUATION = [  # the onnx extra has no upper bounds
    "matplotlib>=3.7",  # the first with "outside" legends; Python 3.8 gets 3.7
    "pillow>=10.1",  # the first with a scalable default font
    "scikit-learn",  # for the handwritten digits
    "scipy",
]
WITH_MXNET = [
    *EVALUATION,
    f"numpy<2; {MXNET_PYTHON}",  # MXNet 1.9.1 cannot use numpy 2
    "gluoncv>=0.10.5",
    "opencv-python<4.12",  # later ones need numpy 2
    "setuptools; python_version >= '3.12'",  # MXNet imports distutils
]
CUDA_11 = [
    "nvidia-cublas-cu11",
    "nvidia-cuda-nvrtc-cu11",
    "nvidia-cuda-runtime-cu11",
    "nvidia-cudnn-cu11<9",  # MXNet loads libcudnn.so.8
    "nvidia-cufft-cu11",
    "nvidia-curand-cu11",
    "nvidia-cusolver-cu11",
    "nvidia-nccl-cu11",
    "nvidia-nvtx-cu11",
]
ONNX = [*EVALUATION, "onnx"]
COCO = ["pycocotools>=2.0.7"]  # built for every Python here; works with numpy 1
CITYSCAPES = ["cityscapesscripts>=2.2"]
TORCH = ["torch>=2.0"]  # the first where a device is a context
CRF = ["numba"]
TENSORBOARD = ["tensorboardX>=2.6"]

setup(
    name="rnw",
    version=VERSION,
    description="Wider or Deeper (arXiv 1611.10080): networks, weights and training in MXNet Gluon",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["rnw", "rnw.*"]),
    package_data={"": ["README.md", "py.typed"]},
    python_requires=">=3.8",
    install_requires=["numpy>=1.17", "click>=8", "pyyaml>=5.4"],
    extras_require={
        "cpu": [f"mxnet==1.9.1; {MXNET_PYTHON}", *WITH_MXNET],
        "cu112": [f"mxnet-cu112==1.9.1; {MXNET_PYTHON}", *WITH_MXNET, *CUDA_11],
        "tensorboard": TENSORBOARD,
        "coco": COCO,
        "crf": CRF,
        "onnx": [*ONNX, "onnxruntime"],
        "onnx-gpu": [*ONNX, "onnxruntime-gpu"],  # in place of onnxruntime
        "onnx-directml": [*ONNX, "onnxruntime-directml"],  # likewise, on Windows
        "openvino": [*ONNX, "openvino"],
        "torch": TORCH,
        "cityscapes": CITYSCAPES,
        "dev": [
            *("mypy", "pytest", "pytest-xdist", "ruff", "safetensors"),
            *(*TENSORBOARD, *COCO, *ONNX, "onnxruntime", "openvino", *CITYSCAPES, *CRF),
        ],
    },
    entry_points={"console_scripts": ["rnw=rnw.cli:main"]},
)
