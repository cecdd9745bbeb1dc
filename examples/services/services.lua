-- A container of three services: redis-server, nginx after it, and a worker in Python after both. See the Dockerfile.
local supervisor = require "reaper.supervisor"
local app, data = os.getenv "APP" or "/app", os.getenv "DATA" or "/data"

function on_service(name, state, detail) -- each change of a state
  print(("%s is %s%s"):format(name, state, detail and ": " .. detail or ""))
end

supervisor.run {
  -- What holds for all that do not say otherwise: whatever ends is started again, after a delay that grows. This does
  -- not concern one-shots and schedules, which are to end.
  defaults = { restart = "always", stop = { grace = 10 } },

  -- Once, before all others: a volume is empty at first.
  { name = "prepare", oneshot = true,
    command = { "install", "-d", "-o", "redis", "-g", "redis", data .. "/redis" } },

  -- Redis listens before it has loaded its data, so it is asked whether it is ready. Where the disk is full, it goes on
  -- in memory, and still ends when it is told to.
  { name = "db", after = { "prepare" }, user = "redis",
    command = { "redis-server", "--bind", "127.0.0.1", "--dir", data .. "/redis", "--save", "60 1",
      "--stop-writes-on-bgsave-error", "no", "--shutdown-on-sigterm", "force" },
    ready = { exec = { "redis-cli", "-e", "ping" }, interval = 0.1 },
    health = { tcp = "127.0.0.1:6379", interval = 10, timeout = 5 },
    stdout = reaper.log.lines "db" },

  -- QUIT lets nginx finish its requests. supervisor.reload "web" loads its configuration.
  { name = "web", after = { "db" }, command = { "nginx", "-c", app .. "/nginx.conf" },
    pre_start = { "nginx", "-t", "-q", "-c", app .. "/nginx.conf" },
    ready = { http = "http://127.0.0.1:8080/health", interval = 0.1 },
    health = { http = "http://127.0.0.1:8080/health", interval = 10, timeout = 5 },
    stop = { signal = "QUIT" }, reload = { signal = "HUP" },
    stdout = reaper.log.file(data .. "/access.log", { max = 2 ^ 20, keep = 3 }) },

  -- On TERM it finishes its job.
  { name = "worker", after = { "db", "web" }, user = "nobody", command = { "python3", "-u", app .. "/worker.py" },
    ready = { line = "^ready" }, stdout = reaper.log.lines "worker" },

  -- A job of cron.
  { name = "save", after = { "db" }, schedule = "@hourly", timeout = 60,
    command = { "redis-cli", "-e", "bgsave" } },
}
