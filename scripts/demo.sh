#!/usr/bin/env bash
# Bodies -> training -> generation -> evaluation -> pictures, in out/demo/. Ten to 35 minutes
# on two cores: train.py says how long. If it is stopped, it goes on when started again.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

"$PYTHON" -m scripts.experiments.demo
