#!/usr/bin/env bash
# Trains, kills, resumes, generates and evaluates for an hour, and fails if memory, file handles or
# files grew; see __main__.py. For a night or a weekend: bash benchmarks/soak/soak.sh --minutes 480.
# Linux only.
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/setup.sh

"$PYTHON" -m benchmarks.soak "$@"
