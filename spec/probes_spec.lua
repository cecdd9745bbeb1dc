-- reaper.supervisor: probes by the network (http, tcp), and what a probe's command says. Servers run in a network
-- namespace of their own, so that every port is free.

local container = require "spec.support.container"
local support = require "spec.support.services"

local TELL = [[
local supervisor = require "reaper.supervisor"
function on_service(name, state, detail)
  print(name .. " " .. state)
  io.stderr:write(name, " ", state, ": ", tostring(detail), "\n")
end
]]

local run, start = support.below(TELL)

local URL = "http://127.0.0.1:8080/healthz"
local OK = "HTTP/1.1 200 OK\r\n\r\n"

local function in_net(options)
  options = options or {}
  options.wrap = { container.helper, "net", "--" }
  options.mode = options.mode or "init"
  return options
end

-- A service that answers as the helper does.
local function server(how, text, more, family, port)
  return ('{ name = "db", command = { %q, "serve", %q, %q, %q, %q }, stop = { grace = 1 }, %s },\n'):format(
    container.helper, family or "4", port or "8080", how, text, more)
end

-- Starts a server with this readiness, which comes.
local function comes_up(how, text, ready, family, port)
  local c = start(server(how, text, "ready = " .. ready, family, port), in_net())
  c:expect "db running\n"
  return c
end

-- The service is stopped for its health; `why` is what stands in the detail behind the address.
local function is_unhealthy(how, text, why, health, address)
  local c = start(server(how, text, ("restart = 'never', health = { interval = 0.3, retries = 1, timeout = 2, %s }")
    :format(health or ("http = %q"):format(URL))), in_net())
  c:err_expect("db stopping: health: 1 failure: " .. (address or URL):gsub("%p", "%%%0") .. ": "
    .. why:gsub("%p", "%%%0") .. "\n")
  return c
end

describe("a probe by http", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is good when the server answers", function()
      local c = start(server("say", OK, ("ready = { http = %q, interval = 0.05 }"):format(URL))
        .. '{ name = "web", command = { "sleep", "100" }, after = { "db" } },\n', in_net { mode = mode })
      c:expect "listening\n.*db running\nweb starting\nweb running\n"
      c:kill "TERM"
      assert.equal(0, c:wait())
    end)
  end)

  it("asks as HTTP/1.1 has it", function()
    local c = comes_up("say", OK, '{ http = "http://localhost:8080/a/b?c=d&e=%20", interval = 0.05 }')
    c:expect "< GET /a/b%?c=d&e=%%20 HTTP/1.1\n< Host: localhost:8080\n"
    c:expect "< User%-Agent: reaper%-lua/%d+%.%d+%.%d+\n.*< Connection: close\n"
  end)

  it("asks port 80 for / where the URL does not say it", function()
    local c = comes_up("say", OK, '{ http = "http://127.0.0.1", interval = 0.05 }', "4", "80")
    c:expect "< GET / HTTP/1.1\n< Host: 127.0.0.1\n"
  end)

  it("takes HTTP/1.0, no reason, and a redirection, which is not followed", function()
    comes_up("say", "HTTP/1.0 204\r\n\r\n", ("{ http = %q, interval = 0.05 }"):format(URL))
    comes_up("say", "HTTP/1.0 302 Found\nLocation: http://192.0.2.1/\n\n",
      ("{ http = %q, interval = 0.05 }"):format(URL))
  end)

  it("finds a server at either address of localhost", function()
    comes_up("say", OK, '{ http = "http://localhost:8080/", interval = 0.05 }', "4")
    comes_up("say", OK, '{ http = "http://localhost:8080/", interval = 0.05 }', "6")
    comes_up("say", OK, '{ http = "http://[::1]:8080/", interval = 0.05 }', "6")
  end)

  it("does not wait for an answer that never ends", function()
    local c = comes_up("flood", "HTTP/1.1 200 OK\r\n\r\n", ("{ http = %q, interval = 0.05 }"):format(URL))
    local taken = tonumber((c:expect "flooded (%d+)\n"))
    assert.is_true(taken < 8 << 20, taken)
    comes_up("flood", "HTTP/1.1 200 " .. ("x"):rep(3000) .. "\r\n\r\n", ("{ http = %q, interval = 0.05 }"):format(URL))
  end)

  it("is good although the rest of the answer comes slowly", function()
    comes_up("drip", "HTTP/1.1 200\r\n" .. ("x"):rep(1000),
      ("{ http = %q, interval = 0.05, timeout = 20 }"):format(URL))
  end)

  it("fails for another answer, which is told", function()
    is_unhealthy("say", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "503 Service Unavailable")
    is_unhealthy("say", "HTTP/1.1 404 \r\n\r\n", "404")
    is_unhealthy("say", "HTTP/1.1 500 \27[31mno\194\155\255\r\n\r\n", 'no HTTP answer, but "HTTP/1.1 500 no?\u{fffd}"')
  end)

  it("fails for what is no answer", function()
    is_unhealthy("say", "220 mail ESMTP\r\n", 'no HTTP answer, but "220 mail ESMTP"')
    is_unhealthy("say", "HTTP/2 200 OK\r\n\r\n", 'no HTTP answer, but "HTTP/2 200 OK"')
    is_unhealthy("say", "HTTP/1.1 200 OK", 'no HTTP answer, but "HTTP/1.1 200 OK"')
    is_unhealthy("say", "", "no HTTP answer")
    is_unhealthy("flood", "HTTP/1.1 ", 'no HTTP answer, but "HTTP/1.1 ' .. ("?"):rep(51) .. '…"')
  end)

  it("fails when the server says nothing, or too slowly, for longer than the timeout", function()
    is_unhealthy("hold", "", "it took longer than 0.3 s", ("http = %q, timeout = 0.3"):format(URL))
    is_unhealthy("drip", OK, "it took longer than 0.3 s", ("http = %q, timeout = 0.3"):format(URL))
  end)

  it("fails when nobody listens", function()
    is_unhealthy("say", OK, "Connection refused", 'http = "http://127.0.0.1:8081/x?token=secret"',
      "http://127.0.0.1:8081/x")
    is_unhealthy("say", OK, "Connection refused", 'http = "http://localhost:8081/"', "http://localhost:8081/")
  end)

  it("fails when the server closes at once", function()
    local c = start(server("close", "", ("restart = 'never', health = { interval = 0.3, retries = 3, http = %q }")
      :format(URL)), in_net())
    local why = c:err_expect("db stopping: health: 3 failures: http://127.0.0.1:8080/healthz: ([^\n]*)\n")
    assert.is_true(why == "no HTTP answer" or why == "Connection reset by peer" or why == "Broken pipe", why)
  end)

  it("says why a service was not ready in time", function()
    local _, err = run(server("hold", "", ("restart = 'never', ready = { http = %q, interval = 0.05, "
      .. "timeout = 0.5 }"):format(URL)), in_net())
    assert.matches("not ready within 0.5 s: http://127.0.0.1:8080/healthz: no answer yet", err, 1, true)
    -- No try is under way when the time is over, unless it takes half a second.
    _, err = run(server("say", "HTTP/1.1 500 No\r\n\r\n", ("restart = 'never', ready = { http = %q, interval = 1, "
      .. "timeout = 1.5 }"):format(URL)), in_net())
    assert.matches("not ready within 1.5 s: http://127.0.0.1:8080/healthz: 500 No", err, 1, true)
  end)

  it("leaves no descriptor behind, however often it asks", function()
    local c = start(server("say", "HTTP/1.1 500 No\r\n\r\n", ("ready = { http = %q, interval = 0.005, timeout = 1000 }")
      :format(URL)), in_net(), [[
      local function count()
        local n = 0
        for _ in io.popen("ls /proc/$PPID/fd"):lines() do n = n + 1 end
        return n
      end
      local first
      reaper.after(0.3, function() first = count() end)
      reaper.after(1, function() print("more: " .. count() - first) end)]])
    local more = tonumber((c:expect("more: (%-?%d+)\n", 30)))
    assert.is_true(more < 3, more)
  end)
end)

describe("a probe by tcp", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("is good when somebody listens", function()
      local c = start('{ name = "db", command = { "sh", "-c", "sleep 0.3; exec ' .. container.helper
        .. ' serve 4 5432 hold x" }, ready = { tcp = "127.0.0.1:5432", interval = 0.02 } },\n', in_net { mode = mode })
      c:expect "listening\n.*db running\n"
    end)
  end)

  it("finds a server at either address of localhost", function()
    comes_up("hold", "", '{ tcp = "localhost:8080", interval = 0.05 }', "4")
    comes_up("hold", "", '{ tcp = "localhost:8080", interval = 0.05 }', "6")
    comes_up("hold", "", '{ tcp = "[::1]:8080", interval = 0.05 }', "6")
  end)

  it("fails when nobody listens", function()
    is_unhealthy("hold", "", "Connection refused", 'tcp = "127.0.0.1:5432"', "127.0.0.1:5432")
    is_unhealthy("hold", "", "Connection refused", 'tcp = "[::1]:5432"', "[::1]:5432")
  end)

  it("is not taken in by a connection with itself", function()
    -- The kernel has one port to choose from, which is the one that is asked for.
    local c = start('{ name = "db", command = { "sleep", "100" }, restart = "never", '
      .. 'health = { tcp = "127.0.0.1:40000", interval = 0.01, retries = 5, timeout = 1 } },\n',
      { mode = "init", wrap = { container.helper, "net", "--", "sh", "-c",
        'echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range; exec "$@"', "sh" } })
    c:err_expect "db stopping: health: 5 failures: 127.0.0.1:40000: %u[%w ]+\n"
  end)
end)

describe("what a probe's command writes", function()
  after_each(container.close_all)

  -- The detail for a command that fails.
  local function detail_of(command, more)
    local c = start(('{ name = "db", command = { "sleep", "100" }, restart = "never", health = { retries = 1, '
      .. 'interval = 0.05, exec = { "sh", "-c", %q }, %s } },\n'):format(command, more or ""), { mode = "init" })
    local found = c:err_expect "db stopping: health: 1 failure: ([^\n]*)\n"
    assert.is_nil(c:err():find("\nhid", 1, true))
    assert.is_nil(c:out():find("hid", 1, true))
    return found, c
  end

  it("stands in the detail when it fails: the last line, of stdout or stderr", function()
    assert.equal("curl: (7) failed (exit 7)", detail_of "echo hid; echo 'curl: (7) failed' >&2; echo; exit 7")
    assert.equal("said (exit 1)", detail_of "echo hidden >&2; printf ' said'; exit 1")
    assert.equal("exit 3", detail_of "exit 3")
    assert.equal("it took longer than 0.3 s: still here", detail_of("echo still here; sleep 100", "timeout = 0.3"))
  end)

  it("goes nowhere when it ends well", function()
    local c = start('{ name = "db", command = { "sleep", "100" }, ready = { exec = { "sh", "-c", '
      .. '"echo hidden; echo hidden >&2" } } },\n', { mode = "init" })
    c:expect "db running\n"
    assert.is_nil((c:out() .. c:err()):find "hidden")
  end)

  it("is short, in one line, and steers no terminal", function()
    assert.equal(("x"):rep(200) .. "… (exit 1)", detail_of "printf '%0300d' 0 | tr 0 x; exit 1")
    assert.equal("red?b?c\u{fffd} (exit 1)", detail_of [[printf '\033[31mred\033[0m\001b\302\233c\377\n'; exit 1]])
    local found = detail_of "printf '%0300d' 0 | sed 's/0/é/g'; exit 1"
    assert.is_truthy(utf8.len(found), found)
  end)

  it("is read and dropped when it never ends", function()
    local found, c = detail_of("exec yes hid", "timeout = 1.5")
    assert.equal("it took longer than 1.5 s: hid", found)
    c:kill "TERM"
    c:wait()
  end)

  it("delays nothing when another process has its output open", function()
    local c = start('{ name = "db", command = { "sleep", "100" }, ready = { exec = { "sh", "-c", '
      .. '"setsid sleep 50 & exit 0" } } },\n', { mode = "init" })
    c:expect "db running\n"
    assert.equal("said (exit 1)", detail_of "setsid sleep 50 & echo said; exit 1")
    assert.equal("hid (exit 1)", detail_of "setsid yes hid & sleep 0.1; exit 1")
  end)
end)
