-- reaper.watch: a function for a descriptor of the script's own.

local container = require "spec.support.container"
local program = require "spec.support.program"
local script = require "spec.support.script"

-- io.popen has a descriptor that becomes readable when the shell writes a line; number(file) finds its number.
local HEAD = [[
  io.stdout:setvbuf "line"
  local core = require "reaper.core"
  local number = core.fileno
  local function until_true(condition)
    while not condition() do reaper.sleep(0.01) end
  end
  local function touch(name) io.open("{folder}/" .. name, "w"):close() end
  local function lines(text) return io.popen("sh -c '" .. text .. "'") end
]]

local function printed(body, options)
  return script.printed(HEAD .. body, options)
end

-- The seconds of the processor that the script process has had.
local SPENT = [[
  local function spent()
    local file = io.open "/proc/self/stat"
    local user, system = file:read "a":match("%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
    file:close()
    return (user + system) / 100
  end
]]

describe("reaper.watch", function()
  after_each(container.close_all)

  local LINES = [[
    local file = lines "for i in 1 2 3; do echo $i; sleep 0.1; done"
    local watch, left
    watch = reaper.watch(%s, "r", function()
      local line = file:read()
      print(line)
      if not line then left = watch:cancel() end
    end)
    until_true(function() return left ~= nil end)
    print(left, watch:cancel(), file:close())
  ]]

  container.each_mode(function(mode)
    it("calls a function when there is something to read, and at the end", function()
      for _, what in ipairs { "file", "number(file)" } do
        assert.equal("1\n2\n3\nnil\ntrue\tfalse\ttrue\texit\t0\n", printed(LINES:format(what), { mode = mode }))
      end
    end)

    it("calls it in a program, too", function()
      local out = program.printed('reaper = require "reaper"\nassert(reaper.start { enable_child_subreaper = true })\n'
        .. HEAD .. LINES:format "file" .. "\nos.exit(0, true)", { mode = mode })
      assert.equal("1\n2\n3\nnil\ntrue\tfalse\ttrue\texit\t0\n", out)
    end)
  end)

  it("does not call it again while it runs, and other hooks run meanwhile", function()
    assert.equal("begin 1\nother\nend\nbegin 2\nother\nend\n", printed [[
      local file = lines "echo 1; echo 2; sleep 0.5; echo 3"
      file:setvbuf "no"
      local calls, watch = 0
      watch = reaper.watch(file, "r", function()
        calls = calls + 1
        print("begin " .. calls)
        core.read(number(file))
        reaper.after(0.01, function() print "other" end)
        reaper.sleep(0.05)
        print "end"
        if calls == 2 then watch:cancel() end
      end)
      until_true(function() return calls == 2 end)
      reaper.sleep(0.1)
    ]])
  end)

  it("waits for room, and two watches of one descriptor are two", function()
    assert.equal("r\nw\n", printed [=[
      local reader, writer = core.pipe()
      local got, watches = {}, {}
      for _, row in ipairs { { reader, "r" }, { writer, "w" } } do
        watches[#watches + 1] = reaper.watch(row[1], row[2], function() got[row[2]] = true end)
      end
      until_true(function() return got.w end)
      assert(not got.r)
      watches[2]:cancel()
      core.write(writer, "x", 1)
      local again
      local second = reaper.watch(reader, "r", function() again = true end)
      until_true(function() return got.r and again end)
      second:cancel()
      watches[1]:cancel()
      print "r\nw"
    ]=])
  end)

  it("ends when its descriptor was closed, or belongs to another file, and does not spin", function()
    local out = printed(SPENT .. [[
      local reader, writer = core.pipe()
      local calls = 0
      local watch = reaper.watch(reader, "r", function() calls = calls + 1 end)
      core.close(reader)
      local other, more = core.pipe() -- with its number
      assert(other == reader)
      core.write(more, "x", 1)
      core.write(writer, "x", 1)
      local before = spent()
      reaper.sleep(0.5)
      print(calls, watch:cancel(), spent() - before < 0.2)

      local file = lines "echo 1; sleep 0.1; echo 2; sleep 100"
      watch = reaper.watch(file, "r", function()
        calls = calls + 1
        core.read(number(file))
        file = nil
      end)
      collectgarbage() -- it is held by its watch
      until_true(function() return calls > 0 end)
      print(pcall(reaper.watch, reader + 50, "r", print))
      print(watch:cancel())
    ]])
    assert.matches("^0\tfalse\ttrue\n"
      .. "false\t[^\n]*bad argument 'fd' to 'reaper.watch' %(there is no open descriptor %d+%)\ntrue\n$", out)
  end)

  it("rests for a second when its function raises", function()
    local out, err, code = script.run([[
      function on_error(message, hook) print(hook, (message:gsub("^.*: ", ""))) end
      function on_start()
        local core = require "reaper.core"
        local reader, writer = core.pipe()
        local calls, watch = 0, nil
        watch = reaper.watch(reader, "r", function() calls = calls + 1 error "oops" end)
        core.write(writer, "x", 1)
        reaper.sleep(0.6)
        print(calls)
        while calls < 2 do reaper.sleep(0.01) end
        print(watch:cancel())
        reaper.sleep(1.2)
        print(calls)
        reaper.exit()
      end
    ]])
    assert.same({ "watch\toops\n1\nwatch\toops\ntrue\n2\n", "", 0 }, { out, err, code })
  end)

  it("raises for what cannot be waited for, and says what is wrong", function()
    local out = printed [[
      local closed = io.open "{folder}/hooks.lua"
      closed:close()
      for _, row in ipairs {
        { "{folder}", "r", print }, { {}, "r", print }, { closed, "r", print }, { -1, "r", print },
        { io.open "{folder}/hooks.lua", "r", print }, { 0, "x", print }, { 0, nil, print }, { 0, "r", 5 },
      } do
        print((select(2, pcall(reaper.watch, row[1], row[2], row[3])):match "%(.*%)$"))
      end
      print((select(2, pcall(reaper.watch(core.pipe(), "r", print).cancel, {})):match "%(.*%)$"))
    ]]
    assert.equal(table.concat({
      "(a descriptor's number or an open file expected, got string)",
      "(a descriptor's number or an open file expected, got table)",
      "(the file is closed)",
      "(there is no open descriptor -1)",
      "(a regular file or folder is always readable and writable: there is nothing to wait for)",
      '("r" or "w" expected, got "x")',
      '("r" or "w" expected, got nil)',
      "(function expected, got number)",
      "(a watch expected; call it with a colon)",
    }, "\n") .. "\n", out)
  end)
end)
