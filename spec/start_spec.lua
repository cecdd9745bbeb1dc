-- The start of COMMAND and of what scripts spawn: nobody waits for a process that does not come to its exec, and what
-- fails only for want of processes is tried again.

local container = require "spec.support.container"
local faults = require "spec.support.faults"
local script = require "spec.support.script"

if faults.missing() then
  pending("starts that are held up: " .. faults.missing())
  return
end

-- Words for strace: in each new process the call is made to fail, or the process is stopped in it.
local function in_children(call, how)
  return { "-f", "-e", "trace=" .. call, "-e", ("inject=%s:%s"):format(call, how) }
end

local STOPPED = in_children("setresuid", "signal=SIGSTOP")
local NOBODY = "65534:65534"

-- Waits until a child of the engine stands there.
local function wait_until_stopped(c)
  c:until_true(function()
    for _, process in ipairs(c:processes()) do
      if process.state:find "[Tt]" and process.ppid == c.nspid then
        return true
      end
    end
  end, nil, "a child to be stopped")
end

describe("a COMMAND that somebody stops before its exec", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("does not hold up a stop", function()
      local c = faults.start({ mode = mode, args = { "-u", NOBODY }, command = { "sleep", "1000" } }, nil, STOPPED)
      wait_until_stopped(c)
      c:kill "TERM"
      assert.equal(143, c:wait())
    end)

    it("goes on after a second", function()
      local c = faults.start({ mode = mode, args = { "-u", NOBODY }, command = { "echo", "here" } }, nil, STOPPED)
      wait_until_stopped(c)
      assert.equal(0, c:wait())
      assert.matches("\nhere\n", c:out())
    end)
  end)

  it("goes on after a second when it is started again, too", function()
    local c = container.start {
      args = { "-u", NOBODY },
      script = [[
        function on_start() print "on_start" end
        function on_reap(pid, status, _, info)
          if info.main and not again then
            again = true
            reaper.sleep(0.01)
            print("started again", reaper.main:start())
          elseif info.main then
            reaper.exit(7)
          end
        end
      ]],
      command = { container.helper, "hold" },
    }
    c:expect "on_start"
    faults.attach(c, c, nil, STOPPED)
    c:kill "TERM"
    wait_until_stopped(c)
    c:expect "started again\ttrue"
    c:kill "TERM"
    assert.equal(7, c:wait())
  end)

  if os.getenv("SPEC_FAULTS") == "all" then -- it takes eleven seconds
    it("is killed when it is stopped again and again", function()
      local c = faults.start({ args = { "-u", NOBODY }, command = { "echo", "here" } }, nil,
        in_children("setgroups,setresgid", "signal=SIGSTOP"))
      assert.equal(125, c:wait(30))
      c:err_expect 'cannot run "echo": it was stopped or held up before it ran, and was killed\n'
      assert.not_matches("\nhere\n", c:out())
    end)
  end
end)

describe("a child of another user that somebody stops before its exec", function()
  after_each(container.close_all)

  it("goes on after a second, and so does the script", function()
    local c = script.start(script.on_start(([[
      print "on_start"
      io.read()
      local child = assert(reaper.spawn{ "echo", "here", user = %q })
      print("it ended", child:wait())
    ]]):format(NOBODY)))
    c:expect "on_start\n"
    faults.attach(c, c:find "reaper-script", nil, STOPPED)
    c:write "go\n"
    wait_until_stopped(c)
    c:expect "it ended\texit 0"
    assert.equal(0, c:wait())
    assert.matches("here\n", c:out())
  end)
end)

-- A kernel that takes less than all of an id, as old calls do, or that does nothing at all.
describe("a change of user that has not happened, although the kernel says so,", function()
  after_each(container.close_all)

  for _, call in ipairs { "setresuid", "setresgid", "setgroups" } do
    it("is refused: " .. call, function()
      local c = faults.start({ args = { "-u", "4999:4998" }, command = { "echo", "runs" } }, nil,
        in_children(call, "retval=0"))
      assert.equal(125, c:wait())
      assert.matches('^reaper%-lua: cannot change to the user of "echo": Value too large for [%l ]+\n$', c:err())
      assert.equal("attach\n", c:out())
    end)
  end
end)

describe("a start that fails for want of processes or memory", function()
  after_each(container.close_all)

  local HOOKS = [[
    function on_start(pid) print("on_start", pid and pid == reaper.main.pid) end
    function on_signal(name) print("on_signal", name) return false end
    function on_exit(code) print("on_exit", code) end
  ]]

  for _, row in ipairs { { "execve", "EAGAIN" }, { "execve", "ENOMEM" }, { "setresuid", "EAGAIN" },
    { "fchdir", "ENOMEM" } } do
    local call, errno = row[1], row[2]

    it(("is tried again: %s in %s"):format(errno, call), function()
      local c = container.start { args = { "-u", NOBODY }, script = "print 'loading' io.read()" .. HOOKS,
        command = { "echo", "runs" } }
      c:expect "loading"
      local detach = faults.attach(c, c, nil, in_children(call, "error=" .. errno))
      c:write "go\n"
      c:err_expect "trying again in 0.2 s"
      c:kill "USR1"
      assert.not_matches("on_start", c:out())
      detach()
      assert.equal(0, c:wait())
      assert.matches("on_start\ttrue\n", c:out())
      assert.matches("on_signal\tSIGUSR1\n", c:out()) -- it was kept
      assert.matches("\nruns\n", c:out())
      assert.matches("on_exit\t0\n", c:out())
    end)
  end

  it("ends with 128 and the signal when TERM comes first, and the script is told", function()
    local c = faults.start({ script = HOOKS, command = { "echo", "runs" }, args = { "-u", NOBODY } }, nil,
      in_children("setresuid", "error=EAGAIN"))
    c:err_expect "trying again in 0.2 s"
    c:kill "TERM"
    assert.equal(143, c:wait())
    assert.equal("attach\non_start\tnil\non_exit\t143\n", c:out())
  end)
end)
