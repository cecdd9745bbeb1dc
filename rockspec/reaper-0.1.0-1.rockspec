rockspec_format = "3.0"
package = "reaper"
version = "0.1.0-1"
source = {
  -- Not published yet: no such host can exist. Until then, run "luarocks make" in a checkout.
  url = "git+https://reaper-lua.invalid/reaper-lua.git",
  tag = "v0.1.0",
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
    -- All but runtime/script.lua and restart/option.lua, which only the binary runs. Nothing loads those of types/;
    -- language servers read them.
    lua = {
      reaper = "lua/reaper/init.lua",
      ["reaper.process.adopted"] = "lua/reaper/process/adopted.lua",
      ["reaper.process.command"] = "lua/reaper/process/command.lua",
      ["reaper.process.descriptors"] = "lua/reaper/process/descriptors.lua",
      ["reaper.process"] = "lua/reaper/process/init.lua",
      ["reaper.process.main"] = "lua/reaper/process/main.lua",
      ["reaper.process.object"] = "lua/reaper/process/object.lua",
      ["reaper.process.others"] = "lua/reaper/process/others.lua",
      ["reaper.process.request"] = "lua/reaper/process/request.lua",
      ["reaper.process.spawn"] = "lua/reaper/process/spawn.lua",
      ["reaper.process.status"] = "lua/reaper/process/status.lua",
      ["reaper.process.stream"] = "lua/reaper/process/stream.lua",
      ["reaper.restart"] = "lua/reaper/restart/init.lua",
      ["reaper.restart.past"] = "lua/reaper/restart/past.lua",
      ["reaper.restart.policies"] = "lua/reaper/restart/policies.lua",
      ["reaper.restart.presets"] = "lua/reaper/restart/presets.lua",
      ["reaper.runtime.caller"] = "lua/reaper/runtime/caller.lua",
      ["reaper.runtime.check"] = "lua/reaper/runtime/check.lua",
      ["reaper.runtime.events"] = "lua/reaper/runtime/events.lua",
      ["reaper.runtime.hooks"] = "lua/reaper/runtime/hooks.lua",
      ["reaper.runtime.log"] = "lua/reaper/runtime/log.lua",
      ["reaper.runtime.log_fields"] = "lua/reaper/runtime/log_fields.lua",
      ["reaper.runtime.log_file"] = "lua/reaper/runtime/log_file.lua",
      ["reaper.runtime.log_lines"] = "lua/reaper/runtime/log_lines.lua",
      ["reaper.runtime.loop"] = "lua/reaper/runtime/loop.lua",
      ["reaper.runtime.output"] = "lua/reaper/runtime/output.lua",
      ["reaper.runtime.pattern"] = "lua/reaper/runtime/pattern.lua",
      ["reaper.runtime.program"] = "lua/reaper/runtime/program.lua",
      ["reaper.runtime.settings"] = "lua/reaper/runtime/settings.lua",
      ["reaper.runtime.statuses"] = "lua/reaper/runtime/statuses.lua",
      ["reaper.runtime.store"] = "lua/reaper/runtime/store.lua",
      ["reaper.runtime.timers"] = "lua/reaper/runtime/timers.lua",
      ["reaper.runtime.watch"] = "lua/reaper/runtime/watch.lua",
      ["reaper.schedule.calendar"] = "lua/reaper/schedule/calendar.lua",
      ["reaper.schedule.fields"] = "lua/reaper/schedule/fields.lua",
      ["reaper.schedule"] = "lua/reaper/schedule/init.lua",
      ["reaper.schedule.zone"] = "lua/reaper/schedule/zone.lua",
      ["reaper.supervisor.activities"] = "lua/reaper/supervisor/activities.lua",
      ["reaper.supervisor.calendar"] = "lua/reaper/supervisor/calendar.lua",
      ["reaper.supervisor.child"] = "lua/reaper/supervisor/child.lua",
      ["reaper.supervisor.definitions.defaults"] = "lua/reaper/supervisor/definitions/defaults.lua",
      ["reaper.supervisor.definitions"] = "lua/reaper/supervisor/definitions/init.lua",
      ["reaper.supervisor.definitions.main"] = "lua/reaper/supervisor/definitions/main.lua",
      ["reaper.supervisor.definitions.order"] = "lua/reaper/supervisor/definitions/order.lua",
      ["reaper.supervisor.definitions.probes"] = "lua/reaper/supervisor/definitions/probes.lua",
      ["reaper.supervisor.definitions.service"] = "lua/reaper/supervisor/definitions/service.lua",
      ["reaper.supervisor.definitions.start"] = "lua/reaper/supervisor/definitions/start.lua",
      ["reaper.supervisor.definitions.timing"] = "lua/reaper/supervisor/definitions/timing.lua",
      ["reaper.supervisor.definitions.values"] = "lua/reaper/supervisor/definitions/values.lua",
      ["reaper.supervisor.ending"] = "lua/reaper/supervisor/ending.lua",
      ["reaper.supervisor.ends"] = "lua/reaper/supervisor/ends.lua",
      ["reaper.supervisor.env_file"] = "lua/reaper/supervisor/env_file.lua",
      ["reaper.supervisor.group"] = "lua/reaper/supervisor/group.lua",
      ["reaper.supervisor"] = "lua/reaper/supervisor/init.lua",
      ["reaper.supervisor.machine"] = "lua/reaper/supervisor/machine.lua",
      ["reaper.supervisor.main"] = "lua/reaper/supervisor/main.lua",
      ["reaper.supervisor.memory"] = "lua/reaper/supervisor/memory.lua",
      ["reaper.supervisor.phase"] = "lua/reaper/supervisor/phase.lua",
      ["reaper.supervisor.probes.address"] = "lua/reaper/supervisor/probes/address.lua",
      ["reaper.supervisor.probes.ask"] = "lua/reaper/supervisor/probes/ask.lua",
      ["reaper.supervisor.probes.command"] = "lua/reaper/supervisor/probes/command.lua",
      ["reaper.supervisor.probes.health"] = "lua/reaper/supervisor/probes/health.lua",
      ["reaper.supervisor.probes.http"] = "lua/reaper/supervisor/probes/http.lua",
      ["reaper.supervisor.probes"] = "lua/reaper/supervisor/probes/init.lua",
      ["reaper.supervisor.probes.kind"] = "lua/reaper/supervisor/probes/kind.lua",
      ["reaper.supervisor.probes.message"] = "lua/reaper/supervisor/probes/message.lua",
      ["reaper.supervisor.probes.network"] = "lua/reaper/supervisor/probes/network.lua",
      ["reaper.supervisor.probes.notify"] = "lua/reaper/supervisor/probes/notify.lua",
      ["reaper.supervisor.probes.readiness"] = "lua/reaper/supervisor/probes/readiness.lua",
      ["reaper.supervisor.probes.sender"] = "lua/reaper/supervisor/probes/sender.lua",
      ["reaper.supervisor.probes.text"] = "lua/reaper/supervisor/probes/text.lua",
      ["reaper.supervisor.probes.watchdog"] = "lua/reaper/supervisor/probes/watchdog.lua",
      ["reaper.supervisor.report"] = "lua/reaper/supervisor/report.lua",
      ["reaper.supervisor.rest"] = "lua/reaper/supervisor/rest.lua",
      ["reaper.supervisor.service"] = "lua/reaper/supervisor/service.lua",
      ["reaper.supervisor.takeover"] = "lua/reaper/supervisor/takeover.lua",
      ["reaper.supervisor.waiters"] = "lua/reaper/supervisor/waiters.lua",
      ["reaper.types.process"] = "lua/reaper/types/process.lua",
      ["reaper.types.reaper"] = "lua/reaper/types/reaper.lua",
      ["reaper.types.restart"] = "lua/reaper/types/restart.lua",
      ["reaper.types.schedule"] = "lua/reaper/types/schedule.lua",
      ["reaper.types.settings"] = "lua/reaper/types/settings.lua",
      ["reaper.types.supervisor"] = "lua/reaper/types/supervisor.lua",
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
