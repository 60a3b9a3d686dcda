#!/usr/bin/env bash
# Every check that CI runs: format, lint, types, tests. Three to five minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

echo "== ruff: lint and format"
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
echo "== pyright: types"
"$PYTHON" -m pyright --pythonpath "$PYTHON"
echo "== pytest"
"$PYTHON" -m pytest -m "not slow and not gpu" --durations=10 "$@"
