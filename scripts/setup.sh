# Makes or reuses one Python environment and installs pinned versions into it; sourced by the other
# scripts from the root of the repository. Sets PYTHON. Needs no network once all is installed.

NEEDED_MB=2500 # what the packages take on disk, with the CPU build of PyTorch

tell() {
    echo "setup: $*" >&2
}

is_supported() {
    "$1" -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))" 2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3.12 python3.11 python3.13 python3.14 python3.10 python3 python; do
        if command -v "$candidate" >/dev/null && is_supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    tell "error: no Python 3.10 to 3.14 found; install one, or activate an environment that has it"
    return 1
}

# The interpreter of an environment; Windows has another folder.
python_in() {
    local place
    for place in bin/python Scripts/python.exe python.exe; do
        if [ -x "$1/$place" ]; then
            echo "$1/$place"
            return
        fi
    done
    return 1
}

choose_environment() {
    local active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
    if [ -z "$active" ]; then
        make_environment
        return
    fi
    if ! PYTHON=$(python_in "$active") || ! is_supported "$PYTHON"; then
        tell "error: the active environment $active has no Python 3.10 to 3.14; deactivate it, or" \
            "make it anew"
        return 1
    fi
}

make_environment() {
    if PYTHON=$(python_in "$PWD/.venv") && is_supported "$PYTHON" &&
        "$PYTHON" -m pip --version >/dev/null 2>&1; then
        return
    fi
    local base
    base=$(find_python)
    tell "making the environment .venv with $("$base" --version)"
    rm -rf .venv
    if ! "$base" -m venv .venv; then
        rm -rf .venv
        tell "error: $base cannot make environments; on Debian: apt install python3-venv"
        return 1
    fi
    PYTHON=$(python_in "$PWD/.venv")
}

check_pip() {
    local version
    version=$("$PYTHON" -m pip --version | cut -d ' ' -f 2)
    if [ "${version%%.*}" -lt 21 ]; then
        tell "error: pip $version is too old for today's packages: $PYTHON -m pip install -U pip"
        return 1
    fi
}

# Free megabytes on the disk of a folder.
free_space() {
    df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }'
}

check_space() {
    local free
    free=$(free_space "$1")
    if [ "$free" -lt "$NEEDED_MB" ]; then
        tell "error: $1 has $free MB free, but the packages take $NEEDED_MB MB; free some space," \
            "or activate an environment on another disk"
        return 1
    fi
}

# Run pip quietly; if it fails, name the cause and the way out.
install() {
    local log=$1
    shift
    if "$PYTHON" -m pip install --quiet --disable-pip-version-check --prefer-binary \
        --constraint constraints.txt "$@" >"$log" 2>&1; then
        rm -f "$log"
        return
    fi
    explain_failure "$log"
    return 1
}

explain_failure() {
    local missing
    missing=$(sed -n 's/.*No matching distribution found for \([^ ]*\).*/\1/p' "$1" | tail -1)
    if grep -qi 'no space left' "$1"; then
        tell "error: the disk is full; free $NEEDED_MB MB, then run the same command again"
    elif grep -qiE 'name resolution|NewConnectionError|network is unreachable|timed out|ProxyError' \
        "$1"; then
        tell "error: no network; connect, or set HTTPS_PROXY or PIP_INDEX_URL, then run the same" \
            "command again"
    elif [ -n "$missing" ]; then
        tell "error: no binary of $missing for $("$PYTHON" --version) on $(uname -sm); use Python 3.12"
    else
        tail -5 "$1" >&2
        tell "error: pip failed, for the reason above; everything it said is in $1"
    fi
}

install_packages() {
    local home stamp wanted log
    home=$("$PYTHON" -c 'import sys; print(sys.prefix)')
    stamp=$home/.occupancy-flow-installed log=$home/occupancy-flow-setup.log
    wanted=$(cat setup.py constraints.txt; pwd)
    if [ -f "$stamp" ] && [ "$wanted" = "$(cat "$stamp")" ]; then
        tell "$PYTHON is ready"
        return
    fi
    check_pip
    if [ ! -f "$stamp" ]; then
        check_space "$home"
    fi
    rm -f "$stamp"
    # torch first and alone: the exact version, before any range is resolved
    tell "1 of 3: PyTorch; 0.2 GB to download as the CPU build, some 3 GB as that for CUDA"
    install "$log" torch
    tell "2 of 3: all other packages of constraints.txt; 0.3 GB to download"
    install "$log" --editable '.[viz,dev]'
    tell "3 of 3: the schema of configurations, for editors"
    "$PYTHON" -c 'from im2mesh.build import write_schema; write_schema("configs/schema.json")'
    printf '%s' "$wanted" >"$stamp"
    tell "done; to use the environment by hand: source ${home}/bin/activate"
}

choose_environment
install_packages
# without a terminal, bars that are drawn ten times a second would fill the log
[ -t 2 ] || export TQDM_MININTERVAL="${TQDM_MININTERVAL:-30}"
