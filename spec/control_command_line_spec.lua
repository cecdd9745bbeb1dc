-- The words of reaperctl's command line, its help, and where its output goes.

local container = require "spec.support.container"
local control = require "spec.support.control"
local services = require "spec.support.services"

local function start(list)
  local c = container.start { script = services.script(list) }
  control.see(c, "web +running", "status")
  return c
end

local WEB = '{ name = "web", command = { "sleep", "1000" } },'

-- reaperctl refuses these words with that message.
local function refuses(c, line, message)
  local words = {}
  for word in line:gmatch "%S+" do
    words[#words + 1] = word
  end
  local code, out, err = control.run(c, table.unpack(words))
  assert.are.same({ 2, "", "reaperctl: " .. message .. "\n" }, { code, out, err })
end

local function run_shell(c, redirection, ...)
  local code, _, err = control.inside(c, { "sh", "-c", 'exec "$@" ' .. redirection, "sh" }, ...)
  return code, err
end

describe("reaperctl's command line", function()
  after_each(container.close_all)

  it("has as many words as the command takes", function()
    local c = start(WEB)
    for _, command in ipairs { "alive", "metrics", "ps", "top", "events" } do
      refuses(c, command .. " x", ("'%s' takes no word 'x': reaperctl %s"):format(command, command))
    end
    for _, command in ipairs { "start", "stop", "restart", "wait" } do
      refuses(c, command, ("'%s' needs more words: reaperctl %s NAME…"):format(command, command))
    end
    refuses(c, "logs", "'logs' needs more words: reaperctl logs NAME")
    refuses(c, "logs web db", "'logs' takes no word 'db': reaperctl logs NAME")
    refuses(c, "signal HUP", "'signal' needs more words: reaperctl signal SIG NAME…")
    refuses(c, "shutdown 1 2", "'shutdown' takes no word '2': reaperctl shutdown [CODE]")
    refuses(c, "shutdown 256", "shutdown 256: a number from 0 to 255 expected")
  end)

  it("takes a name that begins with a dash behind --, and says so", function()
    local c = start(WEB .. '{ name = "-dash", command = { "sleep", "1000" } }')
    refuses(c, "stop -dash", "'stop' has no option --delay; -- stands before a name that begins with -")
    assert.are.equal(0, (control.run(c, "stop", "--", "-dash")))
  end)

  it("says it for each command in its help", function()
    local c = start(WEB)
    local code, all = control.run(c, "--help")
    assert.are.equal(0, code)
    for name in all:gmatch "\n  (%l+)[^\n]*" do
      local _, out = control.run(c, name, "--help")
      assert.is_truthy(out:find("Usage: reaperctl [OPTIONS] " .. name, 1, true), out)
    end
    local _, out = control.run(c, "wait", "--help")
    assert.is_truthy(out:find "%-%-for GOAL" and out:find "%-%-timeout" and not out:find "%-%-json", out)
  end)

  it("can have control characters, of which a message has none", function()
    local c = start(WEB)
    local code, _, err = control.run(c, "status", "a\27[31m\nb")
    assert.are.equal(3, code)
    assert.are.equal("reaperctl: there is no service 'a\\x1b[31m\\nb'\n", err)
  end)
end)

describe("reaperctl's output", function()
  after_each(container.close_all)

  local commands = {
    { "status" }, { "status", "--json" }, { "ps" }, { "top", "--once" }, { "metrics" }, { "events" }, { "alive" },
    { "ready" }, { "logs", "web" }, { "wait", "web" }, { "--help" }, { "--version" },
  }

  it("that cannot be written is an error of each command", function()
    local c = start '{ name = "web", command = { "sh", "-c", "echo up; exec sleep 1000" }, log = true }'
    control.see(c, "^up\n$", "logs", "web")
    for _, words in ipairs(commands) do
      assert.are.same({ 1, "reaperctl: its output could not be written\n" },
        { run_shell(c, ">/dev/full", table.unpack(words)) }, words[1])
    end
  end)

  it("may be closed, and is nothing else then", function()
    local c = start(WEB)
    for _, words in ipairs { { "status" }, { "signal", "CONT", "web" }, { "restart", "web" } } do
      assert.are.same({ 0, "" }, { run_shell(c, "<&- >&-", table.unpack(words)) }, words[1])
    end
    assert.is_falsy(c:err():find "inbox")
  end)

  it("of which nobody reads more ends it, also where SIGPIPE is ignored", function()
    local c = start '{ name = "web", command = { "sh", "-c", "while echo up; do sleep 0.01; done" }, log = true }'
    for _, first in ipairs { "", "trap '' PIPE; " } do
      for _, words in ipairs { { "logs", "web", "-f" }, { "top", "-n", "1000", "-d", "0.1" } } do
        local _, out = control.inside(c, { "sh", "-c", first .. '{ "$@"; echo "code $?" >&2; } | head -n 1', "sh" },
          table.unpack(words))
        assert.are.equal(1, select(2, out:gsub("\n", "")))
      end
    end
  end)
end)

describe("reaperctl with very many services", function()
  after_each(container.close_all)

  local MOST = 512

  it("shows as many as there is room for, and says how many more there are", function()
    local c = container.start { script = ([[
      local list = {}
      for i = 1, %d do
        list[i] = { name = "s" .. i, command = { "sleep", "1000" }, autostart = i == 1 }
      end
      require "reaper.supervisor".run(list)
    ]]):format(MOST + 2) }
    control.see(c, "^ready", "ready", "s1")
    local _, status = control.run(c, "status")
    assert.is_truthy(status:find "; 2 more services are not shown\n", status)
    assert.is_truthy(status:find "\ns512 ", status)
    assert.is_falsy(status:find "\ns513 ")
    assert.is_truthy(select(2, control.run(c, "status", "-j")):find('"services_hidden":2', 1, true))
    assert.are.equal("ready: 1 service; 2 more are not shown\n", select(2, control.run(c, "ready")))
    local code, _, err = control.run(c, "stop", "t513")
    assert.are.equal(3, code)
    assert.are.equal("reaperctl: there is no service 't513'; did you mean 's13'?; 2 more are not shown\n", err)
    c:err_expect "512 services at most are shown to reaperctl, which takes no orders for the other 2"
  end)
end)
