#!/usr/bin/env bash
# Set up and run all tests; arguments go to pytest (-m "not slow" leaves out the long ones).
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/environment.sh
make_environment cpu,dev
.venv/bin/python -m pytest "$@"
