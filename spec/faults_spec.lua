-- A place that lacks something: no /proc, closed descriptors, a stderr that nobody reads, no PATH, a megabyte of
-- arguments, rubbish on the engine's socket. The engine goes on.

local container = require "spec.support.container"

local helper = container.helper

-- With and without a script.
local function each_door(define)
  define("without a script", nil)
  define("with a script", "function on_reap() end\n")
end

describe("without /proc", function()
  if container.sanitized then
    pending("is not tried: sanitizers themselves need /proc")
    return
  end
  after_each(container.close_all)

  container.each_mode(function(mode)
    each_door(function(door, script)
      describe(door, function()
        it("orphans are reaped", function()
          -- The helper itself waits for the reaper before it makes more than ten.
          local code, out = container.run{ mode = mode, no_proc = true, script = script, args = { "-w" },
            command = { helper, "orphans", 300, "--parallel", 10 } }
          assert.are.same({ 0, "made 300\n" }, { code, out })
        end)

        it("signals are forwarded, and the exit code is passed on", function()
          local c = container.start{ mode = mode, no_proc = true, script = script,
            command = { "/bin/sh", "-c", '"$0" signals --exit-on USR2; exit 9', helper }, args = { "-g", "-rUSR1:HUP",
              "-rHUP:USR2" } }
          c:expect("ready")
          c:kill("WINCH")
          c:expect("got 28\n")
          c:kill("HUP")
          c:expect("got 12\n")
          assert.are.equal(128 + 12, c:wait())
        end)

        it("the stop reaches daemons, stopped ones too", function()
          local c = container.start{ mode = mode, no_proc = true, script = script, command = { "/bin/sh", "-c", [[
            "$0" daemon --log {folder}/log && "$0" daemon --stopped --log {folder}/stopped &&
              exec "$0" hold]], helper } }
          c:expect("daemon %d+\ndaemon %d+\n")
          local began = os.time()
          c:kill("TERM")
          assert.are.equal(143, c:wait())
          assert.is_true(os.time() - began < 5) -- the grace period
          assert.are.same({ "got 15\n", "got 15\n" }, { c:read("log"), c:read("stopped") })
          assert.are.equal("", c:err())
        end)

        it("what is deaf to TERM is killed at the end of the grace period", function()
          local c = container.start{ mode = mode, no_proc = true, script = script, args = { "-t", "0.2" },
            command = { "/bin/sh", "-c", '"$0" daemon --ignore-term --log {folder}/log; exit 3', helper } }
          assert.are.equal(3, c:wait(5))
          assert.matches("^got 15\n", c:read("log"))
          assert.are.equal("reaper-lua: the grace period of 0.2 s is over: killing what is left\n", c:err())
        end)
      end)
    end)

    it("the script is told of every death", function()
      local _, out = container.run{ mode = mode, no_proc = true, command = { helper, "orphans", 20, "--code", 4 },
        script = [[
          local count = 0
          function on_reap(pid, status, rusage, info)
            count = count + (status.code == 4 and info.orphan and 1 or 0)
          end
          function on_exit() print("told", count) end
        ]] }
      assert.matches("told\t20\n", out)
    end)
  end)
end)

describe("with standard descriptors closed", function()
  after_each(container.close_all)

  local SCRIPT = [[
    local log = assert(io.open("{folder}/log", "w"))
    print("a line for stdout")
    io.stderr:write("a line for stderr\n")
    reaper.log("warning", "another one")
    function on_reap(_, status)
      log:write(tostring(status), "\n")
      log:flush()
    end
  ]]

  container.each_mode(function(mode)
    for _, closed in ipairs { { 0 }, { 1 }, { 2 }, { 0, 1 }, { 0, 1, 2 } } do
      it(table.concat(closed, ", ") .. ": COMMAND gets them as /dev/null, and nothing else changes", function()
        local c = container.start{ mode = mode, close = closed, args = { "-vvvw" },
          command = { "/bin/sh", "-c", '"$0" orphans 3; readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 \z
            /proc/self/fd/3 >{folder}/links; exit 7', helper } }
        assert.are.equal(7, c:wait())
        local links = {}
        for line in c:read("links"):gmatch("[^\n]+") do
          links[#links + 1] = line
        end
        for _, descriptor in ipairs(closed) do
          if descriptor ~= 1 then -- that one is {folder}/links
            assert.are.equal("/dev/null", links[descriptor + 1])
          end
        end
        assert.are.equal(3, #links)
      end)

      it(table.concat(closed, ", ") .. ": a script's files stay clean", function()
        local c = container.start{ mode = mode, close = closed, args = { "-vvvw" }, script = SCRIPT,
          command = { helper, "exit", 7 } }
        assert.are.equal(7, c:wait())
        assert.are.equal("exit 7\n", c:read("log"))
      end)

      it(table.concat(closed, ", ") .. ": so do those of a script that is checked", function()
        local c = container.start{ mode = mode, close = closed, args = { "-C" }, script = SCRIPT }
        assert.are.equal(0, c:wait())
        assert.are.equal("", c:read("log"))
      end)
    end

    it("wrong words are refused", function()
      local c = container.start{ mode = mode, close = { 0, 1, 2 }, raw = { "--no-such-option" } }
      assert.are.equal(125, c:wait())
    end)
  end)
end)

describe("with a stderr that is full", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("the engine reaps, forwards, stops and ends", function()
      local c = container.start{ mode = mode, full_stderr = true, args = { "-vvvw", "-t", "0.1" },
        command = { "/bin/sh", "-c", '"$0" daemon --ignore-term; "$0" orphans 300 --parallel 10; exec "$0" signals',
          helper } }
      c:expect("made 300\nready\n")
      c:kill("USR1")
      c:expect("got 10\n")
      c:kill("TERM")
      assert.are.equal(0, c:wait(5))
    end)

    it("the engine goes on though the script process waits for a reader", function()
      local c = container.start{ mode = mode, full_stderr = true, args = { "-vvvw" }, script = [[
        function on_reap() error("boom") end
        function on_signal() error("boom") end
        function on_exit() return 9 end
      ]], command = { "/bin/sh", "-c", '"$0" orphans 300 --parallel 10; exec "$0" signals', helper } }
      c:expect("made 300\nready\n")
      c:kill("USR1")
      c:expect("got 10\n")
      c:kill("TERM")
      assert.are.equal(0, c:wait(8))
    end)

    it("wrong words are refused", function()
      local c = container.start{ mode = mode, full_stderr = true, raw = { "--no-such-option" } }
      assert.are.equal(125, c:wait(5))
    end)

    it("the pipe is not made non-blocking for the others who have it", function()
      local c = container.start{ mode = mode, full_stderr = true, args = { "-vvvw" }, command = { "/bin/sh", "-c",
        '"$0" orphans 3; grep flags: /proc/self/fdinfo/2', helper } }
      c:wait()
      local flags = tonumber(c:out():match("flags:%s*(%d+)"), 8)
      assert.are.equal(0, flags & 2048) -- O_NONBLOCK
    end)
  end)

  it("what was dropped is counted, and told when there is room again", function()
    local c = container.start{ args = { "-w", "-t", "0" }, full_stderr = true, command = { "/bin/sh", "-c",
      '"$0" orphans 21 --parallel 1; dd bs=4096 count=15 <&2 >/dev/null 2>{folder}/dd; \z
       "$0" orphans 1; cat <&2 >{folder}/said & exec "$0" hold', helper } }
    c:expect("made 21\nmade 1\n")
    c:until_true(function()
      return (c:read("said") or ""):find("reaped orphan %d+ %(spec%-orphan%)")
    end, 10, "a line behind the gap")
    local count = c:read("said"):match("reaper%-lua: warning: (%d+) lines were dropped here\n")
    assert.is_true(tonumber(count) >= 20) -- the last one may be reaped when there is room already
  end)
end)

describe("a megabyte of arguments", function()
  local COUNT, LENGTH = 16, 65536

  local function words(...)
    local list = { ... }
    for i = 1, COUNT do
      list[#list + 1] = ("abcdefghijklmnop"):sub(i, i):rep(LENGTH)
    end
    return list
  end

  container.each_mode(function(mode)
    each_door(function(door, script)
      it("reaches COMMAND " .. door, function()
        local code, out, err = container.run{ mode = mode, script = script,
          command = words("/bin/sh", "-c", "echo $# ${#1} ${#16}; exit 3", "sh") }
        assert.are.same({ 3, ("%d %d %d\n"):format(COUNT, LENGTH, LENGTH), "" }, { code, out, err })
      end)
    end)
  end)

  it("reaches the script", function()
    local code, out = container.run{ script = "print(#arg, #arg[2], #arg[17])", command = words("/bin/true") }
    assert.are.same({ 0, ("%d\t%d\t%d\n"):format(COUNT + 1, LENGTH, LENGTH) }, { code, out })
  end)

  it("is refused in one line when one of them is wrong", function()
    local code, _, err = container.run{ raw = words("--grace") }
    assert.are.equal(125, code)
    assert.matches("^reaper%-lua: %-%-grace: [^\n]+\n$", err)
  end)
end)

describe("an environment without PATH", function()
  container.each_mode(function(mode)
    each_door(function(door, script)
      it("finds COMMAND where commands usually are " .. door, function()
        assert.are.same({ 0, "found\n", "" },
          { container.run{ mode = mode, script = script, clear_env = true, command = { "echo", "found" } } })
      end)
    end)

    it("finds what a script spawns", function()
      local _, out = container.run{ mode = mode, clear_env = true, command = { "true" },
        script = "print(reaper.run{ 'true' }, (reaper.run{ 'no-such-command' }))" }
      assert.are.equal("exit 0\tnil\n", out)
    end)

    it("tells a COMMAND that is nowhere", function()
      assert.are.equal(127, (container.run{ mode = mode, clear_env = true, command = { "no-such-command" } }))
    end)
  end)
end)

describe("rubbish on the engine's socket", function()
  after_each(container.close_all)

  -- A script that finds its own end of the socket and gives it to a child, which writes what the shell text says.
  local function script_for(shell)
    return ([[
      local function socket()
        for fd = 3, 20 do
          local pipe = io.popen("readlink /proc/$PPID/fd/" .. fd)
          local link = pipe:read("a")
          pipe:close()
          if link:find("^socket:") then
            return fd
          end
        end
      end
      function on_start()
        local status, message = reaper.run{ "/bin/sh", "-c", %q, fds = { [3] = assert(socket()) } }
        print("written", status, message)
      end
      function on_reap() end
      function on_signal(name) print("signal", name) end
      function on_exit(code) return 9 end
    ]]):format(shell)
  end

  local function assert_goes_on(c)
    c:kill("USR1")
    c:expect("signal\tSIGUSR1\n")
    c:expect("got 10\n")
    c:kill("TERM")
    assert.are.equal(9, c:wait(5))
  end

  -- An order of 128 bytes: its kind and the byte that fills the rest.
  local function order(kind, byte)
    return ("printf '\\%03o\\%03o'; head -c 126 /dev/zero | tr '\\0' '\\%03o'")
      :format(kind & 255, kind >> 8, byte)
  end

  local function packet(shell, size)
    return ("{ %s; } | dd bs=%d iflag=fullblock 2>{folder}/dd >&3\n"):format(shell, size or 128)
  end

  container.each_mode(function(mode)
    it("is told and dropped", function()
      local c = container.start{ mode = mode, command = { helper, "signals" },
        script = script_for("printf rubbish >&3; head -c 5000 /dev/zero >&3") }
      c:expect("ready.*written\texit 0") -- in either order
      c:err_expect("a malformed packet of 7 bytes from the script process was dropped\n")
      c:err_expect("a malformed packet of %d+ bytes from the script process was dropped\n.*"
        .. "a malformed packet of %d+ bytes from the script process was dropped\n")
      assert_goes_on(c)
    end)

    it("is told and dropped when it is as long as an order, but of no kind", function()
      local c = container.start{ mode = mode, command = { helper, "signals" },
        script = script_for(packet(order(0, 0)) .. packet(order(18, 255)) .. packet(order(0xffff, 255))) }
      c:expect("written\texit 0")
      c:expect("ready")
      c:err_expect(("malformed packet of 128 bytes[^\n]*\n.-"):rep(3))
      assert_goes_on(c)
    end)

    it("is told and dropped when its kind is EXIT, but its length is wrong", function()
      local c = container.start{ mode = mode, command = { helper, "signals" },
        script = script_for("printf '\\011\\000' >&3; " .. packet(order(9, 0) .. "; printf x", 129)) }
      c:expect("written\texit 0")
      c:expect("ready")
      c:err_expect("malformed packet of 2 bytes[^\n]*\n.*malformed packet of 129 bytes")
      assert_goes_on(c)
    end)

    it("does no harm when only its kind is right", function()
      local text = {}
      -- ANSWER to CONFIGURE, but for EXIT and RELOAD, which have no part that could be wrong.
      for _, kind in ipairs { 4, 5, 6, 7, 8, 11 } do
        for _, byte in ipairs { 0, 1, 127, 128, 255 } do
          text[#text + 1] = packet(order(kind, byte))
        end
      end
      local c = container.start{ mode = mode, command = { helper, "signals" }, script = script_for(table.concat(text)) }
      c:expect("written\texit 0")
      c:expect("ready")
      c:err_expect("malformed setting from the script process")
      assert_goes_on(c)
    end)
  end)
end)

describe("an engine that is killed", function()
  after_each(container.close_all)

  it("takes a script process with it whose script still waits while it is loaded", function()
    local c = container.start{ program = { "/bin/sh", "-c", '"$@" & exec sleep 1000', "sh", container.binary },
      script = 'print("waits") reaper.sleep(1000)' }
    c:expect("waits")
    c:kill("KILL", c:children_of(1)[1].pid)
    c:until_true(function()
      return c:find("reaper-script").state == "Z" -- nobody reaps it here
    end, 5, "the end of the script process")
  end)
end)
