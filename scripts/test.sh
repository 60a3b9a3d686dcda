#!/usr/bin/env bash
# Every check that CI runs: format, lint, types, tests. The tests run on two cores at once.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

echo "== ruff: lint and format"
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
echo "== pyright: types"
"$PYTHON" -m pyright --pythonpath "$PYTHON"
echo "== pytest"
if [ $# -gt 0 ]; then # a part of the tests: its coverage would say nothing
    exec "$PYTHON" -m pytest -m "not slow and not gpu" --durations=10 "$@"
fi
coverage=()
if "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
    coverage=(--cov --cov-report=) # before Python 3.12, it makes the tests half as long again
fi
"$PYTHON" -m pytest -m "not slow and not gpu" --durations=10 -n 2 --dist worksteal \
    ${coverage[@]+"${coverage[@]}"} # an empty array is an error to the bash of macOS
if [ ${#coverage[@]} -gt 0 ]; then
    echo "== coverage of im2mesh, in this process: in all, and the files below 80 %"
    "$PYTHON" -m coverage report | awk 'NR <= 2 || /^TOTAL/ || $NF + 0 < 80'
fi
