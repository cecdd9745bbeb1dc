-- Both doors on Lua 5.5, whose source comes from Debian and stays in build/lua55.

local uv = require "luv"
local container = require "spec.support.container"

local BUILD = uv.cwd() .. "/build/lua55"
local LUA = BUILD .. "/source/src"

-- What a shell writes; or nil and what it wrote when it fails.
local function run(command)
  -- The flags of the make that runs the specs are not for these.
  local pipe = assert(io.popen(("(unset MAKEFLAGS MFLAGS MAKEOVERRIDES; %s) 2>&1"):format(command)))
  local text = pipe:read("a")
  return pipe:close() and text, text
end

local function program(text, options)
  options.script, options.program = text, { LUA .. "/lua" }
  options.env = {
    LUA_PATH_5_5 = ("%s/lua/?.lua;%s/lua/?/init.lua"):format(uv.cwd(), uv.cwd()),
    LUA_CPATH_5_5 = BUILD .. "/?.so",
  }
  return options
end

local function script(text, options)
  options.script, options.program = text, { BUILD .. "/reaper-lua" }
  return options
end

describe("on Lua 5.5", function()
  local fetched, why_not = run("timeout 60 tools/debian-source.sh lua5.5 sid build/lua55/source")
  if not fetched then
    pending("nothing is tried, for it cannot be had: " .. why_not)
    return
  end

  local built, output

  setup(function()
    built, output = run(("make -s -j2 -C %s lua SYSCFLAGS=-DLUA_USE_LINUX SYSLIBS='-Wl,-E -ldl' && "
      .. "make -s -j2 BUILD=build/lua55 OUTPUT=build/lua55/reaper-lua LUA_INCLUDE=%s LUA_LIBRARY=%s/liblua.a "
      .. "CFLAGS='-O1 -Werror' library build/lua55/reaper-lua"):format(LUA, LUA, LUA))
  end)

  after_each(container.close_all)

  it("the binary and the library are compiled without a warning", function()
    assert.truthy(built, output)
    assert.truthy(run("build/lua55/reaper-lua --version"):find("(Lua 5.5", 1, true))
  end)

  container.each_mode(function(mode)
    it("a program is told of its orphans and leaves its exit code", function()
      local code, out, err = container.run(program([[
        local reaper = require "reaper"
        local seen = 0
        assert(reaper.start { enable_child_subreaper = true, on_reap = function(pid, status, rusage)
          print(_VERSION, math.type(pid), status, type(rusage.maxrss))
          seen = seen + 1
        end })
        os.execute("(sleep 0.05; exit 4) & exit 0")
        while seen == 0 do reaper.poll(1) end
        os.exit(42)
      ]], { mode = mode }))
      assert.same({ 42, "Lua 5.5\tinteger\texit 4\tnumber\n", "" }, { code, out, err })
    end)

    it("a program spawns, reads what comes through a pipe, waits, and keeps time", function()
      local code, out, err = container.run(program([[
        local reaper = require "reaper"
        assert(reaper.start { enable_child_subreaper = true })
        local process = assert(reaper.spawn { "sh", "-c", "echo one; echo two; exit 3", stdout = "pipe" })
        for line in process.stdout:lines() do print(line) end
        print(process:wait())
        print((reaper.run { "sh", "-c", "kill -KILL $$" }))
        print(select("#", reaper.spawn { "/nowhere" }))
        os.execute("(sleep 0.05; exit 6) & exit 0")
        for _, status in reaper.statuses() do
          if status.code == 6 then print(status) break end
        end
        reaper.after(0.01, function() print "later" reaper.exit(7) end)
        reaper.loop()
      ]], { mode = mode }))
      out = out:gsub("\ttable: 0x%x+", "\trusage")
      assert.same({ 7, "one\ntwo\nexit 3\trusage\nsignal SIGKILL\n3\nexit 6\nlater\n", "" }, { code, out, err })
    end)

    it("a script has its hooks called, runs a child, and decides on the exit code", function()
      local code, out, err = container.run(script([[
        function on_start()
          local status, rusage, output = reaper.run { "sh", "-c", "echo from a child; exit 5", capture = true }
          print(_VERSION, status, type(rusage.maxrss), output)
          reaper.sleep(0.01)
        end
        function on_reap(_, status, _, info)
          if info.main then print(info.comm, status) end
        end
        function on_exit(code) return code + 40 end
      ]], { mode = mode, command = { "sh", "-c", "sleep 0.3; exit 2" } }))
      assert.same({ 42, "Lua 5.5\texit 5\tnumber\tfrom a child\n\nsh\texit 2\n", "" }, { code, out, err })
    end)

    it("a script decides on signals", function()
      local c = container.start(script([[
        function on_start() print "up" end
        function on_signal(name) print(name) return name == "SIGUSR1" and "TERM" or false end
      ]], { mode = mode, command = { "sleep", "30" } }))
      c:expect("up\n")
      c:kill("USR2")
      c:expect("SIGUSR2\n")
      c:kill("USR1")
      assert.equal(143, c:wait())
    end)
  end)

  it("a hook that computes for ever is cut, in a coroutine, too", function()
    local code, out, err = container.run(script([[
      function on_start()
        pcall(coroutine.wrap(function() while true do end end))
        print "never"
      end
      function on_error(message, hook) print(hook) reaper.exit(9) end
    ]], { args = { "--hook-timeout", "0.2" } }))
    assert.same({ 9, "on_start\n", "" }, { code, out, err })
  end)

  it("a hook that eats memory gets no more than it may have", function()
    local code, out, err = container.run(script([[
      function on_start()
        local text = ("x"):rep(1 << 27)
        print("never", #text)
      end
      function on_error(message, hook) print(hook, message) reaper.exit(9) end
    ]], { args = { "--hook-memory", "16M" } }))
    assert.same({ 9, "on_start\tnot enough memory\n", "" }, { code, out, err })
  end)
end)
