-- What reaper-lua says on stderr: whole lines, as text or as JSON.

local json = require "dkjson"
local container = require "spec.support.container"

local helper = container.helper

-- One line of JSON as RFC 8259 has it: UTF-8, no control bytes, and one object.
local function decode(line)
  assert.is_truthy(utf8.len(line), "not UTF-8: " .. ("%q"):format(line))
  assert.not_matches("%c", line)
  local object, after, message = json.decode(line)
  assert.is_nil(message)
  assert.are.equal(#line + 1, after)
  return object
end

local levels = { error = true, warning = true, info = true, debug = true, trace = true }

local function decode_all(text)
  local list = {}
  assert.matches("\n$", text)
  for line in text:gmatch("([^\n]*)\n") do
    local object = decode(line)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", object.time)
    assert.is_true(levels[object.level])
    assert.are.equal("string", type(object.message))
    list[#list + 1] = object
  end
  return list
end

local function json_lines(options)
  table.insert(options.args, 1, "--log-format=json")
  local code, _, err = container.run(options)
  return decode_all(err), code
end

describe("text", function()
  after_each(container.close_all)

  it("is whole lines that begin with the program's name", function()
    local _, _, err = container.run{ args = { "-vvw" }, command = { helper, "orphans", 5 } }
    local count = 0
    for line in err:gmatch("([^\n]*)\n") do
      assert.matches("^reaper%-lua: .", line)
      count = count + 1
    end
    assert.is_true(count >= 10)
  end)

  it("tells each orphan with -w, its name and how it ended", function()
    local _, _, err = container.run{ args = { "-w" },
      command = { helper, "orphans", 2, "--code", 7, "--comm", "my name" } }
    assert.matches("^reaper%-lua: warning: reaped orphan %d+ %(my name%): exit 7\n"
      .. "reaper%-lua: warning: reaped orphan %d+ %(my name%): exit 7\n$", err)
  end)

  it("is one line for an orphan whose name would begin another, or steer a terminal", function()
    local _, _, err = container.run{ args = { "-w" }, command = { helper, "orphans", 1, "--comm", "a\nb: \27[2J\127" } }
    assert.matches("^reaper%-lua: warning: reaped orphan %d+ %(a\\nb: \\x1b%[2J\\x7f%): exit 0\n$", err)
  end)

  it("tells with -w an orphan that a signal ended", function()
    local c = container.start{ args = { "-w" },
      command = { "/bin/sh", "-c", '"$0" orphans 1 --alive 60 --comm lonely; exec "$0" hold', helper } }
    c:expect("made 1\n")
    c:kill("KILL", c:find("lonely").pid)
    c:err_expect("reaped orphan %d+ %(lonely%): signal SIGKILL\n")
  end)

  it("tells neither the main child nor what a script has spawned with -w", function()
    local _, _, err = container.run{ args = { "-w" }, script = "reaper.run{ '/bin/true' }", command = { "/bin/true" } }
    assert.are.equal("", err)
  end)

  it("says nothing without need", function()
    local _, _, err = container.run{ script = "function on_reap() end", command = { helper, "orphans", 5 } }
    assert.are.equal("", err)
  end)

  it("tells errors with -q, and no warnings", function()
    local _, _, err = container.run{ args = { "-q" }, script = "function on_reep() end", command = { "/no/such" } }
    assert.are.equal('reaper-lua: cannot run "/no/such": No such file or directory\n', err)
  end)
end)

describe("--log-format json", function()
  after_each(container.close_all)

  it("gives each line as an object", function()
    local lines, code = json_lines{ args = { "-vvw" }, script = "function on_reap() end",
      command = { helper, "orphans", 5 } }
    assert.are.equal(0, code)
    local orphans = 0
    for _, line in ipairs(lines) do
      if line.level == "warning" and line.message:find("^reaped orphan %d+ %(spec%-orphan%): exit 0$") then
        orphans = orphans + 1
      end
    end
    assert.are.equal(5, orphans)
  end)

  local hard = {
    { "quotes and backslashes", '/no/"so" \\ such\\' },
    { "control bytes", "/no/\1\2\t\r\n\27[31m\127" },
    { "UTF-8", "/no/größe €𝄞" },
    { "bytes that are no UTF-8", "/no/\200\255 \195", "/no/\u{FFFD}\u{FFFD} \u{FFFD}" },
    { "a surrogate and an overlong form", "/\237\160\128/\192\175", "/\u{FFFD}\u{FFFD}\u{FFFD}/\u{FFFD}\u{FFFD}" },
  }
  for _, row in ipairs(hard) do
    it("passes on a message with " .. row[1], function()
      local lines, code = json_lines{ args = {}, command = { row[2] } }
      assert.are.equal(127, code)
      assert.are.equal(('cannot run "%s": No such file or directory'):format(row[3] or row[2]), lines[1].message)
    end)
  end

  it("cuts a message that is too long for a line, and the line stays an object", function()
    for extra = 0, 7 do
      local lines = json_lines{ args = {}, command = { "/" .. ("x"):rep(extra) .. ("€"):rep(20000) } }
      assert.matches('^cannot run "/x*€€', lines[1].message)
    end
  end)

  it("gives the script's lines, with their fields", function()
    local lines = json_lines{ args = {}, command = { "/bin/true" }, script = [[
      reaper.log("warning", 'a "b"\\\n\1\127\255', { text = 'x"\\\n', number = 3, half = 0.5, yes = true, ["k\n"] = 0 })
    ]] }
    assert.are.equal("warning", lines[1].level)
    assert.matches('^a "b"\\\n\1\127', lines[1].message)
    assert.are.same({ 'x"\\\n', 3, 0.5, true, 0 },
      { lines[1].text, lines[1].number, lines[1].half, lines[1].yes, lines[1]["k\n"] })
  end)

  it("says so when its fields or its message are too long for a line", function()
    local lines = json_lines{ args = {}, command = { "/bin/true" }, script = [[
      reaper.log("info", "long", { text = ("x"):rep(5000) })
      reaper.log("info", ("m"):rep(5000), { text = "short" })
    ]] }
    assert.are.same({ "long", true }, { lines[1].message, lines[1].cut })
    assert.are.equal("short", lines[2].text)
    assert.matches("^m+%.%.%.$", lines[2].message)
  end)

  it("gives a traceback as one line", function()
    local lines, code = json_lines{ args = {}, script = "local function f() error('\"boom\"\\n') end f() error()",
      command = { "/bin/true" } }
    assert.are.same({ 125, 1 }, { code, #lines })
    assert.matches('hooks%.lua:1: "boom"\n\nstack traceback:\n', lines[1].message)
  end)

  it("holds for what is wrong with the options behind it", function()
    local lines, code = json_lines{ args = { "--grace", '"\n' }, command = { "/bin/true" } }
    assert.are.same({ 125, 1 }, { code, #lines })
    assert.are.equal("error", lines[1].level)
  end)
end)
