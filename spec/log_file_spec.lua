-- reaper.log.file: lines of services in files that are rotated, opened again, and survive a full disk.

local json = require "dkjson"
local container = require "spec.support.container"
local script = require "spec.support.script"

local read = container.read_file

-- A script that runs a shell command whose stdout goes to this sink, and then ends.
local function run(sink, command, options)
  return script.body(([[
    local sink = reaper.log.file(%s)
    assert(reaper.spawn { "sh", "-c", %q, stdout = sink }):wait()
  ]]):format(sink, command), options)
end

-- What the files have after such a script, by their names without the directory.
local function written(sink, command, options)
  local all = { script = script.on_start(([[
    reaper.run { "sh", "-c", %q, stdout = reaper.log.file(%s) }
  ]]):format(command, sink)) }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  local c = container.start(all)
  c:wait()
  return c, c:err()
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

-- Numbers from 1 on, ten bytes each with the newline.
local NUMBERS = "awk 'BEGIN { for (i = 1; i <= %d; i++) printf \"%%09d\\n\", i }'"

local function numbers(first, last)
  local list = {}
  for number = first, last do
    list[#list + 1] = ("%09d\n"):format(number)
  end
  return table.concat(list)
end

describe("reaper.log.file", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("writes lines as they are, the last one with a newline", function()
      local c, err = written([["{folder}/log"]], [[printf 'one\n\n\ttwo\r\n\377\nhalf']], { mode = mode })
      assert.same({ "one\n\n\ttwo\r\n\255\nhalf\n", "" }, { c:read("log"), err })
    end)
  end)

  it("appends, behind a newline where the file ends without one", function()
    local c = written([["{folder}/log"]], "echo new", { files = { log = "old\nhalf" } })
    assert.equal("old\nhalf\nnew\n", c:read("log"))
  end)

  it("appends after a reload and a crash of the script", function()
    local c = script.start([[
      local sink = reaper.log.file("{folder}/log", { name = "a" })
      function on_start(_, again)
        if not again then
          reaper.spawn { "sh", "-c", "echo 1; while read x; do echo $x; done", stdin = "pipe", stdout = sink }
          reaper.after(0.1, reaper.reload)
        else
          for _, child in ipairs(reaper.children()) do
            child.stdout:each(sink)
          end
          sink("after " .. again)
        end
        if again == "reload" then
          reaper.after(0.1, function() reaper.run { "kill", "-9", arg.pid or io.open("/proc/self/stat"):read("n") } end)
        end
      end
    ]])
    c:until_true(function()
      return c:read("log") == "a: 1\na: after reload\na: after crash\n"
    end, nil, "the lines of three script processes")
  end)

  it("writes with a name what reaper.log.lines writes", function()
    local c = written([["{folder}/log", { name = "web" }]], [[printf 'one\r\ntwo']])
    assert.equal("web: one\nweb: two\n", c:read("log"))
    c = written([["{folder}/log", { name = "web" }]], "echo one", { args = { "--log-time" } })
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ web: one\n$", c:read("log"))
    c = written([["{folder}/log", { name = "web", stream = "stderr" }]], "echo one",
      { args = { "--log-format=json" } })
    local line = json.decode(c:read("log"))
    assert.same({ "web", "stderr", "one" }, { line.service, line.stream, line.message })
  end)

  it("writes without a name what the service writes, in JSON, too", function()
    local c = written([["{folder}/log"]], "echo one", { args = { "--log-format=json", "--log-time" } })
    assert.equal("one\n", c:read("log"))
  end)

  it("is rotated at its size, and the oldest is dropped", function()
    local c, err = written([["{folder}/log", { max = 100, keep = 2 }]], NUMBERS:format(45))
    assert.same({ numbers(41, 45), numbers(31, 40), numbers(21, 30), "" },
      { c:read("log"), c:read("log.1"), c:read("log.2"), err })
    assert.is_nil(c:read("log.3"))
  end)

  it("keeps nothing that is old with keep = 0", function()
    local c = written([["{folder}/log", { max = 100, keep = 0 }]], NUMBERS:format(45))
    assert.equal(numbers(41, 45), c:read("log"))
    assert.is_nil(c:read("log.1"))
  end)

  it("never cuts a line, even one that is longer than the file may be", function()
    local c = written([["{folder}/log", { max = 100 }]], "echo 1; head -c 100000 /dev/zero | tr '\\0' x; echo; echo 2")
    assert.same({ "2\n", ("x"):rep(100000) .. "\n", "1\n" }, { c:read("log"), c:read("log.1"), c:read("log.2") })
  end)

  it("gives a new file the owner and the mode of the one before it", function()
    local _, _, code = script.run(script.on_start([[
      reaper.run { "sh", "-c", "echo old >{folder}/log; chown 1:2 {folder}/log; chmod 604 {folder}/log" }
      local sink = reaper.log.file("{folder}/log", { max = 100 })
      sink "new" sink(("x"):rep(100))
      reaper.sleep(0.01)
      local _, _, output = reaper.run { "stat", "-c", "%u:%g %a", "{folder}/log", "{folder}/log.1", capture = true }
      assert(output == "1:2 604\n1:2 604\n", output)
    ]]))
    assert.equal(0, code)
  end)

  it("is shared by the sinks of one path", function()
    local c = script.start(script.on_start([[
      local one = reaper.log.file("{folder}/log", { max = 1000, name = "one" })
      local two = reaper.log.file("{folder}/./log", { name = "two" })
      for i = 1, 200 do one(i) two(i) end
    ]]))
    assert.equal(0, c:wait())
    local last = c:read("log")
    assert.is_true(#last <= 1000)
    assert.matches("one: 200\ntwo: 200\n$", last)
    assert.is_true(#c:read("log.1") > 980 and #c:read("log.1") <= 1000)
  end)

  it("is opened again when somebody has renamed or removed it", function()
    local c = script.start(script.on_start([[
      local sink = reaper.log.file("{folder}/log")
      sink "one" reaper.sleep(0.01)
      os.rename("{folder}/log", "{folder}/old")
      sink "two" reaper.sleep(0.01)
      os.remove("{folder}/log")
      sink "three"
    ]]))
    assert.equal(0, c:wait())
    assert.same({ "one\n", "three\n" }, { c:read("old"), c:read("log") })
  end)

  it("does not follow a link that somebody puts in its place", function()
    local c = script.start(script.on_start([[
      local sink = reaper.log.file("{folder}/log")
      sink "one" reaper.sleep(0.01)
      reaper.run { "sh", "-c", "rm {folder}/log; echo mine >{folder}/other; ln -s other {folder}/log" }
      sink "two" sink "three" reaper.sleep(0.01) sink "four" reaper.sleep(0.01)
      os.remove("{folder}/log")
      sink "five"
    ]]))
    assert.equal(0, c:wait())
    assert.same({ "mine\n", "five\n" }, { c:read("other"), c:read("log") })
    assert.matches("^[^\n]*/log: a symbolic link, not a regular file; until [^\n]*\n"
      .. "[^\n]*/log: it can be written again; 3 lines were lost\n$", c:err())
  end)

  it("grows on where it cannot be rotated, and says so once", function()
    local c, err = written([["{folder}/log", { max = 100, keep = 1 }]], NUMBERS:format(3000),
      { wrap = { "/bin/sh", "-c", 'mkdir -p {folder}/log.1/x; exec "$@"', "sh" } })
    assert.equal(numbers(1, 3000), c:read("log"))
    assert.matches("^reaper%-lua: log file [^\n]*/log: it cannot be rotated, and grows: [^\n]*\n$", err)
  end)

  it("gets past a limit for the size of files", function()
    local c, err = written([["{folder}/log"]], NUMBERS:format(1000),
      { wrap = { "/bin/sh", "-c", 'ulimit -f 2; exec "$@"', "sh" } })
    assert.equal(1, count(err, "File too large"))
    assert.matches("^[%d\n]+$", c:read("log"))
  end)

  local wrong = {
    [ [["{folder}/log", { max = 0 }]] ] = "'max' to 'reaper.log.file' (an integer from 64 to ",
    [ [["{folder}/log", { max = "1M" }]] ] = "'max' to 'reaper.log.file' (an integer from 64 to ",
    [ [["{folder}/log", { keep = -1 }]] ] = "'keep' to 'reaper.log.file' (an integer from 0 to 1000 expected, got -1)",
    [ [["{folder}/log", { keep = 1.5 }]] ] = "(an integer from 0 to 1000 expected, got 1.5)",
    [ [["{folder}/log", { name = 1 }]] ] = "'name' to 'reaper.log.file' (string expected, got number)",
    [ [["{folder}/log", { stream = "stderr" }]] ] = "'name' to 'reaper.log.file' (string expected, got no value)",
    [ [["{folder}/log", { name = "a", stream = "x" }]] ] = "\"x\" is none of stderr, stdout",
    [ [["{folder}/log", { keeep = 1 }]] ] = "unknown key 'keeep' in 'reaper.log.file'; did you mean 'keep'?",
    [ [["{folder}/log", 5]] ] = "'options' to 'reaper.log.file' (table expected, got number)",
    [ [[nil]] ] = "'path' to 'reaper.log.file' (string expected, got no value)",
    [ [[""]] ] = "'path' to 'reaper.log.file' (",
    [ [["{folder}/none/log"]] ] = "/none/: No such file or directory)",
    [ [["{folder}"]] ] = ": Is a directory)",
    [ [["{folder}/"]] ] = ": Is a directory)",
    [ [["/dev/null"]] ] = "'path' to 'reaper.log.file' (/dev/null: not a regular file)",
    [ [["{folder}/link"]] ] = "/link: a symbolic link, not a regular file)",
  }
  for arguments, message in pairs(wrong) do
    it("refuses " .. arguments, function()
      local _, err, code = script.run(("reaper.log.file(%s)"):format(arguments),
        { wrap = { "/bin/sh", "-c", 'ln -s log {folder}/link; exec "$@"', "sh" } })
      assert.equal(125, code)
      assert.is_truthy(err:find(message, 1, true), err)
    end)
  end

  it("refuses other limits for a file that has some", function()
    local _, err, code = script.run([[
      local a = reaper.log.file("{folder}/log", { max = 1000 })
      local b = reaper.log.file("{folder}/log", { max = 2000 })
    ]])
    assert.equal(125, code)
    assert.matches("'max' to 'reaper.log.file' %(another sink of [^\n]*/log has 1000%)", err)
  end)

  it("makes nothing with --check", function()
    local c = container.start { script = [[reaper.log.file("{folder}/log") reaper.log.file("/none/log")]],
      args = { "--check" } }
    assert.same({ 0, "" }, { c:wait(), c:err() })
    assert.is_nil(c:read("log"))
  end)
end)

-- A disk of 64 KiB, half of which somebody else has taken. The service writes more than it has room for, says so,
-- and goes on when the ballast has gone.
describe("reaper.log.file on a full disk", function()
  after_each(container.close_all)

  local DISK = { "/bin/sh", "-c", [[mkdir {folder}/disk && mount -t tmpfs -o size=64k none {folder}/disk &&
    head -c 32768 /dev/zero > {folder}/disk/ballast && exec "$@"]], "sh" }

  local SCRIPT = [[
    local sink = reaper.log.file("{folder}/disk/log")
    function on_start()
      reaper.spawn { "sh", "-c", "awk 'BEGIN { for (i = 1; i <= 5000; i++) printf \"%09d\\n\", i }'; " ..
        "touch {folder}/written; while test ! -e {folder}/go; do sleep 0.01; done; rm {folder}/disk/ballast; " ..
        "for i in 5001 5002 5003; do echo 00000$i; sleep 0.01; done; touch {folder}/end; exec sleep 1000",
        stdout = sink }
    end
    function on_signal() end
  ]]

  it("loses whole lines, counts them, keeps nobody waiting, and goes on", function()
    local c = script.start(SCRIPT, { wrap = DISK })
    local path = ("/proc/%d/root%s"):format(c.pid, c:file("disk/log"))
    c:until_true(function() return c:read("written") end, nil, "the service to have written all")
    c:err_expect("No space left on device; until it can be written again its lines are lost\n")
    assert(io.open(c:file("go"), "w")):close()
    c:until_true(function() return (read(path) or ""):find("000005003\n", 1, true) end, nil, "the last line")
    local lost = c:err_expect("it can be written again; (%d+) lines were lost\n")
    assert.equal(1, count(c:err(), "No space left"))
    assert.equal(2, count(c:err(), "\n"))
    local text, last, lines = read(path), 0, 0
    for line in text:gmatch "([^\n]*)\n" do
      assert.matches("^%d%d%d%d%d%d%d%d%d$", line)
      assert.is_true(tonumber(line) > last)
      last, lines = tonumber(line), lines + 1
    end
    assert.equal(5003, lines + tonumber(lost))
  end)

  it("says at its end how many lines were lost", function()
    local _, err, code = run([["{folder}/disk/log"]], NUMBERS:format(5000), { wrap = DISK })
    assert.equal(0, code)
    assert.matches("No space left on device[^\n]*\nreaper%-lua: warning: log file [^\n]*: %d+ lines were lost\n$", err)
  end)
end)
