-- The container of examples/services with its three services, in mounts and a network of its own, and what is asked of
-- it from outside.

local uv = require "luv"
local container = require "spec.support.container"

local three = {}

three.names = { "db", "web", "worker" } -- in the order of their starts

-- Debian's nginx keeps files in /run and /var/lib/nginx. /srv/data is the volume, which is small, so that it gets full.
local PLACE = [[
for folder in /run /var/lib/nginx /srv; do mount -t tmpfs -o mode=755 none $folder || exit; done
mkdir /srv/app /srv/data && cp examples/services/* /srv/app && mount -t tmpfs -o mode=755,size=4m none /srv/data &&
exec "$@"]]

-- What is left at the end is told on stderr ("host: left"), where process 1 is not reaper-lua.
function three.start(mode)
  return container.start {
    mode = mode, report_left = mode == "subreaper", limit = 300, script_path = "/srv/app/services.lua",
    wrap = { container.helper, "net", "--", "/bin/sh", "-c", PLACE, "sh" },
    env = { APP = "/srv/app", DATA = "/srv/data", PATH = "/usr/sbin:/usr/bin:/sbin:/bin" },
  }
end

-- ---- What its services say and have. ----

-- The states that were told, from a position of the output on: a list of { name, state }.
function three.states(c, from)
  local list = {}
  for name, state in c:out():sub(from or 1):gmatch "%f[^\n\0](%w+) is ([%w_]+)" do
    list[#list + 1] = { name, state }
  end
  return list
end

-- name -> the state that was told last
function three.state_of(c)
  local last = {}
  for _, told in ipairs(three.states(c)) do
    last[told[1]] = told[2]
  end
  return last
end

local comms = { ["redis-server"] = "db", nginx = "web", python3 = "worker" }

-- name -> its process that reaper-lua has started; and the list of all other processes below that one.
function three.processes(c)
  local leaders, others = {}, {}
  for _, process in ipairs(c:processes()) do
    local name = process.ppid == c.nspid and process.state ~= "Z" and comms[process.comm]
    if name and not leaders[name] then
      leaders[name] = process
    elseif process.nspid ~= 1 and process.nspid ~= c.nspid and process.comm ~= "reaper-script" then
      others[#others + 1] = process
    end
  end
  return leaders, others
end

-- The children of a service's process.
function three.children(c, name)
  local leader = three.processes(c)[name]
  return leader and c:children_of(leader.nspid) or {}
end

-- Waits until all run and have the processes that they ought to have, and there is no other: name -> process.
-- `without`: name -> a process that is not to be the one of the service.
function three.await(c, without)
  return c:until_true(function()
    local leaders, others = three.processes(c)
    local state_of = three.state_of(c)
    for _, name in ipairs(three.names) do
      local leader = leaders[name]
      if state_of[name] ~= "running" or not leader
        or without and without[name] and without[name].nspid == leader.nspid then
        return false
      end
    end
    for _, process in ipairs(others) do -- the two workers of nginx
      if process.ppid ~= leaders.web.nspid or process.state == "Z" then
        return false
      end
    end
    return #others == 2 and leaders
  end, 30, "all three to run")
end

-- ---- Requests. ----

-- Runs a shell command in its mounts and its network, and gives what that says.
function three.ask(c, command)
  local enter = ("nsenter --target %d --mount --net timeout 5"):format(c.pid)
  local pipe = assert(io.popen(("%s bash -c '%s' 2>&1"):format(enter, command)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

function three.redis(c, words)
  return three.ask(c, "redis-cli " .. words)
end

-- What nginx answers.
function three.get(c)
  return three.ask(c, [[exec 3<>/dev/tcp/127.0.0.1/8080 && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3]])
end

local jobs = 0

-- Waits until both servers answer, and the worker has done a job.
function three.serve(c)
  jobs = jobs + 1
  local job = ("0.0%04d1"):format(jobs)
  c:until_true(function() return three.redis(c, "ping") == "PONG\n" end, 10, "Redis to answer")
  c:until_true(function() return three.get(c):find("\r\n\r\nhello\n", 1, true) end, 10, "nginx to answer")
  three.redis(c, "lpush jobs " .. job)
  c:until_true(function() return c:out():find("worker: done " .. job, 1, true) end, 10, "the job to be done")
end

-- ---- Its stop. ----

-- Sends TERM and waits for the end: the exit code, seconds that it took, the states that were told meanwhile.
function three.stop(c)
  local from, at = #c:out() + 1, uv.hrtime()
  c:kill "TERM"
  local code = c:wait(30)
  return code, (uv.hrtime() - at) / 1e9, three.states(c, from)
end

return three
