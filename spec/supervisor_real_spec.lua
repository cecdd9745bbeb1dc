-- The container of examples/services, with redis-server, nginx and a worker in Python, survives what can happen to it.
-- The troubles come one after the other in one container; each is over when all three services answer again.

local uv = require "luv"
local container = require "spec.support.container"
local three = require "spec.support.three_services"

local MOMENTS = 25 -- of the start, in each mode
local JOB = 0.6 -- seconds of the job that the worker finishes before it stops

local function count(text, what)
  return select(2, text:gsub(what, "%0"))
end

local function pushed_job(c, seconds)
  three.redis(c, "lpush jobs " .. seconds)
  return c:until_true(function()
    return three.children(c, "worker")[1]
  end, 10, "the process of a job")
end

-- The services but those that are named have the same process as before.
local function same(before, now, but)
  for _, name in ipairs(three.names) do
    assert.equal(not but[name], before[name].nspid == now[name].nspid, name)
  end
end

-- All at once: none runs any more when the first is killed.
local function kill_all(c, list)
  for _, signal in ipairs { "STOP", "KILL" } do
    for _, process in ipairs(list) do
      c:kill(signal, process.pid)
    end
  end
end

local function everything(c)
  local list = {}
  for _, process in ipairs(c:processes()) do
    list[#list + 1] = process.nspid ~= 1 and process.nspid ~= c.nspid and process or nil
  end
  return list
end

-- ---- The stop. ----

local position = { worker = 1, web = 2, db = 3, prepare = 4 }
local is_of_stop = { stopping = true, clearing = true, finished = true }

-- Where the stop begins: only "prepare" finishes by itself.
local function first_of_stop(states)
  for i, told in ipairs(states) do
    if told[2] == "stopping" or told[2] == "finished" and told[1] ~= "prepare" then
      return i
    end
  end
  return #states + 1
end

-- Each service is asked to stop when those that need it are down; nothing is started any more.
local function check_order(states, report)
  local last, asked = 0, nil
  for i = first_of_stop(states), #states do
    local name, state = table.unpack(states[i])
    assert(is_of_stop[state], report)
    if position[name] then
      assert(position[name] >= last and (not asked or asked == name), report)
      last, asked = position[name], state ~= "finished" and name or nil
    end
  end
end

local function check_end(c, code, seconds, needs, states)
  local report = c:report(("ended with %s after %.2f s"):format(code, seconds))
  -- While the script is loaded, TERM ends the container as it ends any program.
  assert.equal(c:err():find("SIGTERM while the script was loading", 1, true) and 143 or 0, code, report)
  assert(seconds < needs + 1 * container.slow, report)
  check_order(states, report)
  for name, state in pairs(three.state_of(c)) do
    assert.equal("finished", state, name)
  end
  assert.falsy(c:err():find("host: left", 1, true), report)
  assert.falsy(c:err():find("traceback", 1, true), report)
end

-- ---- The troubles: what happens to a container `c`, whose services have the processes `before`. ----

local troubles = {}

local function trouble(name, f)
  troubles[#troubles + 1] = { name = name, happen = f }
end

trouble("the kill of nginx, whose workers hold its port", function(c, before)
  c:kill("KILL", before.web.pid)
  same(before, three.await(c, { web = before.web }), { web = true })
end)

trouble("the kill of Redis, whose end is the worker's, too", function(c, before)
  c:kill("KILL", before.db.pid)
  local gone = { db = before.db, worker = before.worker }
  same(before, three.await(c, gone), gone)
end)

trouble("the kill of the worker, whose job is done all the same", function(c, before)
  local child = pushed_job(c, 0.31)
  c:kill("KILL", before.worker.pid)
  same(before, three.await(c, { worker = before.worker }), { worker = true })
  c:expect "worker: done 0.31\n"
  assert.is_nil(c.view:find(child.nspid))
end)

trouble("the kill of nginx's workers", function(c, before)
  local workers = three.children(c, "web")
  assert.equal(2, #workers)
  for _, worker in ipairs(workers) do
    c:kill("KILL", worker.pid)
  end
  c:until_true(function()
    local now = three.children(c, "web")
    return #now == 2 and now[1].nspid > workers[2].nspid
  end, 10, "two other workers")
  same(before, three.await(c), {})
end)

trouble("the kill of the process in which Redis saves", function(c, before)
  three.redis(c, "set a b")
  three.redis(c, "config set rdb-key-save-delay 100000000")
  three.redis(c, "bgsave")
  c:kill("KILL", c:until_true(function() return three.children(c, "db")[1] end, 10, "a process that saves").pid)
  c:expect "Background saving terminated by signal 9"
  three.redis(c, "config set rdb-key-save-delay 0")
  same(before, three.await(c), {})
end)

trouble("the kill of the worker's child", function(c, before)
  c:kill("KILL", pushed_job(c, 61).pid)
  c:expect "worker: failed 61\n"
  same(before, three.await(c), {})
end)

trouble("the kill of the script process", function(c, before)
  local script = c:find "reaper-script"
  c:kill("KILL", script.pid)
  c:until_true(function()
    local now = c:find "reaper-script"
    return now and now.nspid ~= script.nspid
  end, 10, "another script process")
  same(before, three.await(c), {})
end)

trouble("the kill of the three at once", function(c, before)
  kill_all(c, { before.db, before.web, before.worker })
  three.await(c, before)
end)

trouble("the kill of all at once, the script process, too", function(c, before)
  kill_all(c, everything(c))
  three.await(c, before)
end)

trouble("a full disk", function(c, before)
  local from = #c:err() + 1
  local function said(what)
    return count(c:err():sub(from), what)
  end
  three.ask(c, "cat /dev/zero >/srv/data/ballast")
  for _ = 1, 3 do
    c:until_true(function() return three.get(c) ~= "" and said "No space left" > 0 end, 10, "a word about the disk")
    three.redis(c, "bgsave")
    c:expect "Background saving error"
    three.serve(c)
  end
  same(before, three.await(c), {})
  c:kill("TERM", before.db.pid) -- it ends without a last save
  three.await(c, { db = before.db, worker = before.worker })
  assert.equal(1, said "No space left", c:err())
  three.ask(c, "rm /srv/data/ballast")
  c:until_true(function() return three.get(c) ~= "" and said "it can be written again; %d+ lines were lost" > 0 end, 10,
    "a word about the room")
  assert.matches("GET / HTTP/1.0", three.ask(c, "cat /srv/data/access.log"))
  three.redis(c, "bgsave")
  c:expect "Background saving terminated with success"
end)

-- ---- All of it. ----

-- The seconds from the begin to the first state that is told, and from each to the next one, until all run.
local function phases_of_start(mode)
  local at, phases = uv.hrtime(), {}
  local c = three.start(mode)
  c:until_true(function()
    for _ = #phases + 1, #three.states(c) do
      phases[#phases + 1], at = (uv.hrtime() - at) / 1e9, uv.hrtime()
    end
    return three.state_of(c).worker == "running"
  end, 30, "all three to run")
  c:close()
  return phases
end

-- Those that became ready, or as a one-shot have finished.
local function ready_in_order(states)
  local list = {}
  for _, told in ipairs(states) do
    local name, state = table.unpack(told)
    if state == (name == "prepare" and "finished" or "running") then
      list[#list + 1] = name
    end
  end
  return list
end

describe("redis-server, nginx and a worker", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("start in order, survive every trouble, and stop in order and in time", function()
      local c = three.start(mode)
      three.await(c)
      assert.same({ "prepare", "db", "web", "worker" }, ready_in_order(three.states(c)))
      for _, this in ipairs(troubles) do
        local fine, failure = pcall(function()
          this.happen(c, three.await(c))
          three.serve(c)
        end)
        assert(fine, this.name .. ": " .. tostring(type(failure) == "table" and failure.message or failure))
      end
      pushed_job(c, JOB)
      local code, seconds, states = three.stop(c)
      check_end(c, code, seconds, JOB, states)
      c:expect("worker: done " .. JOB .. "\n")
    end)

    it("stop in order at every moment of their start", function()
      local phases = phases_of_start(mode)
      for moment = 0, MOMENTS - 1 do
        local place = moment * #phases / MOMENTS
        local told = math.floor(place)
        local c = three.start(mode)
        c:until_true(function() return #three.states(c) >= told end, 30, told .. " states")
        uv.sleep(math.floor(1000 * (place - told) * phases[told + 1]))
        local code, seconds, states = three.stop(c)
        check_end(c, code, seconds, 0.2, states)
        c:close()
      end
    end)
  end)
end)
