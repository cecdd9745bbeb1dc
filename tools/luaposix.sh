#!/bin/sh
# Builds what the specs use of luaposix for Lua 5.4: tools/luaposix.sh FOLDER
#
# Debian 12's own package has no build for Lua 5.4, so the source is that of the next release. FOLDER gets
# posix/unistd.so and posix/sys/wait.so.
set -eu
folder=$1
tools/debian-source.sh lua-posix trixie "$folder/source"
for module in sys/wait unistd; do
    mkdir -p "$folder/posix/$(dirname $module)"
    cc -O2 -fPIC -shared -D_GNU_SOURCE -DPACKAGE='"luaposix"' -DVERSION='"36"' -DNDEBUG -I"$folder/source/ext/include" \
        -isystem "${LUA_INCLUDE:-/usr/include/lua5.4}" -o "$folder/posix/$module.so" \
        "$folder/source/ext/posix/$module.c"
done
