#!/usr/bin/env bash
# Set up and run the tests that need PyTorch, most of them beside MXNet, in two processes. They have
# an environment of their own, since gluoncv cannot be imported beside PyTorch 2. All arguments go
# to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/environment.sh
torch=torch==2.13.0+cpu # other builds bring gigabytes of CUDA libraries

if [ ! -x .venv-torch/bin/python ]; then
  "$(find_python)" -m venv .venv-torch
fi
install=(.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check)
echo "Installing $torch and rnw[onnx,torch] into .venv-torch" >&2
if ! "${install[@]}" --no-deps --retries 1 --index-url https://download.pytorch.org/whl/cpu $torch; then
  echo "Skipped: the tests of rnw.torch, since $torch could not be installed" >&2
  exit
fi
"${install[@]}" --editable ".[onnx,torch]" mxnet==1.9.1 "opencv-python<4.12" pillow \
  pytest pytest-xdist safetensors
.venv-torch/bin/python -m pytest -n 2 --dist worksteal tests/torch tests/weights/test_torch.py "$@"
