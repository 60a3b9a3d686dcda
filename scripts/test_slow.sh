#!/usr/bin/env bash
# The checks that take longer than CI should: all bodies and motions, what needs a GPU, and
# docs/scaling.md under Slurm.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

if ! command -v slurmctld >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "test_slow: without tests/slurm, which starts a Slurm cluster; for that, on Debian:" \
        "apt-get install slurm-wlm munge iproute2, and run this as root"
fi
"$PYTHON" -m pytest -m "slow or gpu" --durations=10 "$@"
