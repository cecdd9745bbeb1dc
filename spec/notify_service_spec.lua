-- sd_notify(3): what a message does with a service. Socket and senders are real; the service is a table that notes what
-- is called.

package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
package.cpath = "build/?.so;" .. package.cpath -- never the sanitized one: it cannot be loaded here

local uv = require "luv"
local loop = require "reaper.runtime.loop"
local readiness = require "reaper.supervisor.probes.readiness"

local HELPER = "build/spec-helper"

-- A service that owns this process and those that it starts, and none else. `calls` is a list of what was called.
local function new_service(spec)
  local service = { name = "db", pid = uv.os_getpid(), spec = spec or { spawn = {}, ready = { notify = true } } }
  local calls = {}
  for _, name in ipairs { "fire", "main_pid", "extend", "say", "stopping", "reloading" } do
    service[name] = function(_, ...)
      local words = { name }
      for _, value in ipairs { ... } do
        words[#words + 1] = tostring(value)
      end
      calls[#calls + 1] = table.concat(words, " ")
    end
  end
  function service.owns(_, pid)
    return pid ~= 1
  end
  service.calls = calls
  return service
end

-- What was called for these messages, which are sent one after the other.
local function calls_for(...)
  local service, request = new_service(), {}
  local probe = readiness(service)
  assert.is_false(probe:prepare(request))
  probe:watch()
  local words = { "notify", ... }
  words[#words + 1] = "STATUS=last"
  local has_ended = false
  uv.spawn(HELPER, { args = words, env = { "NOTIFY_SOCKET=" .. request.env.NOTIFY_SOCKET } }, function()
    has_ended = true
  end)
  local deadline = uv.hrtime() + 10e9
  while uv.hrtime() < deadline and not (has_ended and service.calls[#service.calls] == "say last") do
    loop.step(0.01)
    uv.run "nowait"
  end
  probe:ended()
  assert.equal("say last", table.remove(service.calls))
  return service.calls
end

describe("for a service, sd_notify's", function()
  it("READY=1 fires it", function()
    assert.same({ "fire ready" }, calls_for "X=1\nREADY=1")
  end)

  it("MAINPID=n names its main process, before READY=1, when that belongs to it", function()
    assert.same({ "main_pid 4242", "fire ready" }, calls_for "READY=1\nMAINPID=4242")
    assert.same({}, calls_for("MAINPID=1", "MAINPID=0", "MAINPID=-5", "MAINPID=4294967297", "MAINPID=x"))
    assert.same({}, calls_for("MAINPID=" .. uv.os_getpid()))
  end)

  it("EXTEND_TIMEOUT_USEC=n gives seconds", function()
    assert.same({ "extend 1.5", "extend 0.0" }, calls_for("EXTEND_TIMEOUT_USEC=1500000", "EXTEND_TIMEOUT_USEC=0",
      "EXTEND_TIMEOUT_USEC=-1"))
  end)

  it("STOPPING=1 and RELOADING=1 are told, and READY=1 ends the latter", function()
    assert.same({ "stopping" }, calls_for "STOPPING=1")
    assert.same({ "reloading", "say", "fire ready", "fire ready" },
      calls_for("RELOADING=1\nMONOTONIC_USEC=1", "READY=1", "READY=1"))
  end)

  it("others are ignored", function()
    assert.same({}, calls_for("ERRNO=2", "BUSERROR=org.x", "EXIT_STATUS=1", "FDSTORE=1", "FDSTOREREMOVE=1\nFDNAME=x",
      "NOTIFYACCESS=all", "X_MY=1", "BARRIER=1"))
  end)

  it("STATUS=text is shown in one line, the last of several, and only when it is another one", function()
    local service = new_service()
    local request, probe = {}, readiness(service)
    probe:prepare(request)
    probe:watch()
    local function send(...)
      local words = { "notify", ... }
      local has_ended = false
      uv.spawn(HELPER, { args = words, env = { "NOTIFY_SOCKET=" .. request.env.NOTIFY_SOCKET } }, function()
        has_ended = true
      end)
      while not has_ended do
        uv.run "once"
      end
      loop.step(0.1)
    end
    send("STATUS=one", "STATUS=\27[1mtwo\7\255")
    send("STATUS=\27[1mtwo\7\255", "X=1")
    send("STATUS=" .. ("é"):rep(1000))
    send("STATUS=")
    probe:ended()
    assert.same({ "say two?\u{fffd}", "say " .. ("é"):rep(100) .. "…", "say" }, service.calls)
  end)
end)
