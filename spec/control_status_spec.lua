-- reaperctl status: what it says, and that it says it just then when the script does not do what it should.

local container = require "spec.support.container"
local control = require "spec.support.control"

local function status(c, ...)
  local code, out, err, took = control.run(c, "status", ...)
  assert.are.equal("", err)
  assert.are.equal(0, code)
  return out, took
end

-- Waits until status says so.
local function expect_status(c, pattern)
  return control.see(c, pattern, "status")
end

local SERVICES = [[
local supervisor = require "reaper.supervisor"
supervisor.run {
  { name = "web", command = { "sleep", "1000" } },
  { name = "work", command = { "sh", "-c", "kill -SEGV $$" }, restart = "always", after = { "web" } },
  { name = "once", command = { "true" }, oneshot = true },
}
]]

describe("reaperctl status", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("shows the engine, the script process and the services", function()
      local c = container.start { mode = mode, script = SERVICES }
      local out = expect_status(c, "work +backoff +%- +%S+ +[1-9]%d* +[1-9]%d* +signal SIGSEGV +again in [%d.]+s\n")
      local lines = {}
      for line in out:gmatch "[^\n]+" do
        lines[#lines + 1] = line
      end
      assert.is_truthy(lines[1]:find(("^reaper%%-lua [%%d.]+  pid %d  running [%%d.]+s  "
        .. "reaped %%d+ %%(%%d+ orphans%%)  zombies %%-  dropped 0$"):format(c.nspid)), lines[1])
      assert.is_truthy(lines[2]:find "^script /%S+/hooks%.lua  pid %d+  working [%d.]+s$", lines[2])
      assert.is_truthy(lines[3]:find "^SERVICE +STATE +PID +FOR +RESTARTS +10MIN +LAST END +DETAIL$", lines[3])
      assert.is_truthy(out:find "\nweb +running +%d+ +[%d.]+s +0 +0\n", out)
      assert.is_truthy(out:find "\nonce +finished +%- +[%d.]+s +0 +0 +exit 0\n", out)
      assert.are.equal(6, #lines)
    end)
  end)

  it("gives JSON that other programs read", function()
    local c = container.start { script = SERVICES }
    expect_status(c, "work +backoff")
    local out = status(c, "--json")
    local file = assert(io.open(c:file "status.json", "w"))
    file:write(out)
    file:close()
    local pipe = io.popen(([[python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
services = {s["name"]: s for s in d["services"]}
print(d["v"], d["engine"]["state"], d["script"]["state"], services["work"]["last_end"]["signal"],
    services["web"]["restarts_10min"])' %s]]):format(c:file "status.json"))
    assert.are.equal("1 running working SIGSEGV 0\n", pipe:read "a")
    pipe:close()
  end)

  it("shows only the services that are named, and knows slips", function()
    local c = container.start { script = SERVICES }
    expect_status(c, "web +running")
    local out = status(c, "web")
    assert.is_truthy(out:find "\nweb ", out)
    assert.is_falsy(out:find "\nwork ", out)
    local code, _, err = control.run(c, "status", "wbe")
    assert.are.equal(3, code)
    assert.are.equal("reaperctl: there is no service 'wbe'; did you mean 'web'?\n", err)
  end)

  it("says within 50 ms in which hook the script is blocked", function()
    local c = container.start {
      script = SERVICES .. 'function on_signal() print "blocks" os.execute "sleep 1000" end',
    }
    expect_status(c, "web +running")
    c:kill "USR1"
    c:expect "blocks"
    local out = expect_status(c, "BLOCKED [%d.]+ s in on_signal; services as of then\n")
    assert.is_truthy(out:find "\nweb +running", out)
    local fastest = math.huge -- the machine may be busy
    for _ = 1, 10 do
      fastest = math.min(fastest, select(2, status(c)))
    end
    assert.is_true(fastest < 50 * container.slow, fastest .. " ms")
  end)

  it("says that the script is blocked while it is being loaded", function()
    local c = container.start { script = 'os.execute "sleep 1000"' }
    expect_status(c, "BLOCKED [%d.]+ s in script; services as of then\n")
  end)

  it("says that the script process is down, and shows the services as of then", function()
    local c = container.start {
      script = SERVICES .. [[
        local file = io.open("{folder}/again")
        if file then
          os.execute "kill -KILL $PPID"
        end
        io.open("{folder}/again", "w"):close()
      ]],
    }
    local pid = tonumber(expect_status(c, "web +running"):match "hooks%.lua  pid (%d+)")
    assert(c:kill("KILL", c.view:find(pid).pid))
    local out = expect_status(c, "no process  down; next start in [%d.]+s  restarts %d+; services as of then\n")
    assert.is_truthy(out:find "\nweb +running", out)
  end)

  it("counts zombies in the container only, since those of the machine are others", function()
    local c = container.start { script = SERVICES }
    expect_status(c, "web +running")
    assert.is_falsy(status(c, "--json"):find '"zombies":')
    local _, out = control.inside(c, {}, "status")
    assert.is_truthy(out:find "  zombies %d+  ", out)
  end)

  it("works without a script", function()
    local c = container.start { args = { "--" }, raw = { "--", "sleep", "1000" } }
    local out = expect_status(c, "\nmain +running +%d+")
    assert.is_truthy(out:find("\nno script\n", 1, true), out)
  end)

  it("shows how often --restart has started COMMAND", function()
    local c = container.start { raw = { "--restart", "always", "--", "sh", "-c", "exit 3" } }
    local out = expect_status(c, "\nmain +backoff +%- +[%d.]+s +[1-9]%d* +0 +exit 3\n")
    assert.is_truthy(out:find "\nscript %-%-restart  pid", out)
  end)

  it("finds the only reaper-lua where process 1 is another one", function()
    local c = container.start { mode = "subreaper", raw = { "--", "sleep", "1000" } }
    expect_status(c, "main +running")
    local code, out = control.plain(c, "status")
    assert.are.equal(0, code)
    assert.is_truthy(out:find("pid " .. c.nspid, 1, true), out)
  end)

  it("shows COMMAND beside services, and the stop", function()
    local c = container.start {
      script = 'require "reaper.supervisor".run { { name = "db", command = { "sleep", "1000" } } }',
      command = { "sh", "-c", 'trap "" TERM; sleep 1000 & echo ready; while :; do wait; done' }, args = { "-t", "100" },
    }
    c:expect "ready"
    expect_status(c, "\ndb +running.*\nmain +running +%d+")
    c:kill "TERM"
    expect_status(c, "pid %d+  %a+ %(stop by SIGTERM%)  up [%d.]+s  reaped")
  end)

  it("shows nothing that a terminal would obey", function()
    local c = container.start {
      script = [[
        require "reaper.supervisor".run { {
          name = "web", command = { "sh", "-c", "systemd-notify --help >/dev/null; sleep 1000" },
          stop = { grace = 1 },
        } }
        require "reaper.core".show_event("service", "web", "x", "\27[31m")
        require "reaper.core".show_service(1, { name = "web", state = "\27[2J", detail = "\27]0;x\7", output = "" })
      ]],
    }
    expect_status(c, "working")
    local out = status(c)
    assert.is_falsy(out:find "[\27\7]", out)
  end)

  it("knows wrong words", function()
    local c = container.start { raw = { "--", "sleep", "1000" } }
    expect_status(c, "running")
    for words, message in pairs {
      ["stats"] = "there is no command 'stats'; did you mean 'status'?; --help lists them",
      ["status --jsn"] = "there is no option --jsn; did you mean --json?; --help lists them",
      ["status -z"] = "there is no option -z; --help lists them",
      ["status --json=1"] = "--json takes no value",
      [""] = "which command? --help lists them",
    } do
      local list = {}
      for word in words:gmatch "%S+" do
        list[#list + 1] = word
      end
      local code, out, err = control.run(c, table.unpack(list))
      assert.are.equal("reaperctl: " .. message .. "\n", err)
      assert.are.equal("", out)
      assert.are.equal(2, code)
    end
    for _, pid in ipairs { "0", "x", "-1", "99999999999" } do
      local code, _, err = control.run(c, "--pid=" .. pid, "status")
      assert.are.equal(2, code)
      assert.are.equal(("reaperctl: --pid %s: a positive number expected\n"):format(pid), err)
    end
  end)

  it("is called as reaperctl, too", function()
    local c = container.start { raw = { "--", "sleep", "1000" } }
    expect_status(c, "running")
    local link = c:file "reaperctl"
    assert(os.execute(("ln -s %s %s"):format(container.binary, link)))
    local pipe = io.popen(("%s status -p %d"):format(link, c.pid))
    assert.is_truthy(pipe:read("a"):find "main +running")
    assert.is_true(pipe:close())
  end)
end)
