# Sourced by the scripts beside it, with $here their folder: makes .venv with the packages of a lock file.
#
#     prepare runtime | test | check      afterwards $root is the project and $python its interpreter
#
# The first time takes some seconds and the network; afterwards it only compares files. A layer is ready when
# .venv holds a copy of its lock file, written last, so what was interrupted is done again. Each layer contains
# the one before it, with the same pins, so `start` after `test` has nothing to do.

root=$(CDPATH= cd -- "$here/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
tools=$root/.tools
log=$root/.setup.log

fail() {        # fail SENTENCE...: the one line a user sees
    echo "steward: $*" >&2
    exit 1
}

prepare() {     # prepare LAYER: have what this layer needs, at once if nothing changed
    ready "$1" || set_up "$1"
}

ready() {       # ready LAYER: nothing to do
    same_place && lock=$(lock_file "$1") && cmp -s "$root/$lock" "$venv/.$lock"
}

same_place() {  # .venv was made for this folder and the Python asked for, and that Python is still there
    [ -x "$python" ] && [ -r "$venv/.made" ] || return 1
    { IFS= read -r made_root && IFS= read -r made_python; } <"$venv/.made" || return 1
    [ "$made_root" = "$root" ] && [ "${STEWARD_PYTHON:-$made_python}" = "$made_python" ]
}

lock_file() {   # lock_file LAYER: the name of its hashed requirements
    case $1 in
        runtime) echo requirements.lock ;;
        *) echo "requirements-$1.lock" ;;
    esac
}

set_up() {      # set_up LAYER: one at a time, all or nothing
    find_python
    own_the_setup
    if ! ready "$1"; then       # unless another script did it while this one waited
        echo "steward: setting up, once; this needs the network ..." >&2
        same_place || make_environment
        fill "$1"
    fi
    rm -f "$log"
    exec 9>&-
}

# --- Python

find_python() { # set $base to the first Python of ours that can make environments
    if [ -n "${STEWARD_PYTHON:-}" ]; then
        set -- "$STEWARD_PYTHON"
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11 python
    fi
    for candidate; do
        base=$(suitable "$candidate" ensurepip, venv) && return
    done
    for candidate; do
        base=$(suitable "$candidate" sys) && no_venv
    done
    [ -z "${STEWARD_PYTHON:-}" ] || fail "STEWARD_PYTHON=$STEWARD_PYTHON is not a Python from 3.11 to 3.14."
    found=$(python3 --version 2>/dev/null) || found="no Python"
    fail "needs Python 3.11 to 3.14, found $found. Install one, or name it with STEWARD_PYTHON=/path/to/python."
}

suitable() {    # suitable PYTHON MODULES: print its real path if it is of ours and has these modules
    command=$1
    shift
    "$command" -c "import os, sys, $*
sys.version_info[:2] in ((3, 11), (3, 12), (3, 13), (3, 14)) or sys.exit(1)
print(os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable))" 2>/dev/null
}

no_venv() {
    version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "Python $version here cannot make environments. On Debian or Ubuntu: sudo apt install python$version-venv"
}

# --- the environment

own_the_setup() { # hold .setup.lock through descriptor 9: it is free when this process ends, however it ends
    (: >>"$root/.setup.lock" && : >>"$log") 2>/dev/null || fail "cannot write in $root, where its environment belongs."
    exec 9>>"$root/.setup.lock"
    "$base" -c 'import fcntl, signal, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    print("steward: waiting for another setup to end ...", file=sys.stderr)
    signal.alarm(600)
    fcntl.flock(9, fcntl.LOCK_EX)' 9>&9 || fail "another setup in $root has not ended for ten minutes."
    : >"$log"
}

make_environment() { # an empty .venv, in which `app` can be imported from any folder; gone again if this fails
    trap 'rm -rf "$venv"' EXIT
    trap 'exit 1' HUP INT TERM
    rm -rf "$venv"
    "$base" -m venv "$venv" >>"$log" 2>&1 || fail "cannot make an environment in $venv: $(tail -n 1 "$log")"
    "$python" -c 'import sys, sysconfig
with open(sysconfig.get_path("purelib") + "/steward.pth", "w", encoding="utf-8") as file:
    file.write(sys.argv[1] + "\n")' "$root"
}

fill() {        # fill LAYER: install its packages, and say so in the files `ready` looks at
    lock=$(lock_file "$1")
    for layer in runtime test check; do     # what is about to change is no longer ready
        ready "$layer" || rm -f "$venv/.$(lock_file "$layer")"
    done
    install_all "$lock" || not_installed
    printf '%s\n' "$root" "${STEWARD_PYTHON:-$base}" >"$venv/.made"
    for layer in runtime test check; do
        cp "$root/$(lock_file "$layer")" "$venv/"
        mv "$venv/$(lock_file "$layer")" "$venv/.$(lock_file "$layer")"
        [ "$layer" != "$1" ] || break
    done
    trap - EXIT HUP INT TERM
}

# --- packages

install_all() { # install_all LOCK: by uv, which is quick, or else by the pip that every Python has
    if get_uv; then
        with_uv "$1" && return
    elif offline; then
        return 1
    fi
    pip install --require-hashes --requirement "$root/$1"
}

get_uv() {      # have .tools/bin/uv, complete or not at all
    cmp -s "$root/requirements-tools.lock" "$tools/requirements-tools.lock" && return
    rm -rf "$tools" "$tools.new"
    pip install --require-hashes --only-binary :all: --target "$tools.new" \
        --requirement "$root/requirements-tools.lock" || return
    cp "$root/requirements-tools.lock" "$tools.new/"
    mv "$tools.new" "$tools"
}

with_uv() {     # from the project's folder: uv reads settings where it stands; with the system's certificates
    (cd "$root" && UV_SYSTEM_CERTS=1 "$tools/bin/uv" pip install --quiet --python "$python" --require-hashes \
        --requirement "$1") >>"$log" 2>&1
}

pip() {         # the environment's own, and not patient with a network that is not there
    "$python" -m pip --disable-pip-version-check --quiet --retries 1 "$@" >>"$log" 2>&1
}

offline() {
    grep -qiE 'connection|name resolution|unreachable|timed out|certificate' "$log"
}

not_installed() {
    rm -rf "$tools.new"
    if offline; then
        fail "cannot reach the package index. Is this machine online? (Details: $log)"
    fi
    fail "cannot install its packages. (Details: $log)"
}
