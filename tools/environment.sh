# Sourced by the scripts beside it: a virtual environment in .venv with this checkout installed.

# MXNet 1.9.1 runs on Python 3.8 to 3.12; the newest of these, or $PYTHON.
find_python() {
  local python
  for python in "${PYTHON:-}" python3.12 python3.11 python3.10 python3.9 python3.8 python3; do
    if [ -n "$python" ] && "$python" -c '
import sys
sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  echo "No Python 3.8 to 3.12 found: install one, or name it: PYTHON=/path/to/python bash $0" >&2
  return 2
}

# make_environment EXTRAS: install the checkout in the current folder with these extras.
make_environment() {
  local python
  if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    echo "Making a virtual environment in .venv with $("$python" --version)" >&2
    "$python" -m venv .venv
  fi
  echo "Installing rnw[$1] into .venv" >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$1]"
}
