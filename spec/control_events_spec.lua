-- reaperctl events: all that happens, once and in order, and exactly how much was missed.

local container = require "spec.support.container"
local control = require "spec.support.control"
local launch = assert(package.loadlib("build/launch.so", "luaopen_launch"))()
local uv = require "luv"

local function events(c, ...)
  local code, out, err = control.run(c, "events", ...)
  assert.are.same({ 0, "" }, { code, err })
  return out
end

-- The fields of a line.
local function fields_of(line)
  local fields = {}
  assert.is_truthy(line:find '^{"v":1,"seq":%d+,.*}$', line)
  for key, value in line:gmatch '"(%w+)":("?[^",]*)' do
    fields[key] = value:find '^"' and value:sub(2) or tonumber((value:gsub("}", "")))
  end
  return fields
end

local function list_of(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n" do
    list[#list + 1] = fields_of(line)
  end
  return list
end

local function summary(text)
  local parts = {}
  for _, event in ipairs(list_of(text)) do
    parts[#parts + 1] = table.concat({ event.type, event.name or "-", event.state or "-" }, " ")
  end
  return table.concat(parts, ", ")
end

local function expect_events(c, pattern)
  return c:until_true(function()
    local seen = summary(events(c))
    return seen:find(pattern) and seen
  end, nil, "the events to be " .. pattern)
end

-- Nothing is missing or there twice: the numbers go on by one, or a gap says how many are missing.
local function check_numbers(list, after)
  for _, event in ipairs(list) do
    if event.type == "gap" then
      assert.are.equal(after + event.missed + 1, event.seq)
      after = event.seq - 1
    else
      assert.are.equal(after + 1, event.seq)
      after = event.seq
    end
  end
  return after
end

-- One that follows, whose output goes into a file of the container.
local function follow(c, name, ...)
  local out = assert(uv.fs_open(c:file(name), "a", tonumber("600", 8)))
  local null = assert(uv.fs_open("/dev/null", "r+", 0))
  local pid = launch.spawn({ container.binary, "--ctl", "--pid", tostring(c.pid), "events", "-f", ... }, {}, nil, null,
    out, out)
  uv.fs_close(out)
  uv.fs_close(null)
  return {
    pid = pid,
    text = function()
      return c:read(name) or ""
    end,
    code = function()
      return c:until_true(function()
        return launch.ended(pid)
      end, nil, "the follower to end")
    end,
  }
end

local NOISY = [[
local core = require "reaper.core"
function on_signal(name)
  if name == "SIGHUP" then
    return
  end
  local count = name == "SIGUSR1" and 1000 or 3
  for i = 1, count do
    core.show_event("service", "web", "running", "number " .. i)
  end
  print("told " .. count)
  return false
end
function on_start() print "up" end
]]

describe("reaperctl events", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("tells of services, COMMAND, the script and the stop", function()
      local c = container.start {
        mode = mode,
        script = [[
          require "reaper.supervisor".run { { name = "web", command = { "sleep", "1000" } } }
        ]],
        command = { "sleep", "1000" },
      }
      expect_events(c, "^script %- start, service web starting, service web running, service main starting, "
        .. "main %- start, service main running$")
      local follower = follow(c, "followed", "--since", "5")
      c:until_true(function()
        return follower.text():find '"seq":6,'
      end)
      c:kill "TERM"
      assert.are.equal(143, c:wait())
      assert.are.equal(0, follower.code())
      local seen = summary(follower.text()):gsub("service web clearing, ", "")
      assert.are.equal("service main running, stop - begin, main - end, service main failed, service web stopping, "
        .. "service web finished", seen)
      assert.is_truthy(follower.text():find('"type":"stop","state":"begin","detail":"SIGTERM"', 1, true))
      check_numbers(list_of(follower.text()), 5)
    end)
  end)

  it("tells of the stop where nobody listens", function()
    local c = container.start {
      script = "function on_start() end",
      command = { "sh", "-c", "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done" },
    }
    c:expect "up"
    local follower = follow(c, "followed")
    c:until_true(function()
      return follower.text():find '"main"'
    end)
    c:kill "TERM"
    assert.are.equal(4, c:wait())
    assert.are.equal(0, follower.code())
    assert.are.equal("script - start, main - start, main - end, stop - begin", summary(follower.text()))
    assert.is_truthy(follower.text():find('"type":"main","state":"end","detail":"exit 4"', 1, true))
  end)

  it("has the form of the design", function()
    local c = container.start { script = NOISY }
    c:expect "up"
    assert.is_truthy(events(c):find(
      '^{"v":1,"seq":1,"time":"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ","type":"script","state":"start"}\n$'))
  end)

  it("goes on from a number, and knows those that have not been", function()
    local c = container.start { script = NOISY }
    c:expect "up"
    c:kill "USR2"
    c:expect "told 3"
    assert.are.equal(4, check_numbers(list_of(events(c)), 0))
    assert.are.equal(4, check_numbers(list_of(events(c, "--since", "2")), 2))
    assert.are.equal("", events(c, "--since", "4"))
    local code, out, err = control.run(c, "events", "--since", "5")
    assert.are.same({ 3, "" }, { code, out })
    assert.are.equal("reaperctl: there has been no event 5: the last one is 4 (each container begins with 1)\n", err)
    assert.are.equal(2, (control.run(c, "events", "--since", "-1")))
    assert.are.equal(2, (control.run(c, "events", "web")))
  end)

  it("tells in one line how many were overwritten", function()
    local c = container.start { script = NOISY }
    c:expect "up"
    c:kill "USR1"
    c:expect "told 1000"
    local list = list_of(events(c))
    assert.are.equal("gap", list[1].type)
    assert.are.equal(1001 - 256, list[1].missed)
    assert.are.equal(257, #list)
    assert.are.equal(1001, check_numbers(list, 0))
  end)

  it("tells a follower that was stopped in a storm of one gap, and goes on", function()
    local c = container.start { script = NOISY }
    c:expect "up"
    local follower = follow(c, "followed")
    c:until_true(function()
      return follower.text():find '"seq":1,'
    end)
    uv.kill(follower.pid, "sigstop")
    c:until_true(function()
      return container.read_file(("/proc/%d/stat"):format(follower.pid)):find "%) T "
    end)
    c:kill "USR1"
    c:expect "told 1000"
    uv.kill(follower.pid, "sigcont")
    c:until_true(function()
      return follower.text():find '"seq":1001,[^\n]*\n'
    end)
    local list, gaps = list_of(follower.text()), 0
    for _, event in ipairs(list) do
      gaps = gaps + (event.type == "gap" and 1 or 0)
    end
    assert.are.equal(1, gaps)
    assert.are.equal(1001, check_numbers(list, 0))
    uv.kill(follower.pid, "sigkill")
    follower.code()
    c:kill "USR2"
    c:expect "told 3"
    local successor = follow(c, "again", "--since", "1001")
    c:until_true(function()
      return successor.text():find '"seq":1004,[^\n]*\n'
    end)
    assert.are.equal(1004, check_numbers(list_of(successor.text()), 1001))
    uv.kill(successor.pid, "sigkill")
    successor.code()
  end)

  it("goes on over crashes and reloads of the script", function()
    local c = container.start { script = NOISY }
    c:expect "up"
    local follower = follow(c, "followed")
    local _, status = control.run(c, "status")
    assert(c:kill("KILL", c.view:find(tonumber(status:match "hooks%.lua  pid (%d+)")).pid))
    c:expect "up\nup\n"
    c:kill "HUP"
    c:expect "up\nup\nup\n"
    c:until_true(function()
      return follower.text():find '"reload"}\n'
    end)
    assert.are.equal("script - start, script - crash, script - reload", summary(follower.text()))
    check_numbers(list_of(follower.text()), 0)
    c:kill "KILL"
    assert.are.equal(0, follower.code()) -- process 1 has gone without a word
  end)

  it("needs a script process", function()
    local c = container.start { raw = { "--", "sleep", "1000" } }
    c:until_true(function()
      return control.run(c, "ready") == 0
    end)
    for _, words in ipairs { { "events" }, { "events", "-f" } } do
      local code, out, err = control.run(c, table.unpack(words))
      assert.are.same({ 4, "" }, { code, out })
      assert.are.equal("reaperctl: there is no script process, which tells of events\n", err)
    end
  end)

  it("are cut between two characters where their text has no room", function()
    local c = container.start { script = [[
      for i = 1, 3 do
        require "reaper.core".show_event("service", "web", "x", ("y"):rep(i) .. ("\u{6570}"):rep(100))
      end
    ]] }
    local out = expect_events(c, "script %- start") and events(c)
    local count = 0
    for detail in out:gmatch '"detail":"(y.-)"' do
      count = count + 1
      assert.is_truthy(detail:find "^y+[\u{6570}]+…$" and not detail:find "\u{fffd}", detail)
      assert.is_true(#detail > 180, detail)
    end
    assert.are.equal(3, count)
  end)
end)
