# Sourced by the scripts beside it: makes .venv, with the packages of a lock file, and keeps it so.
#
#     prepare runtime | test | check      afterwards $root is the project and $python its interpreter
#
# The first time takes some seconds and the network; afterwards it only compares files. A layer is ready when
# .venv holds a copy of its lock file: the copy is written last, so an interrupted setup is done again. Each
# layer contains the one before it, with the same pins, so `start` after `test` has nothing to do.

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
tools=$root/.tools

fail() {        # fail SENTENCE...: the one line a user sees
    echo "steward: $*" >&2
    exit 1
}

prepare() {     # prepare LAYER: have what this layer needs, at once if nothing changed
    ready "$1" || set_up "$1"
}

lock_file() {   # lock_file LAYER: the name of its hashed requirements
    case $1 in
        runtime) echo requirements.lock ;;
        *) echo "requirements-$1.lock" ;;
    esac
}

same_place() {  # the environment was made for this folder, by the Python asked for, which is still there
    [ -x "$python" ] && [ -r "$venv/.made" ] || return 1
    { IFS= read -r made_root && IFS= read -r made_python; } <"$venv/.made" || return 1
    [ "$made_root" = "$root" ] && [ "${STEWARD_PYTHON:-$made_python}" = "$made_python" ]
}

ready() {       # ready LAYER: nothing to do
    same_place && lock=$(lock_file "$1") && cmp -s "$root/$lock" "$venv/.$lock"
}

set_up() {      # set_up LAYER: one at a time, all or nothing
    find_python
    own_the_setup
    ready "$1" && return        # another script did it while this one waited
    echo "steward: setting up (once, needs the network) ..." >&2
    same_place || make_environment
    install "$1"
    rm -f "$log"
    exec 9>&-
}

find_python() { # sets $base to a Python from 3.11 to 3.14 that can make environments
    base=
    for candidate in ${STEWARD_PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        base=$("$candidate" -c '
import os, sys
if not (3, 11) <= sys.version_info < (3, 15):
    sys.exit(1)
print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))' 2>/dev/null) && break
        base=
    done
    [ -n "$base" ] || no_python
    "$base" -c 'import ensurepip, venv' 2>/dev/null || no_venv
}

no_python() {
    [ -z "${STEWARD_PYTHON:-}" ] || fail "STEWARD_PYTHON=$STEWARD_PYTHON is not a Python from 3.11 to 3.14."
    found=$(python3 --version 2>/dev/null) || found="no Python"
    fail "needs Python 3.11 to 3.14, found $found. Install one, or name it with STEWARD_PYTHON=/path/to/python."
}

no_venv() {
    version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "Python $version here cannot make environments. On Debian or Ubuntu: sudo apt install python3-venv (or python$version-venv)"
}

own_the_setup() { # hold .setup.lock through descriptor 9; it ends with this process, however that ends
    log=$root/.setup.log
    { : >>"$root/.setup.lock" && : >"$log"; } 2>/dev/null || fail "cannot write in $root, where its environment belongs."
    exec 9>>"$root/.setup.lock"
    "$base" -c 'import fcntl, signal; signal.alarm(600); fcntl.flock(9, fcntl.LOCK_EX)' 9>&9 2>/dev/null ||
        fail "another setup in $root has not ended for ten minutes."
}

make_environment() { # an empty .venv in which `app` can be imported from any folder
    trap 'rm -rf "$venv"' EXIT
    trap 'exit 1' HUP INT TERM
    rm -rf "$venv" 2>/dev/null
    "$base" -m venv "$venv" >"$log" 2>&1 || fail "cannot make an environment in $venv: $(tail -n 1 "$log")"
    "$python" -c 'import sys, sysconfig
with open(sysconfig.get_path("purelib") + "/steward.pth", "w", encoding="utf-8") as file:
    file.write(sys.argv[1] + "\n")' "$root"
}

install() {     # install LAYER: with uv, which is quick, or else with the pip that every Python has
    lock=$(lock_file "$1")
    rm -f "$venv"/.requirements*.lock
    { get_uv && with_uv "$lock"; } || with_pip "$lock" || not_installed
    printf '%s\n' "$root" "${STEWARD_PYTHON:-$base}" >"$venv/.made"
    cp "$root/requirements.lock" "$venv/.requirements.lock"
    [ "$1" != check ] || cp "$root/requirements-test.lock" "$venv/.requirements-test.lock"
    cp "$root/$lock" "$venv/.$lock"
    trap - EXIT HUP INT TERM
}

pip() {         # pip ARGS...: the environment's own, quiet, and not patient with a network that is not there
    "$python" -m pip --disable-pip-version-check --quiet --retries 1 "$@" >>"$log" 2>&1
}

get_uv() {      # .tools/uv, complete or not at all
    cmp -s "$root/requirements-tools.lock" "$tools/requirements-tools.lock" && return
    rm -rf "$tools" "$tools.new"
    pip install --require-hashes --only-binary :all: --target "$tools.new" \
        --requirement "$root/requirements-tools.lock" || return
    mv "$tools.new/bin/uv" "$tools.new/uv"
    cp "$root/requirements-tools.lock" "$tools.new/"
    mv "$tools.new" "$tools"
}

with_uv() {     # system certificates: a company's network often has its own
    UV_SYSTEM_CERTS=1 "$tools/uv" pip install --quiet --no-config --python "$python" --require-hashes \
        --requirement "$root/$1" >>"$log" 2>&1
}

with_pip() {
    pip install --require-hashes --requirement "$root/$1"
}

not_installed() {
    rm -rf "$tools.new"
    if grep -qiE 'resol|connect|network|unreachable|timed out|certificate' "$log"; then
        fail "cannot reach the package index. Is this machine online? (Details: $log)"
    fi
    fail "cannot install its packages. (Details: $log)"
}
