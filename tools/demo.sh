#!/bin/sh
# Runs examples/demo.lua for real: ./reaper-lua is process 1 of a new PID namespace.
set -u
cd "$(dirname "$0")/.." || exit 1

namespace="unshare --pid --fork --mount-proc --kill-child"
# shellcheck disable=SC2086
if ! $namespace true 2>/dev/null; then
    namespace="unshare --user --map-root-user --pid --fork --mount-proc --kill-child"
    if ! $namespace true 2>/dev/null; then
        echo "the demo needs a PID namespace: run it as root, or where unshare(1) is allowed" >&2
        exit 1
    fi
fi

echo "You will see reaper-lua as process 1: how each child ended, a crashed one restarted, and a stop in good order."
# shellcheck disable=SC2016,SC2086
timeout --foreground --kill-after=2 30 $namespace ./reaper-lua examples/demo.lua -- \
    sh -c 'trap "echo COMMAND: got TERM, ending; kill \$!; wait; exit 0" TERM; sleep 60 & wait'
code=$?
echo "reaper-lua ended with exit code $code"
exit "$code"
