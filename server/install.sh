#!/bin/sh
# Image build, as root: installs the packages of the lock $1 (`native` or `server`), or with `project`
# our own code from this folder, into the base's Python with whatever installer it has, and compiles
# the bytecode that a read-only root cannot keep.
set -eu
lock=requirements/$1.lock

complain() {
    echo "server/install.sh: $1" >&2
    exit 1
}

# The engine's library for memory nodes, and the compiler for models that are served without
# --enforce-eager; torch and vLLM bring all else that they load. A base with vLLM has both.
system_packages() {
    command -v apt-get >/dev/null || complain "this base has no apt-get: take a Debian or Ubuntu one"
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends g++ libnuma1
    rm -rf /var/lib/apt/lists/*
}

# Without dependencies: the lock names them all, and what vLLM pins for itself stays as its image
# has it. An image is an environment of its own, so the system's Python may be installed into.
with_pip() {
    PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore python3 -m pip install \
        --no-cache-dir --no-compile --no-deps "$@"
}

with_uv() {
    uv pip install --python "$(command -v python3)" --break-system-packages \
        --no-cache --no-deps "$@"
}

with_any() {
    if python3 -m pip --version >/dev/null 2>&1; then
        with_pip "$@"
    elif command -v uv >/dev/null; then
        with_uv "$@"
    elif python3 -m ensurepip >/dev/null 2>&1; then
        with_pip "$@"
    else
        complain "this base's python3 has neither pip nor uv nor ensurepip: take another BASE_IMAGE"
    fi
}

# Never checked against the source: layers may change its time of change, never its content. What
# the base compiled already is left alone, and a template that is no Python is no reason to stop.
bytecode() {
    folders=$(python3 -c 'import site, sysconfig
print(sysconfig.get_path("stdlib"), *site.getsitepackages())')
    # shellcheck disable=SC2086
    python3 -m compileall -qq -j 0 --invalidation-mode unchecked-hash $folders || true
}

# From no registry: the engine brings what builds it. Outside of the source's folder Python finds
# what was installed; a file that does not compile stops the build, and so does one that is not there.
project() {
    with_any --no-index --no-build-isolation .
    cd /
    # Found and not imported: an import would leave bytecode that is checked against its source.
    folders=$(python3 -c 'from importlib.util import find_spec
for name in "alertmanager", "server":
    print(*find_spec(name).submodule_search_locations)')
    # A checkout made with umask 077 is for its owner only, who does not run this.
    # shellcheck disable=SC2086
    chmod -R a+rX $folders
    # shellcheck disable=SC2086
    python3 -m compileall -q --invalidation-mode unchecked-hash $folders
}

command -v python3 >/dev/null || complain "this base has no python3: take another BASE_IMAGE"
if [ "$1" = project ]; then
    project
    exit
fi
[ -f "$lock" ] || complain "REQUIREMENTS is native or server, not $1"
[ "$1" = server ] || system_packages
with_any --require-hashes -r "$lock"
bytecode
