-- The promises of the two processes: a script cannot take down process 1, and a hook may block.

local container = require "spec.support.container"

-- The hook does its worst when the main child writes into the file "go"; the spawned child and the main child live on.
local SCRIPT = [[
local folder = "{folder}"
local function say(...) print(...) end

function on_start(pid, again)
  say("started", pid, again)
  if not again then
    local child = reaper.spawn{ "sleep", "1000", name = "companion" }
    say("companion", child.pid)
    say("policy", io.open("/proc/self/stat"):read("n"))
  end
end

local function misbehave()
  %s
end

function on_reap(pid, status)
  say("reaped", pid, status)
  if status.code == 66 then
    misbehave()
  end
end
]]

-- COMMAND makes an orphan that exits with the code of each line that it reads.
local COMMAND = { "sh", "-c", [[while read code; do (sh -c "echo ended $code; exit $code" &) ; done; sleep 1000]] }

local function pid_of(c, comm, args)
  local _, all = c:find(comm)
  for _, process in ipairs(all) do
    if process.args:find(args, 1, true) then
      return process.nspid
    end
  end
end

local function survivors(c)
  return { main = pid_of(c, "sh", "while read"), companion = pid_of(c, "sleep", "sleep 1000"), init = c.pid }
end

local function start(mode, misbehaviour, args)
  local c = container.start { mode = mode, script = SCRIPT:format(misbehaviour), args = args, command = COMMAND }
  c:expect("policy")
  c:until_true(function() return survivors(c).main end, 5, "COMMAND to have its name, which comes late in an exec")
  return c
end

local function orphan(c, code)
  c:write(code .. "\n")
end

local worst = {
  { "that loops for ever", "while true do end", { "--hook-timeout", "0.2" },
    "computed for too long without yielding.*stack traceback.*hooks.lua:14" },
  { "that loops inside pcall", "while true do pcall(function() while true do end end) end", { "--hook-timeout", "0.2" },
    "computed for too long without yielding" },
  { "that loops in a coroutine of its own",
    "while true do coroutine.wrap(function() while true do end end)() end", { "--hook-timeout", "0.2" },
    "computed for too long without yielding" },
  { "that raises", "error('so there')", {}, "hooks.lua:14: so there\n  stack traceback" },
  { "that raises a table", "error({})", {}, "on_reap: table: " },
  { "that eats memory", "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", { "--hook-memory", "16M" },
    "not enough memory\n  stack traceback" },
}

describe("a hook", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, case in ipairs(worst) do
      it(case[1] .. " ends, is reported, and everything else goes on", function()
        local c = start(mode, case[2], case[3])
        local before = survivors(c)
        orphan(c, 66)
        c:err_expect(case[4])
        orphan(c, 5)
        c:expect("reaped\t%d+\texit 5")
        assert.same(before, survivors(c))
        assert.is_nil(c:all():find("crash"))
      end)
    end
  end)
end)

local deaths = {
  { "by SIGKILL", "os.execute('kill -KILL $PPID')", "signal SIGKILL" },
  { "by SIGSEGV", "os.execute('kill -SEGV $PPID')", "signal SIGSEGV" },
  { "by the last instruction of C code", "os.execute('kill -ABRT $PPID')", "signal SIGABRT" },
}

describe("a script process that dies", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, case in ipairs(deaths) do
      it(case[1] .. " is replaced, and its children keep their pids", function()
        local c = start(mode, case[2])
        local before = survivors(c)
        orphan(c, 66)
        c:expect("started\t%d+\tcrash")
        assert.truthy(c:err():find("the script process ended (" .. case[3], 1, true))
        assert.same(before, survivors(c))
        orphan(c, 7)
        c:expect("crash.*reaped\t%d+\texit 7")
      end)
    end

    it("while it is down does not lose a death", function()
      local c = start(mode, "")
      local script_process = assert(c:find("reaper-script"))
      c:kill("STOP", script_process.pid)
      local count = #c:processes()
      orphan(c, 31)
      c:expect("ended 31")
      c:until_true(function()
        return #c:processes() == count -- one that is ending has neither words nor is it a zombie
      end)
      c:kill("KILL", script_process.pid)
      orphan(c, 32)
      c:expect("crash.*exit 31.*exit 32")
    end)

    it("again and again is started ever later, and the engine reaps all the while", function()
      local c = container.start { mode = mode, command = COMMAND, script = [[
        function on_start(_, again) print("started", again) os.execute("kill -KILL $PPID") end
        function on_reap() end
      ]] }
      c:err_expect("in 0.1 s.*in 0.2 s.*in 0.4 s")
      orphan(c, 3)
      c:expect("ended 3")
      c:until_true(function()
        return c:zombies() == 0 and not pid_of(c, "sh", "exit 3")
      end)
      assert.is_nil(c:ended())
    end)
  end)
end)

describe("a hook in os.execute", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("leaves no zombie of 1,000 orphans, and TERM reaches the main child at once", function()
      local c = container.start { mode = mode, script = [[
        function on_reap(_, status)
          if status.code == 66 then
            print("blocking")
            os.execute("while ! test -e {folder}/go; do sleep 0.02; done")
            print("over")
          end
        end
      ]], command = { "sh", "-c", "trap 'echo told; exit 9' TERM; (sh -c 'exit 66' &); read line; " ..
        container.helper .. " orphans 1000 --each 50; while :; do read line || sleep 0.05; done" } }
      c:expect("blocking")
      c:write("go\n")
      c:expect("made 1000", 60)
      c:until_true(function()
        return c:zombies() == 0
      end, 60, "no zombie")
      c:kill("TERM")
      c:expect("told")
      assert.not_matches("over", c:out()) -- the hook still blocks
    end)

    it("and io.popen sees the right status 200 times while orphans storm", function()
      local c = container.start { mode = mode, args = { "--hook-timeout", "60" }, script = [[
        function on_start()
          local wrong, seen = 0, 0
          for i = 1, 200 do
            local code = i % 256
            local _, kind, got = os.execute("exit " .. code)
            if kind ~= "exit" or got ~= code then wrong = wrong + 1 end
            local pipe = io.popen("echo " .. i .. "; exit " .. code)
            local line = pipe:read("n")
            _, kind, got = pipe:close()
            if kind ~= "exit" or got ~= code or line ~= i then wrong = wrong + 1 end
            seen = seen + 2
          end
          print("seen", seen, "wrong", wrong)
        end
        function on_reap() end
      ]], limit = 300, command = { container.helper, "orphans", "3000", "--pause", "0.001" } }
      c:expect("seen\t400\twrong\t0", 120)
      c:expect("made 3000", 120)
    end)
  end)
end)
