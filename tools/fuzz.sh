#!/bin/sh
# Replays the corpus of each target, then fuzzes it: tools/fuzz.sh SECONDS TARGET…
#
# In a PID namespace of its own, besides what fuzz/harmless.c keeps away. What is new goes to build/fuzz/corpus/NAME.
# The first input that fails ends everything, is kept in build/fuzz/found/NAME, and is tried again by the next run.
set -eu

seconds=$1
shift
namespace="unshare --pid --fork --mount-proc --kill-child"
[ "$(id -u)" = 0 ] || namespace="unshare --user --map-root-user --pid --fork --mount-proc --kill-child"
# A shell is process 1 there: the search for leaks traces its process, which process 1 does not allow.
shell='"$@"; exit $?'

fuzz() {
    log=build/fuzz/$name.log
    $namespace sh -c "$shell" sh "build/fuzz/fuzz-$name" -close_fd_mask=3 -timeout=10 -rss_limit_mb=1024 -max_len=2048 \
        -artifact_prefix="build/fuzz/found/$name/" "$@" >"$log" 2>&1 && return
    grep -v '^#[0-9]*[[:blank:]]' "$log" | tail -n 60 >&2
    input=$(sed -n 's/.*Test unit written to //p' "$log")
    if [ -n "$input" ]; then
        echo "fuzz: $name fails with $input; to see it again:" >&2
        echo "    $namespace sh -c '$shell' sh build/fuzz/fuzz-$name $input" >&2
    fi
    exit 1
}

for name in "$@"; do
    mkdir -p "build/fuzz/found/$name" "build/fuzz/corpus/$name"
    fuzz -runs=0 "fuzz/corpus/$name" "build/fuzz/found/$name"
    [ "$seconds" = 0 ] || fuzz -max_total_time="$seconds" "build/fuzz/corpus/$name" "fuzz/corpus/$name"
    echo "$name: $(grep 'cov:' "build/fuzz/$name.log" | tail -n 1)"
done
