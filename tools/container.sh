#!/bin/sh
# Runs spec/container/run.lua in namespaces of its own: tools/container.sh [PATTERN] (make test-container)
#
# reaper-lua is process 1 there. All that the engines start lives below it, and their files lie in folders that are
# mounted only there: nothing is left when it has ended, however it ends. A Docker or Podman that the machine runs
# already is not touched.
set -eu
cd "$(dirname "$0")/.."

# First what Debian's packages bring: another docker command may not fit Debian's engine.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
export CONTAINER_GROUP="reaper-lua-$$"
export HOME=/run/home TMPDIR=/run DOCKER_HOST=unix:///run/docker.sock
export CONTAINERS_CONF=/run/containers.conf CONTAINERS_STORAGE_CONF=/run/storage.conf
export DISABLE_HC_SYSTEMD=true # Podman would let systemd ask for the health

# An end for all of it after 600 s, and when this shell is killed.
build/spec-helper limit 600 -- /usr/bin/unshare --pid --fork --mount --mount-proc --net --ipc --uts --kill-child \
    ./reaper-lua-static -q -- lua5.4 spec/container/run.lua "$@" &
namespace=$!

remove_groups() {
    find /sys/fs/cgroup -depth -type d -path "*/$CONTAINER_GROUP*" -exec rmdir {} + 2>/dev/null || :
}
trap 'kill -KILL "$namespace"; wait "$namespace" || :; remove_groups; exit 130' INT TERM HUP

code=0
wait "$namespace" || code=$?
remove_groups
exit "$code"
