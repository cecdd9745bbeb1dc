-- Three services in one container of a pod: one writes a page, one serves it, one looks at it as a client does.
local restart = require "reaper.restart"
local supervisor = require "reaper.supervisor"

local render = [[
  [ -n "$TITLE" ] || exit 78 # EX_CONFIG of sysexits.h
  mkdir -p /run/www
  while echo "<h1>$TITLE</h1>$(date)" >/run/www/index.html; do
    echo rendered
    sleep 5
  done
  exit 1]]
local fetch = { "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/" }

supervisor.run {
  { name = "render", command = { "sh", "-c", render }, ready = { line = "^rendered", timeout = 10 },
    restart = restart.by_code { [78] = restart.never, default = restart.backoff { initial = 1, max = 30 } } },
  { name = "web", command = { "httpd", "-f", "-p", "8080", "-h", "/run/www" }, after = { "render" },
    ready = { exec = fetch, interval = 0.2, timeout = 10 },
    restart = restart.limit("on-failure", { max = 3, window = 60 }) },
  { name = "client", command = { "sh", "-c", 'while "$@"; do sleep 1; done; exit 1', "client", table.unpack(fetch) },
    after = { "web" }, restart = restart.backoff { initial = 1, max = 30 } },
}

function on_service(name, state, detail)
  reaper.log("info", name .. " is " .. state, { detail = detail })
end
