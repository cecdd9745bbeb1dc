-- reaper.fd() and reaper.poll() inside the event loops of others: luv and cqueues.

local container = require "spec.support.container"
local program = require "spec.support.program"

-- What the programs below are written with, one text for each loop. serve(ended) calls reaper.poll whenever the
-- descriptor is readable, counts how often, and calls `ended` when it gives nil; after(s, f) is the loop's own timer;
-- run() runs the loop until stop().
local preludes = {}

preludes.luv = [[
  local uv = require "luv"
  local foreign = { served = 0 }
  function foreign.serve(ended)
    assert(uv.new_poll(assert(reaper.fd()))):start("r", function()
      foreign.served = foreign.served + 1
      local count, message = reaper.poll()
      if not count then
        ended(message)
      end
    end)
  end
  function foreign.after(seconds, f)
    local timer = uv.new_timer()
    timer:start(math.floor(seconds * 1000), 0, function()
      timer:close()
      f()
    end)
  end
  function foreign.stop()
    uv.stop()
  end
  function foreign.run()
    uv.run()
  end
]]

preludes.cqueues = [[
  local cqueues = require "cqueues"
  local foreign = { served = 0 }
  local loop, stopped = cqueues.new(), false
  function foreign.serve(ended)
    local events = { pollfd = assert(reaper.fd()), events = "r" }
    loop:wrap(function()
      while true do
        cqueues.poll(events)
        foreign.served = foreign.served + 1
        local count, message = reaper.poll()
        if not count then
          ended(message)
        end
      end
    end)
  end
  function foreign.after(seconds, f)
    loop:wrap(function()
      cqueues.sleep(seconds)
      f()
    end)
  end
  function foreign.stop()
    stopped = true
  end
  function foreign.run()
    repeat
      assert(loop:step())
    until stopped
    stopped = false
  end
]]

local common = [[
  io.stdout:setvbuf "line"
  local reaper = require "reaper"
  local function start(config)
    config.enable_child_subreaper = true
    assert(reaper.start(config))
  end
]]

local function text_of(name, body)
  return common .. preludes[name] .. body:gsub("HELPER", container.helper)
end

local function printed(name, body, options)
  return program.printed(text_of(name, body), options)
end

local function run(name, body, options)
  return program.run(text_of(name, body), options)
end

local function each_loop(define)
  for _, name in ipairs { "luv", "cqueues" } do
    describe("reaper.fd in " .. name, function()
      after_each(container.close_all)
      if package.searchpath(name, package.path) or package.searchpath(name, package.cpath) then
        define(name)
      else
        pending("needs Debian's lua-" .. name)
      end
    end)
  end
end

each_loop(function(name)
  container.each_mode(function(mode)
    it("hands each of 1,000 orphans to on_reap while they die", function()
      -- What makes them is an orphan, too, and ends with 0.
      assert.equal("1000\t1\ttrue\n", printed(name, [[
        local codes = { [0] = 0, [3] = 0 }
        start { on_reap = function(_, status, rusage)
          assert(status.kind == "exit" and rusage.maxrss)
          codes[status.code] = codes[status.code] + 1
          if codes[0] + codes[3] == 1001 then foreign.stop() end
        end }
        foreign.serve()
        os.execute "HELPER orphans 1000 --code 3 --parallel 50 >/dev/null &"
        foreign.run()
        print(codes[3], codes[0], foreign.served > 1)
      ]], { mode = mode }))
    end)

    it("ends, when reaper.exit has stopped everything else, with nil from reaper.poll", function()
      local code, out, err = run(name, [[
        start {
          on_stop = function(reason) print("stop", reason) end,
          on_reap = function(_, status, _, info) print(info.name, status) end,
        }
        foreign.serve(function(message)
          print(message)
          foreign.stop()
        end)
        reaper.spawn { name = "polite", "sh", "-c", "trap 'exit 4' TERM; echo ready; read never", stdin = "pipe",
          stdout = function() reaper.exit(7) end }
        foreign.run()
        print "after the loop"
      ]], { mode = mode })
      assert.equal("stop\texit\npolite\texit 4\nthe engine has gone\nafter the loop\n", out)
      assert.same({ 7, "" }, { code, err })
    end)

    it("is told of each death of the stop before the end", function()
      assert.equal("50\tsignal SIGTERM\t50\n", printed(name, [[
        local told, waited, last = 0, 0
        start { on_reap = function(_, status)
          told, last = told + 1, status
        end }
        foreign.serve(foreign.stop)
        for _ = 1, 50 do
          reaper.after(0, function()
            local child = reaper.spawn { "HELPER", "hold" }
            if child:wait() then waited = waited + 1 end
          end)
        end
        reaper.after(0.1, function() reaper.exit(0) end)
        foreign.run()
        print(told, last, waited)
      ]], { mode = mode }))
    end)
  end)

  it("is told of a death although an order was on its way when the engine closed the channel", function()
    -- Told of the first death, the program waits until the engine has reaped the second, and sends an order while the
    -- engine still looks through the many processes beside its own for what may be left. So the order stays unread.
    assert.equal("exit 1\nexit 2\n", printed(name, [[
      local function spin(condition)
        local begin = reaper.now()
        while condition(reaper.now() - begin) do end
      end
      local second
      start { grace = 60, on_reap = function(_, status)
        print(status)
        if status.code == 2 then return end
        spin(function()
          local file = io.open("/proc/" .. second.pid .. "/stat")
          return file and file:close()
        end)
        spin(function(time) return time < 0.001 end)
        reaper.exit(0)
        spin(function(time) return time < 0.2 end)
      end }
      foreign.serve(foreign.stop)
      local up = 0
      local function count()
        up = up + 1
        if up == 2 then reaper.exit(0) end
      end
      reaper.spawn { "sh", "-c", "trap 'exit 1' TERM; echo up; read never", stdin = "pipe", stdout = count }
      local late = "trap 'i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; exit 2' TERM; echo up; read never"
      second = reaper.spawn { "sh", "-c", late, stdin = "pipe", stdout = count }
      foreign.run()
    ]], { mode = "subreaper", wrap = { "sh", "-c", '"$0" sleepers 500 >/dev/null & exec "$@"', container.helper } }))
  end)

  it("lets hooks wait: the loop goes on meanwhile, and so do other hooks", function()
    assert.equal("reaped exit 3\nthe loop's timer\nreaper's timer\nhello exit 5\n", printed(name, [[
      local ticked, fired = false, false
      start { on_reap = function(_, status, _, info)
        if not info.orphan then return end
        print("reaped " .. tostring(status))
        foreign.after(0.05, function()
          ticked = true
          print "the loop's timer"
        end)
        repeat reaper.sleep(0.01) until ticked
        reaper.after(0.01, function()
          fired = true
          print "reaper's timer"
        end)
        repeat reaper.sleep(0.01) until fired
        local status, _, output = reaper.run { "sh", "-c", "printf hello; exit 5", capture = true }
        print(output .. " " .. tostring(status))
        foreign.stop()
      end }
      foreign.serve()
      os.execute "(sleep 0.1; exit 3) &"
      foreign.run()
    ]]))
  end)

  it("fires reaper's timers, and none early, while the loop waits for nothing else", function()
    assert.equal("0.1\ttrue\n0.2\ttrue\ntick\ntick\ntick\nlast\ttrue\n", printed(name, [[
      start {}
      foreign.serve()
      local begin = reaper.now()
      local function report(what, delay)
        return function() print(what, reaper.now() - begin >= delay) end
      end
      reaper.after(0.2, report("0.2", 0.2))
      reaper.after(0.1, report("0.1", 0.1)) -- sooner than the one that is set
      local never = reaper.after(0.15, report("never", 0))
      never:cancel()
      local ticks, timer = 0, nil
      reaper.after(0.3, function()
        timer = reaper.every(0.05, function()
          print "tick"
          ticks = ticks + 1
          if ticks < 3 then return end
          timer:cancel()
          reaper.sleep(0.1)
          report("last", 0.55)()
          foreign.stop()
        end)
      end)
      foreign.run()
    ]]))
  end)

  it("fires a timer that a function of the loop has set", function()
    assert.equal("set\nfired\ttrue\n", printed(name, [[
      start {}
      foreign.serve()
      reaper.after(3600, function() end) -- one that is further away must not hide it
      foreign.after(0.1, function()
        print "set"
        local begin = reaper.now()
        reaper.after(0.1, function()
          print("fired", reaper.now() - begin >= 0.1)
          foreign.stop()
        end)
      end)
      foreign.run()
    ]]))
  end)

  it("is not readable while nothing happens, and readable again afterwards", function()
    local out = printed(name, [[
      local function switches()
        local text = io.open("/proc/self/status"):read("a")
        return text:match("\nvoluntary_ctxt_switches:%s*(%d+)") + text:match("\nnonvoluntary_ctxt_switches:%s*(%d+)")
      end
      local orphans = 0
      start { on_reap = function(_, _, _, info) orphans = orphans + (info.orphan and 1 or 0) end }
      foreign.serve()

      -- Some of everything that makes it readable. What is left is a timer that is far away.
      local function be_busy()
        os.execute "(exit 3) &"
        reaper.spawn { "echo", "line", stdout = function() end }
        reaper.run { "cat", "/dev/null", capture = true }
        reaper.stats()
        repeat reaper.sleep(0.01) until orphans > 0
        reaper.after(3600, function() end)
        reaper.after(3500, function() end):cancel()
      end

      local function watch_idleness()
        local served, cpu, switched = foreign.served, os.clock(), switches()
        foreign.after(1, function()
          print("served", foreign.served - served)
          print("cpu", os.clock() - cpu)
          print("switches", switches() - switched)
          os.execute "(exit 4) &"
          reaper.spawn { "true" }
          reaper.after(0.1, function()
            repeat reaper.sleep(0.01) until orphans == 2
            print "awake"
            foreign.stop()
          end)
        end)
      end

      reaper.after(0, function()
        be_busy()
        foreign.after(0.3, watch_idleness)
      end)
      foreign.run()
    ]])
    local served, cpu, switches = out:match("^served\t(%d+)\ncpu\t(%S+)\nswitches\t(%d+)\nawake\n$")
    assert.equal("0", served, out)
    assert.is_true(tonumber(cpu) < 0.1, out)
    assert.is_true(tonumber(switches) < 20, out)
  end)

  it("is not readable any more when reaper.poll was called elsewhere", function()
    assert.equal("by hand\texit 3\nserved\t0\n", printed(name, [[
      local by_hand = false
      start { on_reap = function(_, status) print(by_hand and "by hand" or "served", status) end }
      foreign.serve()
      foreign.after(0.2, function() -- what was there at the start has been served
        by_hand = true
        os.execute "(exit 3) &"
        local done = 0
        reaper.after(0.1, function() done = done + 1 end)
        repeat reaper.poll(10) until done > 0
        while reaper.stats().reaped < 1 do reaper.poll(0.01) end
        while reaper.poll(0.1) > 0 do end
        by_hand = false
        local served = foreign.served
        foreign.after(0.3, function()
          print("served", foreign.served - served)
          foreign.stop()
        end)
      end)
      foreign.run()
    ]]))
  end)

  it("is readable when a reply of the engine came with events", function()
    assert.equal("waiting\nexit 3\n", printed(name, [[
      start { on_reap = function(_, status)
        print(status)
        foreign.stop()
      end }
      foreign.serve()
      foreign.after(0.1, function()
        os.execute "(exit 3) &"
        -- Its death is in the socket before the reply that counts it, and is read with it.
        while reaper.stats().reaped < 1 do end
        print "waiting"
      end)
      foreign.run()
    ]]))
  end)

  it("gives a child's lines to its function as they come", function()
    assert.equal("1\n2\n3\nexit 0\n", printed(name, [[
      start {}
      foreign.serve()
      local child
      child = reaper.spawn { "sh", "-c", "for i in 1 2 3; do echo $i; read go; done", stdin = "pipe",
        stdout = function(line)
          print(line)
          foreign.after(0.02, function()
            reaper.after(0, function() child.stdin:write "go\n" end)
          end)
        end }
      reaper.after(0, function()
        print((child:wait()))
        foreign.stop()
      end)
      foreign.run()
    ]]))
  end)

  it("goes on when a hook or a timer raises", function()
    local code, out, err = run(name, [[
      start { on_reap = function(_, status) error("raised for " .. tostring(status), 0) end }
      foreign.serve()
      reaper.after(0.05, function() error "raised in a timer" end)
      os.execute "(exit 3) &"
      reaper.after(0.3, function()
        print "still here"
        foreign.stop()
      end)
      foreign.run()
    ]])
    assert.same({ 0, "still here\n" }, { code, out })
    assert.truthy(err:find("on_reap: raised for exit 3", 1, true), err)
    assert.truthy(err:find("raised in a timer", 1, true), err)
  end)

  it("may begin before the program is split: the loop's own timers and files go on", function()
    assert.equal("before\nafter\nexit 3\n", printed(name, [[
      foreign.after(0.01, function()
        print "before"
        foreign.stop()
      end)
      foreign.after(0.3, function() print "after" end)
      foreign.run()
      start { on_reap = function(_, status)
        print(status)
        foreign.stop()
      end }
      foreign.serve()
      os.execute "(sleep 0.6; exit 3) &"
      foreign.run()
    ]]))
  end)

  it("is told of the end once, even when nobody stops the loop and a timer is due", function()
    local code, out, err = run(name, [[
      start {}
      local told = 0
      foreign.serve(function()
        told = told + 1
        if told > 1 then return end
        foreign.after(2, function()
          print("told", told)
          os.exit()
        end)
      end)
      reaper.after(0.1, reaper.exit)
      reaper.after(1.5, function() print "too late" end)
      foreign.run()
    ]])
    assert.same({ 0, "told\t1\n", "" }, { code, out, err })
  end)

  it("does not get a signal after the end that its on_signal has dropped", function()
    -- reaper.exit is carried out, and the channel closed, while on_signal still computes its answer.
    local c = program.start(text_of(name, [[
      start { hook_timeout = 0.6, on_signal = function()
        reaper.exit(7)
        local begin = reaper.now()
        repeat until reaper.now() - begin > 0.2
        return false
      end }
      foreign.serve(foreign.stop)
      foreign.after(0, function() print "up" end)
      foreign.run()
      reaper.sleep(1)
      print "cleaned up"
    ]]))
    c:expect("up\n")
    c:kill("TERM")
    assert.equal(7, c:wait())
    assert.same({ "up\ncleaned up\n", "" }, { c:out(), c:err() })
  end)

  it("asks on_signal from within the loop, also one that waits before it answers", function()
    local c = program.start(text_of(name, [[
      start { on_signal = function(signal)
        reaper.sleep(0.05)
        print(signal)
        if signal == "SIGUSR1" then return false end
      end }
      foreign.serve()
      foreign.after(0.01, function() print "up" end)
      foreign.run()
    ]]))
    c:expect("up\n")
    c:kill("USR1")
    c:expect("SIGUSR1\n")
    c:kill("TERM")
    assert.equal(128 + 15, c:wait())
    assert.equal("up\nSIGUSR1\nSIGTERM\n", c:out())
  end)

  it("leaves the statuses of os.execute and io.popen to them while orphans storm", function()
    assert.equal("50\t50\n", printed(name, [[
      start { on_reap = function() end }
      foreign.serve()
      os.execute "HELPER orphans 2000 --parallel 50 >/dev/null &"
      local executed, read = 0, 0
      local function step(i)
        local _, _, code = os.execute("exit " .. i)
        executed = executed + (code == i and 1 or 0)
        local _, _, other = io.popen("exit " .. i + 100):close()
        read = read + (other == i + 100 and 1 or 0)
        if i < 50 then return foreign.after(0, function() step(i + 1) end) end
        print(executed, read)
        foreign.stop()
      end
      foreign.after(0, function() step(1) end)
      foreign.run()
    ]]))
  end)
end)

describe("luv in a program that calls reaper.start", function()
  after_each(container.close_all)

  it("has the statuses of the processes that it has spawned itself, while orphans storm", function()
    assert.equal("200\t200\n", printed("luv", [[
      start { on_reap = function() end }
      foreign.serve()
      os.execute "HELPER orphans 2000 --parallel 50 >/dev/null &"
      local ended, right = 0, 0
      local function spawn(i)
        local child
        child = assert(uv.spawn("sh", { args = { "-c", "exit " .. i } }, function(code, signal)
          child:close()
          ended = ended + 1
          right = right + (code == i and signal == 0 and 1 or 0)
          if i < 200 then return spawn(i + 1) end
          print(ended, right)
          foreign.stop()
        end))
      end
      spawn(1)
      foreign.run()
    ]]))
  end)

  it("keeps its own signal handlers: no on_signal, no default", function()
    local c = program.start(text_of("luv", [[
      start {}
      foreign.serve()
      uv.new_signal():start("sigterm", function(name)
        print(name)
        os.exit(3)
      end)
      foreign.after(0.01, function() print "up" end)
      foreign.run()
    ]]))
    c:expect("up\n")
    c:kill("TERM")
    assert.equal(3, c:wait())
    assert.equal("up\nsigterm\n", c:out())
  end)

  it("cannot be split any more once it has made threads", function()
    local out = printed("luv", [[
      uv.fs_stat("/", function() end)
      uv.run()
      print(reaper.start { enable_child_subreaper = true })
    ]])
    assert.truthy(out:find("^nil\treaper.start: this process has threads"), out)
  end)
end)
