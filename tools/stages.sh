#!/bin/bash
# Runs commands one after the other, tells how long each took, and sums up what their specs and checks have counted:
#
#     tools/stages.sh [--all] < file with a command a line
#
# The first that fails ends it; with --all the others run all the same. Ends with 0 when all have ended well.
set -uo pipefail

all=false
[ "${1:-}" = --all ] && all=true

log=$(mktemp)
table=$(mktemp)
trap 'rm -f "$log" "$table"' EXIT
failed=0

# Lines such as "12 passed, 0 failed", of this stage and all before.
count() { awk '/^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed }' "$log"; }

while read -r command <&3; do
    [ -n "$command" ] || continue
    printf '\n==== %s\n' "$command"
    begin=$SECONDS
    if bash -c "$command" </dev/null 3<&- 2>&1 | tee -a "$log"; then
        result=
    else
        result='   FAILED'
        failed=1
    fi
    printf '%6d s  %s%s\n' "$((SECONDS - begin))" "$command" "$result" >>"$table"
    if [ "$failed" = 1 ] && ! "$all"; then
        break
    fi
done 3<&0

printf '\n'
cat "$table"
printf '%6d s  together\n\n' "$SECONDS"
count
exit "$failed"
