#!/usr/bin/env bash
# Held-out bodies -> meshes with the weights that ship -> numbers and pictures, in out/demo/: two
# minutes after set-up. With --train: bodies -> training -> the same, in out/demo-train/; train.py says
# how long. If it is stopped, it goes on when started again.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

"$PYTHON" -m scripts.experiments.demo "$@"
