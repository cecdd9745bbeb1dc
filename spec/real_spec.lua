-- A real server as COMMAND: nginx, with its master and workers.

local container = require "spec.support.container"

local CONFIG = [[
daemon off;
worker_processes 2;
pid %s/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;
  server { listen unix:%s/socket; return 200 "hello\n"; }
}
]]

-- The script writes the configuration before nginx is started.
local SCRIPT = ([[
local folder = "{folder}"
local file = assert(io.open(folder .. "/nginx.conf", "w"))
file:write((%q):gsub("%%%%s", folder), "")
file:close()
os.execute("chmod 755 " .. folder)
reaper.configure{ rewrite = { TERM = "QUIT" } }
function on_start(pid) print("started", pid) end
function on_reap(pid, status, rusage, info) print("reaped", info.comm, status, info.main) end
function on_exit(code) print("left with", code) end
]]):format(CONFIG)

describe("nginx", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("serves, loses a worker, and is stopped in good order", function()
      local c = container.start { mode = mode, script = SCRIPT,
        command = { "nginx", "-p", "{folder}", "-c", "{folder}/nginx.conf" } }
      local workers
      c:until_true(function()
        workers = select(2, c:find("nginx"))
        return #workers == 3
      end, 10, "a master and two workers")
      local master = workers[1]
      c:kill("KILL", workers[2].pid)
      c:expect("worker process %d+ exited on signal 9")
      c:until_true(function()
        return #select(2, c:find("nginx")) == 3
      end, 10, "the worker to be replaced")
      assert.equal(master.pid, c:find("nginx").pid)
      c:kill("HUP")
      c:expect("reconfiguring")
      c:kill("TERM")
      assert.equal(0, c:wait())
      assert.truthy(c:err():find("gracefully shutting down", 1, true))
      assert.truthy(c:out():find("reaped\tnginx\texit 0\ttrue\nleft with\t0\n", 1, true))
    end)
  end)
end)
