#!/usr/bin/env bash
# The checks that take longer than CI should: all bodies and motions, and what needs a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

"$PYTHON" -m pytest -m "slow or gpu" --durations=10 "$@"
