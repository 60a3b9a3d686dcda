#!/usr/bin/env bash
# Every check that CI runs: format, lint, types, tests. The tests run on two cores at once.
# With --slow, in place of them the tests that take longer than CI should: all bodies and motions,
# what needs a GPU, and docs/scaling.md under Slurm.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

if [ "${1:-}" = --slow ]; then
    shift
    if ! command -v slurmctld >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "test.sh: without tests/slurm, which starts a Slurm cluster; for that, on Debian:" \
            "apt-get install slurm-wlm munge iproute2, and run this as root"
    fi
    exec "$PYTHON" -m pytest -m "slow or gpu" --durations=10 "$@"
fi
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
