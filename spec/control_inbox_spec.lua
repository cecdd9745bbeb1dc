-- How an order reaches the script process, once at most, and what reaperctl says when nobody obeys.

local uv = require "luv"
local container = require "spec.support.container"
local control = require "spec.support.control"
local steering = require "spec.support.steering"

local start, says, pid_of = steering.start, steering.says, steering.pid_of
local script_process, next_script_process = steering.script_process, steering.next_script_process

local function count_lines(text)
  return select(2, (text or ""):gsub("\n", ""))
end

-- A hook that blocks once, until the file "go" is there; reload appends a line to "done".
local BLOCKS = [[function on_signal()
  os.execute "[ -e {folder}/in ] || { touch {folder}/in; until [ -e {folder}/go ]; do sleep 0.02; done; }"
end]]
local COUNTS = [[sleeper("web", { reload = { exec = { "sh", "-c", "echo x >>{folder}/done; sleep {slow}" } } })]]

local function start_counter(slow, more)
  local c = start(COUNTS:gsub("{slow}", slow), {}, more)
  pid_of(c, "web")
  return c
end

local function block(c)
  c:kill "USR1"
  c:until_true(function()
    return c:read "in"
  end, nil, "the hook that blocks")
end

local function go(c)
  io.open(c:file "go", "w"):close()
end

-- The pipe whose two ends the script process has.
local function inbox_of(c)
  local directory = ("/proc/%d/fd"):format(script_process(c).pid)
  local seen = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(directory)) do
    local target = uv.fs_readlink(directory .. "/" .. name) or ""
    if target:find "^pipe:" and seen[target] then
      return directory .. "/" .. name
    end
    seen[target] = true
  end
end

-- Waits until the client has the inbox open, and gives it the moment in which it writes then.
local function until_sent(c, pid)
  local target = uv.fs_readlink(inbox_of(c))
  c:until_true(function()
    local directory = ("/proc/%d/fd"):format(pid())
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(directory)) do
      if uv.fs_readlink(directory .. "/" .. name) == target then
        return true
      end
    end
  end, nil, "the order to be sent")
  uv.sleep(50)
end

describe("an order", function()
  after_each(container.close_all)

  it("waits for a script process that is blocked, and is done then", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local finish, pid = control.begin(c, "reload", "web")
    until_sent(c, pid)
    assert.is_nil(c:read "done")
    go(c)
    assert.are.equal(0, (finish()))
    assert.are.equal("x\n", c:read "done")
  end)

  it("that nobody waits for any more is not begun", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local text = says(c, 4, "reload", "web", "-t", "0.2")
    assert.matches("^reaperctl: web: not known: no answer in time from script process %d+, "
      .. "which has been busy with on_signal for [%d.]+ s: whether it will be done is not known\n$", text)
    local until_second = os.time() + 3 -- the second in which the order ends, and those that it is rounded by
    c:until_true(function()
      return os.time() > until_second
    end, nil, "the time")
    go(c)
    says(c, 0, "reload", "web")
    assert.are.equal("x\n", c:read "done") -- of the second one
  end)

  it("is not done when the script process that got it is lost before it read it; the next one gets it", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local finish, pid = control.begin(c, "reload", "web")
    until_sent(c, pid)
    c:kill("KILL", script_process(c).pid)
    local code, out, err = finish()
    assert.are.equal("0web: reloaded\n", code .. out .. err)
    assert.are.equal("x\n", c:read "done")
  end)

  it("is not known when the script process is lost in its midst, and is not given again", function()
    local c = start_counter(1000)
    local before = next_script_process(c)
    local finish = control.begin(c, "reload", "web")
    c:until_true(function()
      return c:read "done"
    end, nil, "the order to begin")
    c:kill("KILL", script_process(c).pid)
    local code, _, err = finish()
    assert.are.equal(4, code)
    assert.are.equal(("reaperctl: web: not known: script process %d was lost while it did that: whether it is done is "
      .. "not known\n"):format(before), err)
    next_script_process(c, before)
    assert.are.equal("x\n", c:read "done")
  end)

  it("is not done while there is no script process", function()
    local c = start_counter(0)
    for _ = 1, 4 do
      local process = c:until_true(function()
        return script_process(c)
      end, nil, "a script process")
      c:kill("KILL", process.pid)
      c:until_true(function()
        local now = script_process(c)
        return not now or now.pid ~= process.pid
      end, nil, "its end")
    end
    local text = says(c, 4, "reload", "web", "-t", "0.1")
    assert.matches("^reaperctl: web: not done: no script process took the order in time: it was lost", text)
    says(c, 0, "reload", "web")
    assert.are.equal("x\n", c:read "done")
  end)

  it("is told as an event, and a Lua error in it ends nothing", function()
    local c = start([[sleeper "web"]], {}, [[
      supervisor.stop = function() error("boom\nsecond line") end
      supervisor.start = function() os.exit(3) end]])
    pid_of(c, "web")
    local before = next_script_process(c)
    assert.matches("^reaperctl: web: .*boom\\nsecond line", says(c, 1, "stop", "web"))
    assert.are.equal(before, next_script_process(c))
    says(c, 0, "restart", "web")
    assert.matches("os.exit was called", says(c, 1, "start", "web"))
    assert.are.equal(3, c:wait())
  end)
end)

describe("the inbox", function()
  after_each(container.close_all)

  local function write(path, text)
    local fd = assert(uv.fs_open(path, "a", 0))
    uv.fs_write(fd, text)
    uv.fs_close(fd)
  end

  -- What the page says about the order with that id.
  local function reply(c, id)
    local directory = ("/proc/%d/fd/"):format(c.pid)
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(directory)) do
      if (uv.fs_readlink(directory .. name) or ""):find "reaper%-script" then
        return container.read_file(directory .. name):match("\0" .. id .. "\0+([^\0]*)")
      end
    end
  end

  it("takes no line in another form, and says once that somebody writes such lines", function()
    local c = start_counter(0)
    local path = inbox_of(c)
    write(path, ";\n\0\1\2\xff\n\n \n??? restart web\n" .. ("x"):rep(40) .. " reload web\n")
    write(path, "r1 explode web\nr2 reload web\0\nr3 reload " .. ("web "):rep(200) .. "\nr4 signal web\n"
      .. "r5 start\nr6 shutdown 7 8\nr7 shutdown -1\nr8 signal 0x9 web\nr9 reload  web\nr10 RELOAD web\n"
      .. "1.1.a reload web\n")
    write(path, ("y"):rep(60000))
    write(path, "\nh1 rel")
    write(path, "oad web\n")
    c:until_true(function()
      return c:read "done"
    end, nil, "the one that is right")
    says(c, 0, "reload", "web")
    assert.are.equal(2, count_lines(c:read "done"))
    assert.are.equal("there is no order of that kind", reply(c, "r1"))
    assert.are.equal("the line has control characters", reply(c, "r2"))
    assert.are.equal("the line is too long", reply(c, "r3"))
    assert.matches("^signal: a signal and a name expected", reply(c, "r4"))
    assert.matches("^start: the name of a service expected", reply(c, "r5"))
    assert.matches("^shutdown: an exit code", reply(c, "r6"))
    assert.matches("^shutdown: an exit code", reply(c, "r7"))
    assert.matches("^signal: ", reply(c, "r8"))
    assert.matches("there is no service ' web'", reply(c, "r9"))
    assert.are.equal("there is no order of that kind", reply(c, "r10"))
    assert.matches("^it has come too late", reply(c, "1.1.a"))
    local err = c:err()
    assert.are.equal(1, count_lines(err), err)
    assert.matches('^reaper%-lua: warning: somebody has written to the inbox what is no order, such as ";"', err)
  end)

  it("has a reply for each order, but a client that looks too late cannot know whether it was done", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local path = inbox_of(c)
    local finish, pid = control.begin(c, "reload", "web")
    until_sent(c, pid)
    uv.kill(pid(), "sigstop")
    go(c)
    c:until_true(function()
      return says(c, 0, "events"):find '"type":"order","name":"web","state":"reload","detail":"done"'
    end, nil, "the order to be done")
    for i = 1, 100 do -- more than there are rows in the page
      write(path, ("f%d explode web\n"):format(i))
    end
    c:until_true(function()
      return reply(c, "f100")
    end, nil, "the last reply")
    c:kill("KILL", script_process(c).pid)
    next_script_process(c)
    uv.kill(pid(), "sigcont")
    local code, out, err = finish()
    assert.are.equal(4, code, out .. err .. c:read "done")
    assert.matches("not known: .* its reply may have been overwritten", err)
    assert.are.equal("x\n", c:read "done")
  end)

  it("that is full is told at once, and nothing is done", function()
    local c = start_counter(0, BLOCKS)
    block(c)
    local fd = assert(uv.fs_open(inbox_of(c), uv.constants.O_WRONLY | uv.constants.O_NONBLOCK, 0))
    repeat until not uv.fs_write(fd, (" "):rep(511) .. "\n")
    uv.fs_close(fd)
    assert.matches("^reaperctl: web: not done: the inbox is full: .*busy with on_signal", says(c, 4, "reload", "web"))
    go(c)
    c:until_true(function()
      return control.run(c, "reload", "web") == 0
    end, nil, "the inbox to be read")
    assert.are.equal("x\n", c:read "done")
  end)

  it("is not written to by another user", function()
    local c = start [[sleeper "web"]]
    pid_of(c, "web")
    local code, _, err = control.inside(c, { "setpriv", "--reuid=1000", "--clear-groups" }, "restart", "web")
    assert.are.equal(3, code, err)
  end)
end)
