#!/usr/bin/env bash
# Set up, train on four CPU devices, evaluate: needs nothing but Python and the package index.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/environment.sh
make_environment cpu

output=output/quickstart
.venv/bin/rnw train-cls --dataset digits --cpus 4 --output "$output" --overwrite
weights=$(ls "$output"/*.params | tail -n 1)
.venv/bin/rnw eval-cls --weights "$weights"

cat <<EOF

The network of the paper's kind above learnt handwritten digits on four devices.
What to try next (after: source .venv/bin/activate):
  rnw predict --weights $weights IMAGE...    # of a white digit on black
  rnw networks                               # the paper's networks
  rnw export-symbol model_a                  # the graph of Model A
  rnw train-cls --dataset digits --cpus 1 --set epochs=5 --output output/one-device
  rnw doctor                                 # what this machine has
EOF
