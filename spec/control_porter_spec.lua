-- The porter: a process that answers while the script process is blocked or lost, and that nobody has to wait for.

local uv = require "luv"
local container = require "spec.support.container"
local http = require "spec.support.http"

local WEB = http.TWO_SERVICES

describe("the porter", function()
  after_each(container.close_all)

  it("is not there unless it is asked for", function()
    local c = container.start { script = WEB }
    c:until_true(function()
      return c:find "sleep"
    end)
    assert.is_nil(c:find "reaper-porter")
    local _, all = c:find(container.comm)
    assert.are.equal(1, #all)
  end)

  container.each_mode(function(mode)
    it("answers on its socket, and takes it away when the container ends", function()
      local c = http.start { mode = mode, script = WEB }
      local socket = http.socket(c)
      assert.are.equal("600", http.mode_of(socket))
      local answer = http.expect(c, socket, "/v1/status", '"name":"work","state":"running"')
      assert.is_truthy(answer.body:find('"pid":' .. c.nspid .. ",", 1, true), answer.body)
      answer = http.get(socket, "/v1/services/web")
      assert.is_truthy(answer.body:find '^{"v":1,"name":"web","state":"running","ready":true,', answer.body)
      assert.are.equal(404, http.get(socket, "/v1/services/wbe").status)
      answer = http.get(socket, "/v1/processes")
      assert.is_truthy(answer.body:find('"role":"porter","pid":' .. http.porter(c).nspid .. ",", 1, true), answer.body)
      assert.are.equal(200, http.get(socket, "/livez").status)
      assert.are.equal(200, http.get(socket, "/readyz").status)
      assert.is_truthy(http.get(socket, "/metrics").body:find 'reaper_service_state{service="web",state="running"} 1\n')
      c:kill "TERM"
      assert.are.equal(0, c:wait())
      assert.is_nil(uv.fs_lstat(socket))
      assert.are.equal("", c:err())
    end)

    it("is started again when it is lost, with its old socket's name", function()
      local c = http.start { mode = mode, command = { "sleep", "1000" } }
      local socket = http.socket(c)
      local first = http.porter(c)
      c:kill("KILL", first.pid)
      c:until_true(function()
        local now = c:find "reaper-porter"
        return now and now.nspid ~= first.nspid and uv.fs_stat(socket)
      end)
      http.expect(c, socket, "/livez", 200)
      c:err_expect "^reaper%-lua: the porter ended %(signal SIGKILL%); starting it again in 0%.1 s\n"
      c:kill "TERM"
      assert.are.equal(143, c:wait())
      assert.is_nil(uv.fs_lstat(socket))
    end)
  end)

  it("does not delay the end when it is stopped, and takes its socket away", function()
    local c = http.start { command = { "sleep", "1000" } }
    local socket = http.socket(c)
    local porter = http.porter(c)
    c:kill("STOP", porter.pid)
    c:until_true(function()
      return c:find "reaper-porter".state == "T"
    end)
    c:kill "TERM"
    assert.are.equal(143, c:wait())
    assert.is_nil(uv.fs_lstat(socket))
  end)

  it("ends with an engine that is killed, and takes its socket away", function()
    local c = container.start { raw = {}, program = { "sh", "-c",
      container.binary .. " --control {folder}/control -- sleep 1000 & wait; exec sleep 1000" } }
    local socket = http.socket(c)
    c:kill("KILL", c:find(container.comm).pid)
    c:until_true(function()
      return not uv.fs_lstat(socket)
    end)
    c:until_true(function()
      local porter = c:find "reaper-porter" -- which the shell does not reap
      return not porter or porter.state == "Z"
    end)
  end)

  it("does not hear the signals that everybody gets", function()
    local c = http.start { command = { "sleep", "1000" } }
    local socket, porter = http.socket(c), http.porter(c)
    for _, name in ipairs { "TERM", "INT", "HUP", "QUIT", "USR1", "PIPE", "ALRM", "CHLD" } do
      c:kill(name, porter.pid)
    end
    assert.are.equal(200, http.get(socket, "/livez").status)
    assert.are.equal(porter.nspid, http.porter(c).nspid)
  end)

  it("answers while the script process is blocked, and tells who gives it an order", function()
    local c = http.start { script = WEB .. [[
      reaper.on("on_signal", function() os.execute "sleep 1000" end)
    ]], args = { "--control", "{folder}/control", "--hook-timeout", "100" } }
    local socket = http.socket(c)
    http.expect(c, socket, "/v1/services/work", '"state":"running"')
    c:kill "USR1"
    local answer = http.expect(c, socket, "/v1/status", '"state":"blocked"')
    assert.is_truthy(answer.body:find '"hook":"on_signal"', answer.body)
    assert.are.equal(200, http.get(socket, "/livez").status)
    answer = http.post(socket, "/v1/services/web/stop?wait=0.3")
    assert.are.equal(504, answer.status)
    assert.is_truthy(answer.body:find '^{"error":"no answer in time from script process %d+, which has been busy',
      answer.body)
  end)

  it("answers while the script process is lost, and tells who gives it an order", function()
    local c = http.start { script = [[
      if io.open "{folder}/broken" then
        error "broken"
      end
    ]] .. WEB }
    local socket = http.socket(c)
    http.expect(c, socket, "/v1/services/web", '"state":"running"')
    io.open(c:file "broken", "w"):close()
    c:kill("KILL", c:find("reaper-script").pid)
    http.expect(c, socket, "/v1/status", '"state":"down"')
    assert.are.equal(200, http.get(socket, "/livez").status)
    local answer = http.post(socket, "/v1/services/web/stop?wait=0.2")
    -- One that is just being loaded may get the order, and end before it has read it.
    local is_taken = answer.body:find '^{"error":"no answer in time from script process '
    assert.are.equal(is_taken and 504 or 503, answer.status, answer.text)
    assert.is_truthy(is_taken or answer.body:find '^{"error":"no script process took the order in time: ', answer.body)
  end)

  it("tells that there is no script which takes orders", function()
    local c = http.start { command = { "sleep", "1000" } }
    local socket = http.socket(c)
    for _, path in ipairs { "/v1/reload", "/v1/shutdown", "/v1/services/main/signal?signal=HUP" } do
      local answer = http.post(socket, path)
      assert.are.equal(503, answer.status, answer.text)
      assert.is_truthy(answer.body:find "there is no script", answer.body)
    end
    assert.are.equal(503, http.get(socket, "/v1/events").status)
  end)

  it("says that the container is stopping, and does not hold it up", function()
    local c = http.start { mode = "subreaper", script = [[
      local stop = { grace = 10 }
      require "reaper.supervisor".run { { name = "web", stop = stop, command = { "sh", "-c",
        "trap 'while [ ! -e {folder}/go ]; do sleep 0.01; done; exit 0' TERM; sleep 1000 & wait" } } }
    ]] }
    local socket = http.socket(c)
    http.expect(c, socket, "/readyz", 200)
    c:kill "TERM"
    local answer = http.expect(c, socket, "/readyz", 503)
    assert.is_truthy(answer.body:find "stopping", answer.body)
    assert.are.equal(200, http.get(socket, "/livez").status)
    io.open(c:file "go", "w"):close()
    c:wait()
  end)

  it("is not waited for at the end, also while it has clients", function()
    local function duration(args)
      local c = container.start { args = args, script = "", command = { "sleep", "1000" } }
      local client
      if args[1] then
        client = http.connect(http.socket(c)):send "GET /v1/events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n"
        client:expect "\r\n\r\n"
      else
        c:until_true(function()
          return c:find "sleep" and c:find "reaper-script"
        end)
      end
      local begin = uv.hrtime()
      c:kill "TERM"
      c:wait()
      if client then
        client:answer()
      end
      return (uv.hrtime() - begin) / 1e6
    end
    local least_with, least_without = math.huge, math.huge
    for _ = 1, 4 do
      least_with = math.min(least_with, duration { "--control", "{folder}/control" })
      least_without = math.min(least_without, duration {})
    end
    assert.is_true(least_with < least_without + 100 * container.slow, ("%g ms and %g ms"):format(least_with,
      least_without))
  end)

  it("that is stopped is killed after a second", function()
    local c = http.start { command = { "sleep", "1000" } }
    http.socket(c)
    c:kill("STOP", http.porter(c).pid)
    local begin = uv.hrtime()
    c:kill "TERM"
    assert.are.equal(143, c:wait())
    assert.is_true(uv.hrtime() - begin < 8e9 * container.slow)
  end)

  it("does not keep a container without /proc", function()
    if container.sanitized then
      return pending "the sanitizers need /proc"
    end
    local c = http.start { no_proc = true, command = { "sleep", "1000" } }
    local socket = http.socket(c)
    http.expect(c, socket, "/readyz", 200)
    local begin = uv.hrtime()
    c:kill "TERM"
    assert.are.equal(143, c:wait())
    assert.is_true(uv.hrtime() - begin < 4e9 * container.slow)
    assert.is_nil(uv.fs_lstat(socket))
  end)

  it("does not wake up, nor the engine, while nobody asks", function()
    local c = http.start { command = { "sleep", "1000" } }
    local socket, porter = http.socket(c), http.porter(c)
    http.expect(c, socket, "/readyz", 200)
    local function switches()
      local counts = {}
      for i, pid in ipairs { c.pid, porter.pid } do
        counts[i] = container.read_file(("/proc/%d/status"):format(pid)):match "\nvoluntary_ctxt_switches:\t(%d+)"
      end
      return counts
    end
    uv.sleep(1100) -- for the last second of the connection
    local before = switches()
    uv.sleep(1500)
    assert.are.same(before, switches())
  end)

  it("keeps nothing of the engine's but what it needs", function()
    local c = http.start { script = WEB }
    http.socket(c)
    local porter = http.porter(c)
    local maps = container.read_file(("/proc/%d/maps"):format(porter.pid))
    assert.is_nil(maps:find "rw%-s")
    assert.is_truthy(maps:find "r%-%-s %S+ %S+ %S+%s+/memfd:reaper%-engine")
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(("/proc/%d/fd"):format(porter.pid))) do
      local link = uv.fs_readlink(("/proc/%d/fd/%s"):format(porter.pid, name)) or ""
      assert.is_nil(link:find "memfd", link)
    end
    assert.is_truthy(container.read_file(("/proc/%d/status"):format(porter.pid)):find "NoNewPrivs:\t1\n")
  end)
end)

describe("--http", function()
  after_each(container.close_all)

  it("answers probes and Prometheus, and takes no orders", function()
    local port = http.free_port()
    local c = http.start { script = WEB, args = { "--http", "127.0.0.1:" .. port } }
    http.wait_for_port(c, port)
    http.expect(c, port, "/readyz", 200)
    assert.are.equal(200, http.get(port, "/livez").status)
    assert.are.equal("text/plain; version=0.0.4; charset=utf-8", http.get(port, "/metrics").headers["content-type"])
    for _, path in ipairs { "/v1/status", "/v1/services/web", "/v1/processes", "/v1/events", "/v1/logs/web", "/" } do
      assert.are.equal(404, http.get(port, path).status, path)
    end
    for _, path in ipairs { "/v1/services/web/stop", "/v1/reload", "/v1/shutdown", "/livez", "/" } do
      assert.are.equal(403, http.post(port, path).status, path)
    end
    assert.are.equal(405, http.get(port, "/livez", "DELETE").status)
  end)

  it("tells that its port is taken, and takes it when it can", function()
    local port = http.free_port()
    local server = uv.new_tcp()
    server:bind("127.0.0.1", port)
    server:listen(8, function() end)
    local c = http.start { command = { "sleep", "1000" }, args = { "--http", "127.0.0.1:" .. port } }
    c:err_expect(("^reaper%%-lua: %%-%%-http 127.0.0.1:%d: bind: Address [%%l ]*in use; trying again\n"):format(port))
    server:close()
    uv.run "nowait"
    c:err_expect(("\nreaper%%-lua: %%-%%-http: listening on 127.0.0.1:%d\n$"):format(port))
    http.expect(c, port, "/livez", 200)
  end)
end)
