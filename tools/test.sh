#!/usr/bin/env bash
# Set up and run all tests, in three processes: one of them often waits. `--fast`, first, leaves out
# the slow ones; all other arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/environment.sh
make_environment cpu,dev
if [ "${1:-}" = --fast ]; then
  shift
  set -- -m "not slow" "$@"
fi
.venv/bin/python -m pytest -n 3 --dist worksteal "$@"
