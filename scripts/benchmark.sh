#!/usr/bin/env bash
# The benchmark bodies-1 (docs/benchmark.md): bash scripts/benchmark.sh CONFIG...
# Makes the data, trains with the budget of each configuration, generates, evaluates, and adds a row
# to out/benchmark/table.md. If it is stopped, it goes on when started again.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

"$PYTHON" -m scripts.experiments.benchmark "$@"
