-- Three real services: redis-server, nginx that needs it, and a worker that needs both.

local uv = require "luv"
local container = require "spec.support.container"
local script = require "spec.support.script"

local SLOWEST = 0.6 -- seconds that the worker takes to stop

local SCRIPT = [[
local supervisor = require "reaper.supervisor"
local folder = "{folder}"

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write((text:gsub("FOLDER", folder)))
  file:close()
end

write("redis.conf", "port 0\nunixsocket FOLDER/redis.socket\ndir FOLDER\nsave \"\"\nappendonly no\ndaemonize no\n")
write("nginx.conf", "daemon off; worker_processes 1; pid FOLDER/nginx.pid; error_log stderr crit; events {}\n"
  .. "http { access_log off; client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;\n"
  .. "fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;\n"
  .. "server { listen unix:FOLDER/web.socket; return 200 \"hello\\n\"; } }\n")
-- A killed nginx leaves its socket behind, and a worker that still has it.
write("web", "rm -f FOLDER/web.socket; exec nginx -p FOLDER -c FOLDER/nginx.conf\n")
write("worker", "trap 'echo leaving; sleep 0.6; exit 0' TERM\n"
  .. "while :; do redis-cli -s FOLDER/redis.socket incr jobs >/dev/null; echo job; sleep 0.05 & wait $!; done\n")
os.execute("chmod 755 " .. folder)

function on_start(_, again) print("start", again) end
function on_service(name, state) print(name, state) end

supervisor.run{
  { name = "worker", command = { "sh", folder .. "/worker" }, after = { "web", "db" }, ready = { line = "^job" },
    restart = "always", stdout = reaper.log.lines "worker" },
  { name = "db", command = { "redis-server", folder .. "/redis.conf" }, restart = "always", stdout = "null",
    ready = { exec = { "redis-cli", "-e", "-s", folder .. "/redis.socket", "ping" }, interval = 0.05, timeout = 10 } },
  { name = "web", command = { "sh", folder .. "/web" }, after = { "db" },
    restart = "always", stop = { signal = "QUIT", grace = 5 }, stdout = reaper.log.lines "web",
    ready = { exec = { "test", "-S", folder .. "/web.socket" }, interval = 0.05, timeout = 10 } },
}
]]

local comms = { db = "redis-server", web = "nginx", worker = "sh" }

-- The process of each service: the one that reaper-lua has started, and not what that has forked.
local function pids(c)
  local engine, found = c.nspid, {}
  for name, comm in pairs(comms) do
    for _, process in ipairs(select(2, c:find(comm))) do
      -- The web server, too, is a shell at first.
      if process.ppid == engine and process.state ~= "Z" and not process.args:find("worker process", 1, true)
        and (name ~= "worker" or process.args:find("/worker", 1, true)) then
        found[name] = process
      end
    end
  end
  return found
end

-- The states of all, as they were told last.
local function all_run(c)
  local out = c:out()
  for name in pairs(comms) do
    if out:match(".*\n" .. name .. "\t(%w+)\n") ~= "running" then
      return false
    end
  end
  return true
end

local function await_all(c, without)
  return c:until_true(function()
    local found = pids(c)
    for name in pairs(comms) do
      if not found[name] or without and without[name] and found[name].nspid == without[name].nspid then
        return false
      end
    end
    return all_run(c) and found
  end, 20, "all three to run")
end

local function ask(c, command)
  local pipe = assert(io.popen((command:gsub("{folder}", c.folder))))
  local text = pipe:read("a")
  pipe:close()
  return text
end

-- What the web server answers, or "".
local function get(c)
  local pipe, text, over = uv.new_pipe(), "", false
  pipe:connect(c:file("web.socket"), function(failed)
    if failed then
      over = true
      return
    end
    pipe:write("GET / HTTP/1.0\r\n\r\n")
    pipe:read_start(function(_, bytes)
      text, over = text .. (bytes or ""), bytes == nil
    end)
  end)
  c:until_true(function()
    uv.run("nowait")
    return over
  end, 5, "an answer")
  pipe:close()
  return text
end

local function serve(c)
  c:until_true(function()
    return ask(c, "redis-cli -s {folder}/redis.socket ping 2>&1") == "PONG\n"
      and get(c):find("\r\n\r\nhello\n", 1, true)
  end, 10, "both servers to answer")
  local before = select(2, c:out():gsub("worker: job\n", ""))
  c:until_true(function() return select(2, c:out():gsub("worker: job\n", "")) > before end, 10, "a job")
end

-- They are stopped from the last to the first, in less than a second more than the slowest one needs.
local function stop(c)
  local from, at = #c:out(), uv.hrtime()
  c:kill("TERM")
  assert.equal(0, c:wait())
  assert.truthy((uv.hrtime() - at) / 1e9 < SLOWEST + 1 * container.slow)
  local states = {}
  for name, state in c:out():sub(from + 1):gmatch("(%w+)\t(%w+)\n") do
    states[#states + 1] = name .. " " .. state
  end
  assert.same({ "worker stopping", "worker finished", "web stopping", "web finished", "db stopping", "db finished" },
    states)
end

describe("redis-server, nginx and a worker", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    local function start()
      local c = script.start(SCRIPT, { mode = mode, limit = 120 })
      return c, await_all(c)
    end

    it("come up in order and stop in the reverse order", function()
      local c = start()
      local states = {}
      for name, state in c:out():gsub("start\t%w+\n", ""):gmatch("(%w+)\t(%w+)\n") do
        states[#states + 1] = name .. " " .. state
      end
      assert.same({ "db starting", "db running", "web starting", "web running", "worker starting", "worker running" },
        states)
      serve(c)
      stop(c)
    end)

    for name in pairs(comms) do
      it("survive the kill of " .. name, function()
        local c, before = start()
        c:kill("KILL", before[name].pid)
        c:expect(name .. "\tbackoff\n")
        local now = await_all(c, { [name] = before[name] })
        for other in pairs(comms) do
          assert.equal(other ~= name, now[other].nspid == before[other].nspid, other)
        end
        serve(c)
        stop(c)
      end)
    end

    it("survive the kill of all of them", function()
      local c, before = start()
      for _, process in pairs(before) do
        c:kill("KILL", process.pid)
      end
      await_all(c, before)
      serve(c)
      stop(c)
    end)

    it("survive the kill of the script process, and then of the script process and all of them", function()
      local c, before = start()
      script.kill_script(c)
      c:expect("start\tcrash\n")
      local now = await_all(c)
      for name in pairs(comms) do
        assert.equal(before[name].nspid, now[name].nspid, name)
      end
      serve(c)
      c:kill("STOP", c:find("reaper-script").pid)
      for _, process in pairs(now) do
        c:kill("KILL", process.pid)
      end
      script.kill_script(c)
      await_all(c, now)
      serve(c)
      stop(c)
    end)
  end)
end)
