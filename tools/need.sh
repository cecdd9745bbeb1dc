#!/bin/sh
# Sees to it that what a purpose needs is installed: tools/need.sh build|static|demo|test|container|
# bench|soak|lint|arm64|i386|fuzz|coverage|valgrind|check
#
# Installs what is missing with the system's package manager and says so. Where that cannot be done (not root, not
# Debian), it says in one line which packages to install.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
have_file() { for file in "$@"; do [ -e "$file" ] && return 0; done; return 1; }

missing=
need() { missing="$missing $1"; }

need_build() {
    have_file /usr/include/lua5.4/lua.h /usr/local/include/lua5.4/lua.h "${LUA_INCLUDE:-/usr/include/lua5.4}/lua.h" \
        || need liblua5.4-dev
    have cc || need gcc
    printf '#include <stdio.h>\nint main(void){return 0;}\n' | cc -x c -o /dev/null - 2>/dev/null || need libc6-dev
}

need_static() {
    have musl-gcc || need musl-tools
    have zopfli || need zopfli
}

need_zlib_header() {
    have_file /usr/include/zlib.h || need zlib1g-dev
}

need_demo() {
    have unshare || need util-linux
}

need_soak() {
    need_demo
    have lua5.4 || need lua5.4
    have_file /usr/lib/*/lua/5.4/luv.so /usr/local/lib/lua/5.4/luv.so || need lua-luv
}

need_test() {
    need_soak
    have_file /usr/bin/busted || need lua-busted
    have_file /usr/share/lua/5.4/cqueues.lua /usr/local/share/lua/5.4/cqueues.lua || need lua-cqueues
    have luarocks || need luarocks
    have ps || need procps
    have tini || need tini
    have nginx || need nginx-light
    have redis-server || need redis-server
    have_file /usr/bin/python3 || need python3
    have strace || need strace
    have curl || need curl
    have setpriv || need util-linux
}

need_container() {
    need_demo
    have lua5.4 || need lua5.4
    have_file /usr/sbin/dockerd || need docker.io
    have podman || need podman
    have catatonit || need catatonit # in podman's pods
    have runc || need runc
    have_file /usr/share/doc/busybox-static || need busybox-static
    have nginx || need nginx-light
    have redis-server || need redis-server
    have_file /usr/bin/python3 || need python3
}

need_bench() {
    need_static
    have lua5.4 || need lua5.4
    have tini || need tini
    have dumb-init || need dumb-init
    have catatonit || need catatonit
    have s6-svscan || need s6
}

need_lint() {
    have luacheck || need lua-check
    have clang || need clang
    have clang-format || need clang-format
    have mandoc || need mandoc
    need_zlib_header
}

need_i386() {
    printf '#include <stdio.h>\nint main(void){return 0;}\n' | cc -m32 -x c -o /dev/null - 2>/dev/null || need gcc-multilib
}

need_arm64() {
    have aarch64-linux-gnu-gcc || need gcc-aarch64-linux-gnu
    have_file /usr/aarch64-linux-gnu/include/stdio.h || need libc6-dev-arm64-cross
}

# The fuzzer's library comes with the clang of that release.
need_fuzz() {
    need_demo
    have clang || need clang
    have ar || need binutils
    have_file /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a \
        /usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer.a || need "$(fuzzer_package)"
}

fuzzer_package() {
    version=$(clang -dumpversion 2>/dev/null \
        || apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/\1/p')
    version=${version%%.*}
    echo "libclang-rt-${version:-14}-dev"
}

need_coverage() {
    need_test
    have lcov || need lcov
}

need_valgrind() {
    need_test
    have valgrind || need valgrind
}

need_check() {
    need_build
    have clang-tidy || need clang-tidy
    have cppcheck || need cppcheck
    need_zlib_header
}

for purpose in "$@"; do
    "need_$purpose"
done
[ -n "$missing" ] || exit 0

if ! have apt-get || [ "$(id -u)" != 0 ]; then
    echo "please install these packages (Debian's names) and try again:$missing" >&2
    exit 1
fi
echo "installing$missing"
log=$(mktemp)
# shellcheck disable=SC2086
if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } \
    >"$log" 2>&1; then
    rm -f "$log"
else
    cat "$log" >&2
    rm -f "$log"
    echo "please install these packages (Debian's names) and try again:$missing" >&2
    exit 1
fi
