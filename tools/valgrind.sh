#!/bin/sh
# What the specs start in place of the program under test (make valgrind): valgrind.sh NAME PROGRAM [WORD…]
#
# Every process writes a log of its own, NAME.PID: pids alone are no names, since each container counts from 1. Nothing
# but the shell is needed here, so that specs may take PATH away; and of Debian's valgrind only the program behind its
# script, which would change the environment.
set -eu
tools=${0%/*}
name=$1
shift
valgrind=/usr/bin/valgrind.bin
[ -e $valgrind ] || valgrind=/usr/bin/valgrind
exec $valgrind --quiet --vgdb=no --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --log-file="$tools/../build/valgrind/$name.%p" "$@"
