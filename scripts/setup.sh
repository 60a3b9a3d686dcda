# Makes or reuses one Python environment and installs pinned versions into it; sourced by the other
# scripts from the root of the repository. Sets PYTHON. Needs no network once all is installed.

# Python 3.10 to 3.12; with "3.13", also 3.13, for which PyMCubes has no binary.
is_supported() {
    local newest=${2:-3.12}
    "$1" -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, ${newest#3.}))" \
        2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.10 python3 python; do
        if command -v "$candidate" >/dev/null && is_supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    for candidate in python3.13 python3; do
        if command -v "$candidate" >/dev/null && is_supported "$candidate" 3.13; then
            echo "setup: only Python 3.13 found; PyMCubes will be compiled for it" >&2
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python 3.10 to 3.13 found; install one, or activate an environment" >&2
    return 1
}

choose_environment() {
    if [ -n "${VIRTUAL_ENV:-}" ]; then
        PYTHON="$VIRTUAL_ENV/bin/python"
    elif [ -n "${CONDA_PREFIX:-}" ]; then
        PYTHON="$CONDA_PREFIX/bin/python"
    else
        PYTHON="$PWD/.venv/bin/python"
        make_environment
    fi
    if ! is_supported "$PYTHON" 3.13; then
        echo "error: the active environment has no Python 3.10 to 3.13 at $PYTHON;" \
            "deactivate it, or make it again" >&2
        return 1
    fi
}

make_environment() {
    if [ -x "$PYTHON" ] && "$PYTHON" -m pip --version >/dev/null 2>&1; then
        return
    fi
    local base
    base=$(find_python)
    echo "setup: making the environment .venv with $base"
    rm -rf .venv
    if ! "$base" -m venv .venv; then
        rm -rf .venv
        echo "error: $base cannot make environments; on Debian: apt install python3-venv" >&2
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
    rm -f "$stamp"
    # torch first and alone: the exact version, before any range is resolved
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --prefer-binary \
        --constraint constraints.txt torch
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --prefer-binary \
        --constraint constraints.txt --editable '.[viz,dev]'
    "$PYTHON" -c 'from im2mesh.build import write_schema; write_schema("configs/schema.json")'
    printf '%s' "$wanted" >"$stamp"
    echo "setup: done"
}

choose_environment
install_packages
