#!/bin/sh
# Real tritonserver 2.51 without a container: from the wheel nvidia-pytriton, in an environment of its own in a cache
# folder. Run it as often as you like, also twice at once; it builds only what is not there yet (half a minute).
#
#   PYTHON         the Python to build with (default python3); it has to be 3.11 or 3.12, else one on the PATH is taken
#   TRITON_CACHE   the cache folder (default: lookalike-triton in the user's cache)
#
# Exit status 0: ready. 1: real Triton cannot run here; the reason is printed, and kept in the file `result` beside this
# script, which tests/shared/triton_server.py reads: the tests then skip with that reason.
#
# An environment of its own because Triton's python backend aborts on BYTES inputs with numpy 2, which Lookalike uses.
# What decodes and resizes images has the versions of constraints.txt: the same pixels are asked of both sides.
set -u
here=$(cd "$(dirname "$0")" && pwd)
pytriton=nvidia-pytriton==0.7.0 # carries tritonserver 2.51.0
numpy=numpy==1.26.4
packages="onnxruntime pillow simplejpeg cykooz-resizer"

report() { # report STATUS TEXT: whole or not at all, since a test may be reading it
    printf '%s\n' "$1: $2" >"$here/result.$$" && mv -f "$here/result.$$" "$here/result"
}

unavailable() {
    echo "real Triton cannot run here: $*" >&2
    report unavailable "$*"
    exit 1
}

fits() { # is $1 a Python that both the stub of the wheel and numpy 1.26 exist for?
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
    unavailable "its wheels are for Linux on x86-64, this is $(uname -s) on $(uname -m)"
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | awk '{print $2}')
[ -n "$glibc" ] || unavailable "its wheels need glibc 2.35 or later, this system has another C library"
[ "$(printf '%s\n' 2.35 "$glibc" | sort -V | head -n 1)" = 2.35 ] ||
    unavailable "its wheels need glibc 2.35 or later, this system has $glibc"

python=
for candidate in "${PYTHON:-python3}" python3.12 python3.11; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || unavailable "its python backend needs Python 3.11 or 3.12 with venv, and none was found"

cache=${TRITON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lookalike-triton}
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || unavailable "the cache folder $cache cannot be written"
# One folder for each set of pins and each Python, so that two checkouts never rebuild under each other.
key=$({
    cat "$0" "$here/../../../constraints.txt"
    "$python" -c 'import sys; print(sys.version, sys.base_prefix)'
} | sha256sum | cut -c 1-16)
environment=$cache/$key
log=$cache/$key.log

build() {
    rm -rf "$environment"
    "$python" -m venv "$environment" || return 1
    # The onnxruntime, protobuf ... that Lookalike is tested with; only numpy differs.
    grep -v '^numpy==' "$here/../../../constraints.txt" >"$environment/constraints.txt"
    pip="timeout 900 $environment/bin/python -m pip install --quiet --disable-pip-version-check --no-input
        --retries 2 --timeout 60 --only-binary :all:"
    # shellcheck disable=SC2086 # one word a package
    $pip -c "$environment/constraints.txt" "$numpy" $packages || return 1
    # Without what pytriton's own Python layer depends on: only the server inside its wheel is used.
    $pip --no-deps "$pytriton" || return 1
    site=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    version=$("$environment/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    server=$site/pytriton/tritonserver
    mkdir -p "$environment/python_backend" "$environment/libraries"
    ln -s "$server/bin/tritonserver" "$environment/tritonserver"
    ln -s "$site"/nvidia_pytriton.libs/*.so* "$environment/libraries/"
    # The stub embeds Python: its libpython has to be found, and found for this very Python.
    libpython=$("$environment/bin/python" -c 'import sysconfig; v = sysconfig.get_config_var
print(v("LIBDIR") + "/" + (v("INSTSONAME") or ""))')
    [ ! -f "$libpython" ] || case $libpython in *.so*) ln -s "$libpython" "$environment/libraries/" ;; esac
    cp "$server/backends/python/libtriton_python.so" "$server/backends/python/triton_python_backend_utils.py" \
        "$server/python_backend_stubs/$version/triton_python_backend_stub" "$environment/python_backend/" || return 1
    missing=$(LD_LIBRARY_PATH=$environment/libraries ldd "$environment/python_backend/triton_python_backend_stub" |
        awk '/not found/ {print $1}')
    [ -z "$missing" ] || { echo "$missing is not installed here"; return 1; }
    touch "$environment/.ready"
}

(
    flock -w 1800 9 || exit 1
    [ -e "$environment/.ready" ] && "$environment/bin/python" -c '' 2>/dev/null && exit 0
    echo "building an environment with real Triton in $environment ..." >&2
    build >"$log" 2>&1 || { rm -rf "$environment"; exit 1; }
) 9>"$cache/lock" || {
    why=$({ grep '^ERROR' "$log" || cat "$log"; } 2>/dev/null | tail -n 1 | cut -c 1-300)
    unavailable "its wheels could not be installed: ${why#ERROR: } (all of it: $log)"
}
report ready "$environment"
echo "real Triton is ready in $environment"
