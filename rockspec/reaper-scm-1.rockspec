rockspec_format = "3.0"
package = "reaper"
version = "scm-1"
source = {
  -- Not published yet: no such host can exist. Until then, run "luarocks make" in a checkout.
  url = "git+https://reaper-lua.invalid/reaper-lua.git",
  branch = "main",
}
description = {
  summary = "Reaps orphans in the background of a Lua program that runs as process 1",
  detailed = [[
One call splits the program: its parent stays behind as a small init in C, which keeps the pid (1 in a container), reaps
dead children, forwards signals, stops what is left and ends with the program's exit code. The program goes on and
may be told of each death. It also works in a process that is not 1, as a subreaper.]],
  license = "MIT",
  labels = { "linux", "container", "init", "process", "zombie" },
}
supported_platforms = { "linux" }
-- The specs run the library on 5.4 and on 5.5.
dependencies = { "lua >= 5.4, < 5.6" }
build = {
  type = "make",
  build_target = "library",
  build_variables = {
    BUILD = "build/rock",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_INCLUDE = "$(LUA_INCDIR)",
  },
  install_pass = false,
  install = {
    -- All but script.lua and command.lua, which only the binary runs.
    lua = {
      reaper = "lua/reaper/init.lua",
      ["reaper.caller"] = "lua/reaper/caller.lua",
      ["reaper.check"] = "lua/reaper/check.lua",
      ["reaper.events"] = "lua/reaper/events.lua",
      ["reaper.hooks"] = "lua/reaper/hooks.lua",
      ["reaper.log"] = "lua/reaper/log.lua",
      ["reaper.loop"] = "lua/reaper/loop.lua",
      ["reaper.output"] = "lua/reaper/output.lua",
      ["reaper.pattern"] = "lua/reaper/pattern.lua",
      ["reaper.plumbing"] = "lua/reaper/plumbing.lua",
      ["reaper.presets"] = "lua/reaper/presets.lua",
      ["reaper.probes"] = "lua/reaper/probes.lua",
      ["reaper.process"] = "lua/reaper/process.lua",
      ["reaper.program"] = "lua/reaper/program.lua",
      ["reaper.request"] = "lua/reaper/request.lua",
      ["reaper.restart"] = "lua/reaper/restart.lua",
      ["reaper.service"] = "lua/reaper/service.lua",
      ["reaper.services"] = "lua/reaper/services.lua",
      ["reaper.settings"] = "lua/reaper/settings.lua",
      ["reaper.store"] = "lua/reaper/store.lua",
      ["reaper.stream"] = "lua/reaper/stream.lua",
      ["reaper.supervisor"] = "lua/reaper/supervisor.lua",
      -- Nothing loads these; language servers read them.
      ["reaper.types"] = "lua/reaper/types.lua",
      ["reaper.types_restart"] = "lua/reaper/types_restart.lua",
      ["reaper.types_supervisor"] = "lua/reaper/types_supervisor.lua",
    },
    lib = {
      ["reaper.core"] = "build/rock/reaper/core.so",
    },
  },
  -- No folder, so that LuaRocks takes README.md, LICENSE and CHANGELOG.md as the rock's documents.
  copy_directories = {},
}
test = {
  type = "command",
  command = "make test",
}
