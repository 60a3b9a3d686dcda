# Makes or reuses one Python environment and installs pinned versions into it; sourced by the other
# scripts from the root of the repository. Sets PYTHON. Without network once everything is there.

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.10 python3 python3.13 python; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python 3.10 to 3.13 found; install one, or activate an environment that has it" >&2
    return 1
}

choose_environment() {
    if [ -n "${VIRTUAL_ENV:-}" ]; then
        PYTHON="$VIRTUAL_ENV/bin/python"
    elif [ -n "${CONDA_PREFIX:-}" ]; then
        PYTHON="$CONDA_PREFIX/bin/python"
    else
        PYTHON="$PWD/.venv/bin/python"
        if [ ! -x "$PYTHON" ]; then
            local base
            base=$(find_python)
            echo "setup: making the environment .venv with $base"
            if ! "$base" -m venv .venv; then
                rm -rf .venv
                echo "error: $base cannot make environments; on Debian: apt install python3-venv" >&2
                return 1
            fi
        fi
    fi
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "error: $PYTHON is $("$PYTHON" --version); Python 3.10 or newer is needed" >&2
        return 1
    fi
}

install_packages() {
    local stamp wanted
    stamp=$("$PYTHON" -c 'import sys; print(sys.prefix)')/.occupancy-flow-installed
    wanted=$(cat setup.py constraints.txt; pwd)
    if [ -f "$stamp" ] && [ "$wanted" = "$(cat "$stamp")" ]; then
        echo "setup: $PYTHON is ready"
        return
    fi
    echo "setup: installing the versions of constraints.txt (first time: a few minutes)"
    # torch first and alone: the exact version, before any range is resolved
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --prefer-binary \
        --constraint constraints.txt torch
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --prefer-binary \
        --constraint constraints.txt --editable '.[viz,dev]'
    printf '%s' "$wanted" >"$stamp"
    echo "setup: done"
}

set -euo pipefail
choose_environment
install_packages
