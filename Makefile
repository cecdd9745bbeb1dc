# reaper-lua: an init for containers that scripts.   make help

CC ?= cc
PREFIX ?= /usr/local
DESTDIR ?=
CFLAGS ?= -O2 -g
BUILD ?= build
OUTPUT ?= reaper-lua
REAPER ?= ./$(OUTPUT)

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion
LUA_INCLUDE ?= $(firstword $(wildcard /usr/include/lua5.4 /usr/local/include/lua5.4) /usr/include/lua5.4)
LUA_LIBRARY ?= $(firstword $(wildcard /usr/lib/*/liblua5.4.a /usr/lib/liblua5.4.a /usr/local/lib/liblua5.4.a) -llua5.4)
# Lua is linked in; -E lets C modules that a script loads find it.
EXPORT ?= -Wl,-E
# The static binary inflates its Lua files with the zlib in this directory.
ZLIB ?=
LINK = $(LUA_LIBRARY) $(ZLIB:%=%/libz.a) $(EXPORT) -lm -ldl
COMPILE = $(CC) -std=gnu11 -D_FILE_OFFSET_BITS=64 $(CFLAGS) $(WARNINGS) -isystem $(LUA_INCLUDE) $(ZLIB:%=-isystem %) -Isrc

OF_ZLIB = src/script/lua_inflate.c
SOURCES = $(filter-out $(OF_ZLIB),$(wildcard src/*.c src/*/*.c)) $(if $(ZLIB),$(OF_ZLIB))
TYPES = $(patsubst %,lua/reaper/types/%.lua,reaper process settings schedule restart supervisor)
OF_PROGRAMS = lua/reaper/runtime/program.lua lua/reaper/runtime/statuses.lua
EMBEDDED = $(filter-out $(OF_PROGRAMS) $(TYPES),$(sort $(wildcard lua/reaper/*.lua lua/reaper/*/*.lua lua/reaper/*/*/*.lua)))
LIBRARY_ONLY = src/library.c
BINARY_ONLY = src/main.c $(wildcard src/script/watchdog*.c) \
	$(addprefix src/script/,script.c load.c pool.c lua_script.c lua_store.c lua_embed.c lua_inflate.c lua_pages.c control.c lua_control.c \
	lua_orders.c lua_processes.c lua_reports.c lua_rings.c lua_terminal.c)
BINARY_ONLY += src/script/porter.c src/script/lua_listen.c
OBJECTS = $(patsubst src/%.c,$(BUILD)/%.o,$(filter-out $(LIBRARY_ONLY),$(SOURCES))) $(BUILD)/lua_files.o
LIBRARY = $(BUILD)/reaper/core.so
LIBRARY_OBJECTS = $(patsubst src/%.c,$(BUILD)/library/%.o,$(filter-out $(BINARY_ONLY),$(SOURCES)))
HELPERS = build/spec-helper build/spec-sandbox build/raw.so build/launch.so build/luaposix/posix/unistd.so \
	$(addprefix build/journal-,cases kill lies race room) build/members-cases build/warnings-cases build/latch-race
SPECS ?= spec
FILTER ?=
JOBS ?= $(shell echo $$((4 * $$(nproc))))
STATIC = build/static
STATIC_CC = musl-gcc
STATIC_CFLAGS = -Os -flto=auto -flto-partition=one -fno-pie -fno-jump-tables -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables
STATIC_LDFLAGS = -static -no-pie -s -Wl,--gc-sections,--build-id=none,-z,norelro,-z,noseparate-code
LUA_SRC ?= $(STATIC)/lua-source
ZLIB_SRC ?= $(STATIC)/zlib-source
SANITIZE = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
BUSTED = lua5.4 tools/specs.lua $(firstword $(wildcard /usr/local/bin/busted /usr/bin/busted) /usr/bin/busted) \
	$(JOBS) build/spec-times '$(FILTER)'

.PHONY: all library static help demo test test-static test-container bench terminal soak lint format check-static arm64 \
	i386 asan valgrind coverage fuzz nightly reference install install-static uninstall clean need-build

all: need-build $(OUTPUT) reaperctl $(LIBRARY)

help:
	@echo 'make             build ./reaper-lua (installs Lua 5.4 headers where it can)'
	@echo 'make library     build only build/reaper/core.so, for require "reaper" in a Lua program'
	@echo 'make static      build ./reaper-lua-static, one file that needs nothing (LUA_SRC=folder for another Lua 5.4,'
	@echo '                 ZLIB_SRC=folder for another zlib)'
	@echo 'make demo        run it for real in a PID namespace'
	@echo 'make test        run all specs, JOBS=$(JOBS) files at a time (REAPER=path for another binary);'
	@echo '                 SPECS="spec/stop_spec.lua …" for some files, FILTER=grace for specs whose names have it'
	@echo 'make test-static run the specs that concern what is written in C on ./reaper-lua-static'
	@echo 'make test-container  run ./reaper-lua-static in containers of Docker and Podman (CHECKS=pattern for some)'
	@echo 'make bench       measure ./reaper-lua-static beside other inits (bench/README.md)'
	@echo 'make terminal    try what one does at a terminal with reaper-lua and other inits, and print a table'
	@echo 'make soak        random trouble for SECONDS=60 with SEED=n, and checks that every promise holds (soak/run.lua)'
	@echo 'make lint        warnings as errors with gcc and clang, clang-format, luacheck, mandoc'
	@echo 'make format      lay the C files out as .clang-format says'
	@echo 'make compile_commands.json  for clangd and its like'
	@echo 'make check-static  clang-tidy, cppcheck and gcc -fanalyzer, without findings'
	@echo 'make arm64       compile for arm64, as far as that goes without running it'
	@echo 'make i386        build for 32 bits, and run the specs of what is different there'
	@echo 'make asan        run all specs on a build with address and undefined-behaviour sanitizers'
	@echo 'make valgrind    run specs under valgrind, of every process a report (SPECS=files for others)'
	@echo 'make coverage    run all specs and tell which lines of src/ were not run (at least $(COVERAGE_LEAST) % must be)'
	@echo 'make fuzz        fuzz what reads foreign input (FUZZ_SECONDS=60 each, 0: replay the corpus; FUZZ_TARGETS=names)'
	@echo 'make nightly     all that takes long, one after the other, with the time of each part'
	@echo 'make reference   write doc/REFERENCE.md from the types files'
	@echo 'make install     reaper-lua and its link reaperctl, into PREFIX ($(PREFIX)) below DESTDIR; make uninstall takes it away'
	@echo 'make install-static  the same with the static binary alone, for the root of an image: DESTDIR=image PREFIX=/usr'
	@echo 'make clean       remove what was built'

library: $(LIBRARY)

need-build:
	@tools/need.sh build

$(OUTPUT): $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@.new $^ $(LINK)
	mv $@.new $@

# The client is the same binary, which looks at the name that it is called by.
reaperctl:
	ln -sf reaper-lua $@

# What was made with other flags, or for another Lua, is made again.
FLAGS = $(strip $(COMPILE) $(LDFLAGS) $(LINK))
ifneq ($(FLAGS),$(file <$(BUILD)/flags))
.PHONY: $(BUILD)/flags
endif
$(BUILD)/flags: | $(BUILD)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@

$(BUILD)/%.o: src/%.c Makefile $(BUILD)/flags | $(BUILD)
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

# Lua comes with the program that loads it; all names but luaopen_reaper_core stay inside.
$(LIBRARY): $(LIBRARY_OBJECTS) | $(BUILD)/reaper
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@.new $^
	mv $@.new $@

$(BUILD)/library/%.o: src/%.c Makefile $(BUILD)/flags | $(BUILD)
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<

$(BUILD)/embed: tools/embed.c $(BUILD)/flags Makefile
	$(CC) -std=gnu11 -O1 $(WARNINGS) -Wno-maybe-uninitialized -isystem $(LUA_INCLUDE) -no-pie -o $@ $< $(LUA_LIBRARY) -lm -ldl

$(BUILD)/lua_files.c: $(EMBEDDED) $(BUILD)/embed
	$(BUILD)/embed $(if $(ZLIB),--small) $(EMBEDDED) > $@.new
	mv $@.new $@

$(BUILD)/lua_files.o: $(BUILD)/lua_files.c src/script/lua_embed.h src/script/lua_inflate.h $(BUILD)/flags
	$(COMPILE) -c -o $@ $<

$(sort $(BUILD) $(BUILD)/reaper build):
	mkdir -p $@

-include $(OBJECTS:.o=.d) $(LIBRARY_OBJECTS:.o=.d)

# The helpers are never sanitized: they make processes in ways that sanitizers do not follow. Static, since they start
# thousands of times, which is then a third cheaper, and in images that have no C library.
build/spec-%: spec/support/%.c Makefile | build
	$(CC) -std=gnu11 -O2 $(WARNINGS) -static -o $@ $<

# What tries the journal alone. Its threads run under ThreadSanitizer, which does not know fences: the loads and stores
# beside them are atomic, and order suffices.
JOURNAL = src/common/journal.c src/engine/journal_writer.c src/engine/journal_pages.c \
	src/engine/late_events.c
JOURNAL_FILES = $(JOURNAL) $(JOURNAL:.c=.h) src/common/messages.h spec/support/journal_check.h
JOURNAL_FLAGS = -O2 -static

build/journal-room: JOURNAL_FLAGS += -Wl,--wrap=mmap,--wrap=madvise
build/journal-race: JOURNAL_FLAGS = -O1 -g -fsanitize=thread -Wno-tsan

build/journal-%: spec/support/journal_%.c $(JOURNAL_FILES) Makefile | build
	$(CC) -std=gnu11 $(WARNINGS) -Isrc $(JOURNAL_FLAGS) -o $@ $< $(JOURNAL)

build/latch-%: spec/support/latch_%.c src/common/latch.c src/common/latch.h Makefile | build
	$(CC) -std=gnu11 -O2 $(WARNINGS) -Isrc -static -pthread -o $@ $< src/common/latch.c

build/warnings-cases: spec/support/warnings_cases.c src/engine/warnings.c src/engine/cgroup.c src/engine/warnings.h Makefile \
		| build
	$(CC) -std=gnu11 -O2 $(WARNINGS) -Isrc -static -o $@ $< $(addprefix src/,engine/warnings.c engine/cgroup.c \
		common/proc.c common/log.c common/text.c common/descriptors.c)

build/members-cases: spec/support/members_cases.c src/common/members.c src/common/members.h Makefile | build
	$(CC) -std=gnu11 -O2 $(WARNINGS) -Isrc -static -o $@ $< src/common/members.c

build/%.so: spec/support/%.c Makefile | build
	$(CC) -std=gnu11 -O2 $(WARNINGS) -isystem $(LUA_INCLUDE) -fPIC -shared -o $@ $<

# luaposix, of which Debian 12 has no build for Lua 5.4. Where it cannot be had, the specs that need it say so.
build/luaposix/posix/unistd.so: tools/luaposix.sh tools/debian-source.sh | build
	tools/luaposix.sh build/luaposix || echo "luaposix cannot be had: the specs that need it are pending"

.PHONY: lua-source zlib-source
lua-source:
	@[ -e '$(LUA_SRC)/src/lua.h' ] || [ '$(LUA_SRC)' = $(STATIC)/lua-source ] || \
		{ echo 'LUA_SRC=$(LUA_SRC) is no source of Lua: there is no src/lua.h in it' >&2; exit 1; }
	@[ -e '$(LUA_SRC)/src/lua.h' ] || tools/debian-source.sh lua5.4 trixie $(STATIC)/lua-source

zlib-source:
	@[ -e '$(ZLIB_SRC)/inflate.c' ] || [ '$(ZLIB_SRC)' = $(STATIC)/zlib-source ] || \
		{ echo 'ZLIB_SRC=$(ZLIB_SRC) is no source of zlib: there is no inflate.c in it' >&2; exit 1; }
	@[ -e '$(ZLIB_SRC)/inflate.c' ] || tools/debian-source.sh zlib trixie $(STATIC)/zlib-source

# musl, and Lua and zlib from their sources: Debian has neither as a library that is built with musl.
static: lua-source zlib-source
	@tools/need.sh static
	@$(MAKE) --no-print-directory $(STATIC)/lua/liblua.a $(STATIC)/zlib/libz.a
	@$(MAKE) --no-print-directory BUILD=$(STATIC) OUTPUT=reaper-lua-static CC='$(STATIC_CC)' CFLAGS='$(STATIC_CFLAGS)' \
		LDFLAGS='$(STATIC_LDFLAGS)' EXPORT= ZLIB=$(STATIC)/zlib LUA_INCLUDE=$(STATIC)/lua LUA_LIBRARY=$(STATIC)/lua/liblua.a \
		reaper-lua-static

$(STATIC)/lua/liblua.a: $(LUA_SRC)/src/lua.h tools/lua_musl.h Makefile
	rm -rf $(STATIC)/lua
	cp -R $(LUA_SRC)/src $(STATIC)/lua
	@$(MAKE) --no-print-directory -s -C $(STATIC)/lua a CC='$(STATIC_CC) -std=gnu99' AR='gcc-ar rc' RANLIB=gcc-ranlib \
		CFLAGS='$(STATIC_CFLAGS) -DLUA_COMPAT_5_3 -DLUA_USE_POSIX -include $(CURDIR)/tools/lua_musl.h'

# Only what inflates, without gzip's format and ready tables (BUILDFIXED).
INFLATE = inflate inffast inftrees adler32 zutil

$(STATIC)/zlib/libz.a: $(ZLIB_SRC)/inflate.c Makefile
	rm -rf $(STATIC)/zlib
	mkdir -p $(STATIC)/zlib
	cp $(ZLIB_SRC)/*.h $(INFLATE:%=$(ZLIB_SRC)/%.c) $(STATIC)/zlib
	cd $(STATIC)/zlib && $(STATIC_CC) -std=gnu99 $(STATIC_CFLAGS) -DNO_GZIP -DBUILDFIXED -c $(INFLATE:%=%.c)
	gcc-ar rcs $@ $(STATIC)/zlib/*.o

demo:
	@tools/need.sh build demo
	@$(MAKE) --no-print-directory -s all
	@tools/demo.sh

test:
	@tools/need.sh build test
	@$(MAKE) --no-print-directory all $(HELPERS)
	REAPER=$(REAPER) $(BUSTED) $(SPECS)

# What is Lua, the library or a tool is the same for every binary, and the faults have a run of their own (make nightly).
STATIC_SPECS = bad_input bad_script command control_http control_porter control_porter_orders control_porter_socket \
	conventions embedded faults hooks hooks_errors hooks_reap hostile install log \
	members messages on_signal options options_precedence process process_main process_streams promises readme real reload \
	reload_race remains restart_option sandbox schedule script senders settings signals signals_rewrite spawn \
	spawn_errors spawn_streams start stop stop_exit storm supervisor_adopt supervisor_real supervisor_stop terminal terminal_cases \
	terminal_stop time

test-static: static
	@$(MAKE) --no-print-directory test REAPER=./reaper-lua-static \
		SPECS='$(if $(filter file,$(origin SPECS)),$(STATIC_SPECS:%=spec/%_spec.lua),$(SPECS))'

CHECKS ?=

test-container: static
	@tools/need.sh build container
	@$(MAKE) --no-print-directory build/spec-helper
	@tools/container.sh '$(CHECKS)'

BENCH = build/bench/start build/bench/limit build/bench/load
SCENARIOS ?=

bench: static
	@tools/need.sh bench
	@$(MAKE) --no-print-directory $(BENCH)
	@lua5.4 bench/run.lua build/bench ./reaper-lua-static $(SCENARIOS)

build/bench/%: bench/%.c bench/shared.h Makefile
	@mkdir -p build/bench
	$(STATIC_CC) -std=gnu11 -O2 $(WARNINGS) -static -o $@ $<

# tini and dumb-init are left out where they are not installed.
terminal:
	@tools/need.sh build soak
	@$(MAKE) --no-print-directory all build/spec-helper build/launch.so
	@REAPER='$(REAPER)' lua5.4 tools/terminal.lua

SECONDS ?= 60
SEED ?=

# A sanitized build is slow, and keeps what was freed. What takes 300 s more than its time hangs.
soak: SANITIZED = $(findstring asan,$(REAPER))
soak:
	@tools/need.sh build soak
	@$(MAKE) --no-print-directory all build/spec-helper build/launch.so
	@REAPER='$(REAPER)' SPEC_SLOW=$(if $(SANITIZED),4,1) SPEC_SANITIZED=$(if $(SANITIZED),1,0) \
		ASAN_OPTIONS=detect_leaks=0:handle_segv=0 timeout -s KILL $$(( $(SECONDS) + 300 )) lua5.4 soak/run.lua $(SECONDS) $(SEED)

# Leaks are not looked for (LeakSanitizer traces its process, which process 1 cannot allow), and faults stay signals, so
# that the specs see them. A report of any process makes it fail.
asan:
	@tools/need.sh build test
	@$(MAKE) --no-print-directory BUILD=build/asan OUTPUT=build/asan/reaper-lua CFLAGS='$(SANITIZE)' all
	@$(MAKE) --no-print-directory library # for what the specs themselves load
	@$(MAKE) --no-print-directory $(HELPERS)
	rm -f build/asan-report.*
	ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:log_path=$(CURDIR)/build/asan-report \
		UBSAN_OPTIONS=print_stacktrace=1:log_path=$(CURDIR)/build/asan-report SPEC_SLOW=4 SPEC_SANITIZED=1 \
		SPEC_BUILD=build/asan SPEC_PRELOAD=$$($(CC) -print-file-name=libasan.so) REAPER=build/asan/reaper-lua $(BUSTED) $(SPECS)
	@! cat build/asan-report.* 2>/dev/null

# Files of which every spec passes under valgrind. Of the others some measure time or memory, some look at descriptors,
# the environment or names of processes, which are valgrind's there, some are slow, and valgrind 3.19 dies where exec
# fails for want of an interpreter.
VALGRIND_SPECS = hooks hooks_errors hooks_reap library readme spawn_errors stop_exit

valgrind:
	@tools/need.sh build test valgrind
	@$(MAKE) --no-print-directory all $(HELPERS)
	rm -rf build/valgrind
	mkdir -p build/valgrind
	SPEC_SLOW=4 SPEC_UNDER=tools/valgrind.sh REAPER=$(REAPER) \
		$(BUSTED) $(if $(filter file,$(origin SPECS)),$(VALGRIND_SPECS:%=spec/%_spec.lua),$(SPECS))
	@ls build/valgrind | grep -q . # it was valgrind that ran
	@! grep -h '^==' build/valgrind/* # lines with -- are notes on system calls that valgrind does not know

# Calls of fork and execve stay as they are: gcov's own would write from the new process, under its user and limits.
COVERAGE = -O0 -g --coverage -fno-builtin-fork -fno-builtin-execve
COVERAGE_LEAST ?= 92

coverage:
	@tools/need.sh build test coverage
	@$(MAKE) --no-print-directory build/coverage/writer.o
	@$(MAKE) --no-print-directory BUILD=build/coverage OUTPUT=build/coverage/reaper-lua CFLAGS='$(COVERAGE)' \
		LDFLAGS='-Wl,--wrap=_exit,--wrap=ppoll build/coverage/writer.o' all
	@$(MAKE) --no-print-directory library # for what the specs themselves load
	@$(MAKE) --no-print-directory $(HELPERS)
	find build/coverage -name '*.gcda' -delete
	SPEC_SLOW=2 SPEC_BUILD=build/coverage REAPER=build/coverage/reaper-lua $(BUSTED) $(SPECS)
	lcov --rc lcov_branch_coverage=1 --capture --directory build/coverage --output-file build/coverage/info \
		>build/coverage/lcov.log 2>&1 || { cat build/coverage/lcov.log; exit 1; }
	lua5.4 tools/coverage.lua build/coverage/info $(COVERAGE_LEAST) build/coverage/uncovered.txt

build/coverage/writer.o: spec/support/coverage.c Makefile
	@mkdir -p build/coverage
	$(CC) -std=gnu11 -O2 -g $(WARNINGS) -fPIC -fvisibility=hidden -c -o $@ $<

# What could do harm is wrapped (fuzz/harmless.h): no input can signal, fork or write. A target that includes a file of
# src/ takes the place of its object in the archive.
HARMLESS_FILES = $(wildcard fuzz/harmless*.c)
FUZZ_TARGETS ?= $(patsubst fuzz/%.c,%,$(filter-out $(HARMLESS_FILES),$(wildcard fuzz/*.c)))
FUZZ_SECONDS ?= 60
# With 64-bit offsets open would be called open64, and not be wrapped.
FUZZ_CFLAGS = -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-U_FILE_OFFSET_BITS
HARMLESS = channel_open chdir clock_gettime clone execve fchown fcntl fopen fork getpid kill madvise open ppoll prctl \
	proc_each proc_highest_pid proc_numbers proc_read receive_packet send send_packet setpgid setpriority setsid \
	syscall tcgetpgrp tcsetpgrp timerfd_settime vfork wait4 waitid waitpid

fuzz:
	@tools/need.sh build fuzz
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang CFLAGS='$(FUZZ_CFLAGS)' $(FUZZ_TARGETS:%=build/fuzz/fuzz-%)
	@tools/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_TARGETS)

build/fuzz/reaper.a: $(filter-out $(BUILD)/main.o,$(OBJECTS))
	rm -f $@
	ar rcs $@ $^

build/fuzz/fuzz-%: fuzz/%.c $(HARMLESS_FILES) $(wildcard fuzz/*.h) spec/support/journal_check.h build/fuzz/reaper.a
	$(COMPILE) -fsanitize=fuzzer -o $@ $< $(HARMLESS_FILES) build/fuzz/reaper.a $(LINK) $(HARMLESS:%=-Wl,--wrap=%)

lint:
	@tools/need.sh build test lint
	@$(MAKE) --no-print-directory $(BUILD)/lua_files.c
	for file in $(SOURCES) $(OF_ZLIB) $(BUILD)/lua_files.c $(wildcard spec/support/*.c fuzz/*.c); do \
		gcc -std=gnu11 -O2 $(WARNINGS) -Werror -isystem $(LUA_INCLUDE) -Isrc -c -o /dev/null $$file || exit 1; \
		clang -std=gnu11 -O2 $(WARNINGS) -Werror -isystem $(LUA_INCLUDE) -Isrc -c -o /dev/null $$file || exit 1; \
	done
	clang-format --dry-run --Werror $(C_FILES)
	luacheck --quiet .
	@$(MAKE) --no-print-directory all
	lua5.4 tools/layers.lua $(BUILD)
	mandoc -T lint -W warning $(PAGES:%=doc/%)

C_FILES = $(wildcard src/*.[ch] src/*/*.[ch] spec/support/*.c bench/*.[ch] fuzz/*.[ch] tools/*.[ch])

format:
	@tools/need.sh lint
	@clang-format -i $(C_FILES)

# The commands with which the binary is compiled (clang.llvm.org, "JSON Compilation Database Format Specification").
compile_commands.json: Makefile $(SOURCES) $(wildcard spec/support/*.c fuzz/*.c)
	@{ separator='['; \
	for file in $(SOURCES) $(wildcard spec/support/*.c fuzz/*.c); do \
		printf '%s\n{ "directory": "%s", "file": "%s", "command": "%s" }' "$$separator" '$(CURDIR)' "$$file" \
			"$(COMPILE) -c $$file"; \
		separator=,; \
	done; printf '\n]\n'; } > $@

# What is no fault is explained beside the code (NOLINT, cppcheck-suppress) or in .clang-tidy. -fanalyzer and cppcheck
# take seconds, clang-tidy takes a minute.
check-static:
	@tools/need.sh build check
	@$(MAKE) --no-print-directory $(BUILD)/lua_files.c
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -Isrc \
		src spec/support fuzz bench tools
	for file in $(SOURCES) $(OF_ZLIB); do \
		gcc -std=gnu11 -O2 $(WARNINGS) -fanalyzer -Werror -isystem $(LUA_INCLUDE) -Isrc -c -o /dev/null $$file \
			|| exit 1; \
		clang-tidy --quiet $$file -- -std=gnu11 -isystem $(LUA_INCLUDE) -Isrc || exit 1; \
	done

# What is built and tested is x86-64; for arm64 it is only compiled, with Debian's cross compiler.
arm64: static
	@tools/need.sh arm64
	for file in $(SOURCES) $(OF_ZLIB) $(STATIC)/lua_files.c; do \
		aarch64-linux-gnu-gcc -std=gnu11 -O2 $(WARNINGS) -Werror -isystem $(STATIC)/lua -isystem $(STATIC)/zlib -Isrc -c -o /dev/null $$file \
			|| exit 1; \
	done

# A machine of 32 bits, whose plain calls have ids of 16 bits and limits of 32: what concerns them is run on it.
I386 = build/i386
I386_SPECS = command process settings signals spawn spawn_errors spawn_streams stop time

i386: lua-source
	@tools/need.sh build test i386
	@$(MAKE) --no-print-directory $(I386)/lua/liblua.a
	@$(MAKE) --no-print-directory BUILD=$(I386) OUTPUT=$(I386)/reaper-lua CC='$(CC) -m32' LUA_INCLUDE=$(I386)/lua \
		LUA_LIBRARY=$(I386)/lua/liblua.a $(I386)/reaper-lua
	@$(MAKE) --no-print-directory test REAPER=$(I386)/reaper-lua SPECS='$(I386_SPECS:%=spec/%_spec.lua)'

$(I386)/lua/liblua.a: $(LUA_SRC)/src/lua.h Makefile
	rm -rf $(I386)/lua
	mkdir -p $(I386)
	cp -R $(LUA_SRC)/src $(I386)/lua
	@$(MAKE) --no-print-directory -s -C $(I386)/lua a CC='$(CC) -m32 -std=gnu99' \
		CFLAGS='-O2 -DLUA_COMPAT_5_3 -DLUA_USE_LINUX'

# Everything that is too long for each change. A part that fails does not keep the others from running.
NIGHTLY_FUZZ ?= 600
NIGHTLY_SOAK ?= 3600

define NIGHTLY
make test REAPER=./reaper-lua-static
SPEC_FAULTS=all make test SPECS="$(wildcard spec/injection*_spec.lua)"
SPEC_KILLS=200 make test SPECS=spec/journal_storm_spec.lua
make valgrind
make i386
make coverage
make fuzz FUZZ_SECONDS=$(NIGHTLY_FUZZ)
make soak SECONDS=$(NIGHTLY_SOAK)
make bench
endef

nightly: static
	$(file >build/nightly,$(NIGHTLY))
	@MAKEFLAGS= tools/stages.sh --all < build/nightly

# spec/reference_spec.lua fails when this has been forgotten.
reference:
	lua5.4 tools/reference.lua $(TYPES) > doc/REFERENCE.md.new
	mv doc/REFERENCE.md.new doc/REFERENCE.md

PAGES = reaper-lua.1 reaperctl.1

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(OUTPUT) $(DESTDIR)$(PREFIX)/bin/reaper-lua
	ln -sf reaper-lua $(DESTDIR)$(PREFIX)/bin/reaperctl
	install -m 644 $(PAGES:%=doc/%) $(DESTDIR)$(PREFIX)/share/man/man1

# For an image: two files that need nothing.
install-static: static
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 reaper-lua-static $(DESTDIR)$(PREFIX)/bin/reaper-lua
	ln -sf reaper-lua $(DESTDIR)$(PREFIX)/bin/reaperctl

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,reaper-lua reaperctl) $(PAGES:%=$(DESTDIR)$(PREFIX)/share/man/man1/%)

clean:
	rm -rf build reaper-lua reaperctl reaper-lua.new reaper-lua-static compile_commands.json
