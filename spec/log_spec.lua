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

  it("is one line, whatever a script logs", function()
    local _, _, err = container.run{ command = { "/bin/true" }, script = [[
      reaper.log("info", "a\nreaper-lua: forged\r\t\0\27[2J\127\u{9b}\255", { ["k\n"] = "v\n\27", plain = "x" })
    ]] }
    assert.are.equal([[reaper-lua: a\nreaper-lua: forged\r\t\x00\x1b[2J\x7f\xc2\x9b\xff "k\n"="v\n\u001b" plain=x]]
      .. "\n", err)
  end)

  it("is one event for an error, whose further lines begin with two spaces", function()
    local _, _, err = container.run{ command = { "/bin/true" }, script =
      "local function f() error('one\\nreaper-lua: two\\r\\n\\27[2J') end f() error()" }
    assert.matches("^reaper%-lua: the script does not load: [^\n]*hooks.lua:1: one\n  reaper%-lua: two\\r\n"
      .. "  \\x1b%[2J\n  stack traceback:\n    %[C%]: in function 'error'\n"
      .. "    [^\n]*hooks.lua:1: in [^\n]*\n    [^\n]*hooks.lua:1: in ", err)
    for line in err:sub(2):gmatch "\n([^\n]+)" do
      assert.matches("^  ", line)
    end
  end)

  it("is cut between two characters where a pipe would not take it at once, and says so", function()
    for extra = 0, 3 do
      local _, _, err = container.run{ command = { "/bin/true" }, script = ([[
        reaper.log("info", ("x"):rep(%d) .. ("€"):rep(5000), { at = "the end" })
        reaper.log("info", "short", { at = ("y"):rep(%d) .. ("€"):rep(5000) })
      ]]):format(extra, extra) }
      local first, second = err:match("^([^\n]*\n)([^\n]*\n)$")
      assert.is_true(#first <= 4096 and #first > 4000 and #second <= 4096 and #second > 4000)
      assert.is_truthy(utf8.len(err))
      assert.matches('€… at="the end"\n$', first)
      assert.matches("^reaper%-lua: short at=y*€.*€…\n$", second)
    end
  end)

  it("has what cannot be shown as text by its type, and tables as JSON", function()
    local _, _, err = container.run{ command = { "/bin/true" }, script = [[
      local wrong = setmetatable({}, { __tostring = function() error "no" end, __pairs = error, __index = error })
      local circle = { 1 } circle[2] = circle
      reaper.log("info", wrong, { [wrong] = wrong, a = { x = 1, y = { true, "z" } }, b = {}, c = circle, d = 0/0 })
      reaper.log("info", nil, setmetatable({}, { __pairs = error }))
    ]] }
    local fails = '"(a table whose __tostring fails)"'
    assert.are.equal('reaper-lua: (a table whose __tostring fails) ' .. fails .. "=" .. fails
      .. [[ a="{\"x\":1,\"y\":[true,\"z\"]}" b=[] c="[1,\"(cycle)\"]" d=-nan]] .. "\nreaper-lua: nil\n", err)
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
    assert.matches("^m+…$", lines[2].message)
  end)

  it("has time, level and message first and once, and fields of these names behind them", function()
    local _, _, err = container.run{ args = { "--log-format=json" }, command = { "/bin/true" }, script = [[
      reaper.log("info", "m", { time = 1, level = "error", level_ = 2, message = "x", [1] = "a", ["1"] = "b" })
    ]] }
    local time, rest = err:match('^{"time":"([^"]*)",(.*)\n$')
    assert.is_truthy(time)
    assert.matches('^"level":"info","message":"m",', rest)
    local found = {}
    for key in rest:gmatch('"([%w_]+)":') do
      assert.is_nil(found[key])
      found[key] = true
    end
    assert.are.same({ level = true, level_ = true, level__ = true, time_ = true, message = true, message_ = true,
      ["1"] = true, ["1_"] = true }, found)
  end)

  it("gives tables as JSON, whatever is in them", function()
    local lines = json_lines{ args = {}, command = { "/bin/true" }, script = [[
      local circle = { name = "c" } circle.itself = circle
      local deep = {} for i = 1, 20 do deep = { deep } end
      local shared = {} for i = 1, 60 do shared = { shared, shared, shared } end
      reaper.log("info", "m", { list = { 1, { a = "x" }, false }, empty = {}, holes = { 1, nil, 3 }, circle = circle,
        mixed = { 7, k = 8 }, huge = { math.huge },
        text = setmetatable({ 1 }, { __tostring = function() return "T" end }) })
      reaper.log("info", "m", { deep = deep })
      reaper.log("info", "m", { shared = shared })
    ]] }
    local first = lines[1]
    assert.are.same({ 1, { a = "x" }, false }, { first.list[1], { a = first.list[2].a }, first.list[3] })
    assert.are.same({ 0, 1, 3, "(cycle)", 7, 8, "inf", "T" }, { #first.empty, first.holes["1"], first.holes["3"],
      first.circle.itself, first.mixed["1"], first.mixed.k, first.huge[1], first.text })
    local value, depth = lines[2].deep, 0
    while type(value) == "table" do
      value, depth = value[1], depth + 1
    end
    assert.are.same({ "(too deep)", 8 }, { value, depth })
    assert.is_true(lines[3].cut)
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

describe("--log-time", function()
  after_each(container.close_all)

  local TIME = "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ "

  it("begins the lines of engine, script and services with the time", function()
    local before = os.date "!%Y-%m-%dT%H:%M"
    local _, out, err = container.run{ args = { "--log-time", "-v" }, command = { "/bin/true" }, script = [[
      reaper.log("warning", "mine")
      reaper.run{ "echo", "one", stdout = reaper.log.lines "web" }
    ]] }
    assert.matches("^" .. TIME .. "web: one\n$", out)
    assert.is_true(before <= out and out <= os.date "!%Y-%m-%dT%H:%M~")
    assert.matches(TIME .. "reaper%-lua: warning: mine\n", err)
    for line in err:gmatch "[^\n]+" do
      assert.matches("^" .. TIME .. "reaper%-lua: .", line)
    end
  end)

  for where, options in pairs {
    ["the environment"] = { env = { REAPER_LOG_TIME = "1" } },
    ["reaper.configure"] = { script = "reaper.configure{ log_time = true }" },
  } do
    it("can be set by " .. where, function()
      options.command = { "/no/such" }
      local _, _, err = container.run(options)
      assert.matches("^" .. TIME .. "reaper%-lua: cannot run", err)
    end)
  end

  it("holds for what is wrong with the options before it", function()
    local _, _, err = container.run{ args = { "--grace", "x", "--log-time" }, command = { "/bin/true" } }
    assert.matches("^" .. TIME .. "reaper%-lua: %-%-grace: ", err)
  end)

  it("changes nothing in JSON", function()
    json_lines{ args = { "--log-time", "-vv" }, command = { "/bin/true" } }
  end)
end)
