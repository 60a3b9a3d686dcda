#!/usr/bin/env bash
# Bodies -> training -> generation -> evaluation -> pictures, in out/demo/. About ten minutes on two
# cores. If it is stopped, it goes on from there when started again.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

"$PYTHON" -m scripts.experiments.demo
