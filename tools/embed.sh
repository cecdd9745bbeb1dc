#!/bin/sh
# Makes C arrays of Lua files: tools/embed.sh lua/reaper/*.lua > build/lua_files.c
set -eu
echo '#include "lua_embed.h"'
for file in "$@"; do
    name=$(basename "$file" .lua)
    printf 'static const unsigned char %s_lua[] = {\n' "$name"
    od -An -v -tu1 "$file" | sed 's/ *\([0-9][0-9]*\)/\1,/g'
    echo '};'
done
echo 'const struct embedded_file embedded_files[] = {'
for file in "$@"; do
    name=$(basename "$file" .lua)
    module=reaper.$name
    [ "$name" != init ] || module=reaper
    printf '    { "%s", "=reaper/%s.lua", %s_lua, sizeof %s_lua },\n' "$module" "$name" "$name" "$name"
done
printf '    { 0, 0, 0, 0 },\n};\n'
