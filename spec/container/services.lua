-- The image of examples/services, with the programs of this machine: without a network Debian's cannot be had.

local expect = require "spec.container.expect"
local shell = require "spec.container.shell"

local FOLDER = "examples/services/"
local ROOT = "/run/services-root"

-- All of an image but /usr, which is mounted.
local function make_root()
  shell.must(("rm -rf %s && mkdir -p %s"):format(ROOT, ROOT))
  shell.must(("cd %s && mkdir -p etc run usr var/lib/nginx && mkdir -m 1777 tmp"):format(ROOT))
  shell.must(("for name in bin sbin lib lib64; do ln -s usr/$name %s/$name; done"):format(ROOT))
  shell.must(("cp /etc/passwd /etc/group %s/etc"):format(ROOT))
end

local function build(engine)
  make_root()
  local text = shell.read(FOLDER .. "Dockerfile")
  local dockerfile, count = text:gsub("FROM debian.-\nCOPY", "FROM scratch\nCOPY root /\nCOPY")
  expect.equal(1, count, "FROM in the Dockerfile")
  engine:build("services", dockerfile, {
    root = ROOT, ["reaper-lua-static"] = "/run/reaper-lua", ["services.lua"] = FOLDER .. "services.lua",
    ["nginx.conf"] = FOLDER .. "nginx.conf", ["worker.py"] = FOLDER .. "worker.py",
  })
end

local jobs = 0

-- Waits until both servers answer, and the worker has done a job.
local function serve(engine, id)
  jobs = jobs + 1
  local job = "0.000" .. jobs
  local get = shell.quote [[exec 3<>/dev/tcp/127.0.0.1/8080 && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3]]
  shell.until_true("nginx to answer", function()
    local _, text = engine(("exec %s bash -c %s"):format(id, get))
    return text:find("hello\n", 1, true), text
  end)
  shell.until_true("Redis to answer", function()
    local _, text = engine(("exec %s redis-cli lpush jobs %s"):format(id, job))
    return text:find "^%d", text
  end)
  engine:expect(id, "worker: done " .. job)
end

return function(engine, check)
  check("redis-server, nginx and a worker", function()
    build(engine)
    local id = engine:start "--volume /usr:/usr:ro services"
    engine:expect(id, "worker is running")
    serve(engine, id)
    engine:must(("exec %s bash -c %s"):format(id, shell.quote "kill -9 $(</run/nginx.pid)"))
    engine:expect(id, "web is backoff: signal SIGKILL.*web is running")
    serve(engine, id)
    local seconds, code = engine:stop(id, 20)
    expect.quick(seconds)
    expect.equal(0, code)
    engine:expect(id, "worker is finished: exit 0.*web is finished: exit 0.*db is finished: exit 0")
  end)
end
