-- reaperctl logs: the last lines of services with log = true.

local container = require "spec.support.container"
local control = require "spec.support.control"
local screen = require "spec.support.screen"
local services = require "spec.support.services"

local HEAD = 'local supervisor = require "reaper.supervisor"\n'
local run, start = services.below(HEAD)
local shell = services.shell

local function logs(c, ...)
  local code, out, err = control.run(c, "logs", ...)
  assert.equal("", err)
  assert.equal(0, code)
  return out
end

-- Waits until that is what is kept of the service.
local function expect_logs(c, name, wanted)
  local code, out, err
  c:until_true(function()
    code, out, err = control.run(c, "logs", name)
    return code == 0 and out == wanted
  end, nil, wanted)
  assert.equal("", err)
end

-- Starts reaperctl logs -f, which writes to files of the container's folder; what it gives ends it.
local function follow(c, name, ...)
  local words = table.concat({ ... }, " ")
  local pipe = assert(io.popen(("%s --ctl --pid %d logs %s -f %s >%s 2>%s & echo $!"):format(container.binary, c.pid,
    name, words, c:file "followed", c:file "lost")))
  local pid = pipe:read "n"
  pipe:close()
  return function()
    return os.execute("kill " .. pid)
  end
end

-- Lines of numbers, and how many bytes were told as lost between them, must come to the whole from 1 to `last`.
local function check_numbers(text, lost, last)
  local previous, missing = 0, 0
  for line in text:gmatch "([^\n]*)\n" do
    local number = tonumber(line)
    assert(number and line == tostring(number) and number > previous, "a torn line: " .. line)
    for between = previous + 1, number - 1 do
      missing = missing + #tostring(between) + 1
    end
    previous = number
  end
  local told = 0
  for bytes in lost:gmatch "… (%d+) bytes lost\n" do
    told = told + tonumber(bytes)
  end
  assert.equal(last, previous)
  assert.equal(missing, told)
end

describe("reaperctl logs", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("shows the last lines, which also go where they went before", function()
      local c = start(
        shell("own", "echo a; sleep 0.2; echo b >&2; printf c; exec sleep 100", "log = true")
          .. shell("given", "echo a; echo b; exec sleep 100",
            'log = true, stdout = function(line) print("given: " .. line) end, stderr = "stdout"'),
        { mode = mode })
      expect_logs(c, "given", "a\nb\n")
      expect_logs(c, "own", "a\nb\n")
      c:expect "given: a\ngiven: b\n"
      c:expect "a\n"
      c:until_true(function() return c:err():find "b\n" end)
      assert.equal("b\n", logs(c, "own", "-n", "1"))
      assert.equal("", logs(c, "own", "-n0"))
      assert.equal("a\nb\n", logs(c, "-n100", "own"))
    end)
  end)

  it("follows, and keeps the lines over a crash and a reload of the script", function()
    local c = start(shell("web", "echo one; while read line; do echo $line; done <{folder}/pipe",
      'log = true, pre_start = { "sh", "-c", "test -p {folder}/pipe || mkfifo {folder}/pipe" }'))
    expect_logs(c, "web", "one\n")
    local stop = follow(c, "web")
    local pipe = assert(io.open(c:file "pipe", "w"))
    pipe:setvbuf "no"
    local function until_followed(wanted)
      c:until_true(function() return c:read "followed" == wanted end, nil, wanted)
    end
    pipe:write "two\n"
    until_followed "one\ntwo\n"
    local before = assert(c:find "reaper-script").nspid
    c:kill("KILL", c:find("reaper-script").pid)
    c:until_true(function()
      local found = c:find "reaper-script"
      return found and found.nspid ~= before
    end)
    pipe:write "three\n"
    until_followed "one\ntwo\nthree\n"
    before = c:find("reaper-script").nspid
    c:kill "HUP"
    c:until_true(function()
      local found = c:find "reaper-script"
      return found and found.nspid ~= before
    end)
    pipe:write "four\n"
    until_followed "one\ntwo\nthree\nfour\n"
    assert.equal("one\ntwo\nthree\nfour\n", logs(c, "web", "-n", "4"))
    pipe:close()
    assert.is_true(stop())
    assert.equal("", c:read "lost")
  end)

  it("ends with the reaper-lua that it follows", function()
    local c = start(shell("web", "echo one; exec sleep 100", "log = true"))
    expect_logs(c, "web", "one\n")
    local pipe = assert(io.popen(("%s --ctl --pid %d logs web -f; echo code $?"):format(container.binary, c.pid)))
    assert.equal("one", pipe:read "l")
    c:kill "TERM"
    assert.equal("code 0\n", pipe:read "a")
    pipe:close()
  end)

  it("tells exactly how much a reader has missed, and tears no line", function()
    local c = start(shell("fast", "echo 1; read line <{folder}/go; seq 2 100000; exec sleep 100",
      'log = true, stdout = function() end, pre_start = { "mkfifo", "{folder}/go" }'))
    expect_logs(c, "fast", "1\n")
    local stop = follow(c, "fast")
    c:until_true(function() return c:read "followed" == "1\n" end, nil, "the reader at work")
    local go = assert(io.open(c:file "go", "w"))
    go:write "go\n"
    go:close()
    c:until_true(function() return (c:read "followed"):sub(-7) == "100000\n" end, 60, "the last line")
    stop()
    check_numbers(c:read "followed", c:read "lost", 100000)
    local kept = logs(c, "fast")
    assert.is_true(#kept > 65536 - 7 and #kept <= 65536, #kept)
    assert.truthy(kept:find "^%d+\n")
    check_numbers(kept, ("… %d bytes lost\n"):format(588895 - #kept), 100000)
  end)

  it("sees when a writer overtakes it while it reads", function()
    local c = start(shell("fast", "echo 1; exec sleep 100", "log = true"), { args = { "--hook-timeout", "100" } }, [[
      local core = require "reaper.core"
      function on_signal()
        for i = 2, 1000000 do core.show_line(0, ("%d"):format(i)) end
        return false
      end]])
    expect_logs(c, "fast", "1\n")
    local stop = follow(c, "fast")
    c:until_true(function() return c:read "followed" == "1\n" end, nil, "the reader at work")
    c:kill "USR1"
    c:until_true(function() return (c:read "followed"):sub(-8) == "1000000\n" end, 60, "the last line")
    stop()
    check_numbers(c:read "followed", c:read "lost", 1000000)
    assert.truthy(c:read("lost"):find "lost")
  end)

  it("gives no line of which the beginning is lost", function()
    local c = start(shell("long", "head -c 70000 /dev/zero | tr '\\0' x; echo; echo short; exec sleep 100",
      'log = true, stdout = function() end'))
    expect_logs(c, "long", "short\n")
  end)

  it("escapes what a terminal would obey, on a terminal only", function()
    local c = start(shell("web", [[printf 'a\tb\033[31mc\303\244\377\n'; exec sleep 100]], "log = true"), {
      tty = true, command = { "sh", "-c", "read x; " .. container.binary .. " --ctl logs web; echo shown; read x" },
    })
    expect_logs(c, "web", "a\tb\27[31mcä\xff\n")
    c:write "\n"
    screen.see(c, "shown")
    assert.truthy(c:out():find("a\tb\\x1b[31mcä\\xff\r\n", 1, true))
  end)

  it("says where the output goes that is not kept", function()
    local c = start(shell("plain", "exec sleep 100") .. shell("null", "exec sleep 100", 'stdout = "null"')
      .. shell("path", "exec sleep 100", 'stdout = "/dev/null"')
      .. shell("read", "exec sleep 100", 'stdout = print'), { command = { "sleep", "100" } })
    control.see(c, "read +running", "status")
    local hint = "; log = true in the script keeps its last lines\n"
    for name, where in pairs {
      plain = "to reaper-lua's own output" .. hint, null = "nowhere" .. hint, path = "to /dev/null" .. hint,
      read = "to a function of the script" .. hint, main = "to reaper-lua's own output\n",
    } do
      local code, out, err = control.run(c, "logs", name)
      assert.equal(1, code)
      assert.equal("", out)
      assert.equal(("reaperctl: %s: its output goes %s"):format(name, where), err)
    end
    local code, _, err = control.run(c, "logs", "pian")
    assert.same({ 3, "reaperctl: there is no service 'pian'; did you mean 'plain'?\n" }, { code, err })
    assert.equal(2, (control.run(c, "logs")))
    assert.equal(2, (control.run(c, "logs", "plain", "null")))
  end)
end)

describe("log", function()
  after_each(container.close_all)

  it("is refused where nothing would be kept, and passed by as a default", function()
    local _, err, code = run(shell("web", "exit 0", 'log = true, stdout = "null", stderr = "stdout"'))
    assert.equal(125, code)
    assert.truthy(err:find("'web.log' to 'supervisor.run' (neither stdout nor stderr is read", 1, true), err)
    _, err, code = run(shell("web", "exit 0", "log = 1"))
    assert.equal(125, code)
    assert.truthy(err:find("'web.log' to 'supervisor.run' (boolean expected, got number)", 1, true), err)
    local c = start("defaults = { log = true },\n" .. shell("path", "exec sleep 100",
      'stdout = "/dev/null", stderr = "null"') .. shell("web", "echo one; exec sleep 100"))
    expect_logs(c, "web", "one\n")
    assert.equal(1, (control.run(c, "logs", "path")))
  end)

  it("keeps lines of 64 services, and takes the rings of those that are gone", function()
    local text = HEAD .. [[
      local list, names = {}, io.open("{folder}/names"):read "a"
      for name in names:gmatch "%S+" do
        list[#list + 1] = { name = name, command = { "echo", name }, log = true, oneshot = true,
          stdout = function() end }
      end
      list[#list + 1] = { name = "stays", command = { "sleep", "100" } }
      supervisor.run(list)]]
    local function names(from, to)
      local list = {}
      for i = from, to do
        list[#list + 1] = "s" .. i
      end
      return table.concat(list, " ")
    end
    local c = container.start{ script = text, files = { names = names(1, 66) } }
    expect_logs(c, "s64", "s64\n")
    local function has_finished(name)
      c:until_true(function() return select(2, control.run(c, "status", name)):find "finished" end)
    end
    has_finished "s66"
    assert.equal(1, (control.run(c, "logs", "s65")))
    local warning = "reaper%-lua: warning: log: 64 services at most keep their last lines; reaperctl logs has none of "
      .. "s65, s66\n"
    assert.equal(1, select(2, c:err():gsub(warning, "")))
    local file = assert(io.open(c:file "names", "w"))
    file:write(names(2, 64), " t1 t2")
    file:close()
    c:kill "HUP"
    expect_logs(c, "t1", "t1\n")
    has_finished "t2"
    assert.equal(1, (control.run(c, "logs", "t2")))
    assert.equal("s64\n", logs(c, "s64"))
    assert.equal("s2\n", logs(c, "s2"))
    assert.equal(3, (control.run(c, "logs", "s1")))
  end)
end)
