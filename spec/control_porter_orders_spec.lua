-- Orders to the porter, and what it tells of events and logs.

local container = require "spec.support.container"
local http = require "spec.support.http"

local WEB = http.TWO_SERVICES

describe("orders to the porter", function()
  after_each(container.close_all)

  it("are given to the script process, and waited for as long as one wants", function()
    local c = http.start { script = [[
    require "reaper.supervisor".run {
      { name = "keep", command = { "sleep", "1000" }, reload = { signal = "CONT" } },
      { name = "web 1", command = { "sleep", "1000" } },
      { name = "bad", command = { "false" }, oneshot = true, autostart = false, when_failed = "ignore" },
    }
    ]] }
    local socket = http.socket(c)
    http.expect(c, socket, "/v1/services/web%201", '"state":"running"')
    local function post(path)
      local answer = http.post(socket, path)
      return answer.status, answer.body
    end
    local function check(status, pattern, path)
      local got, body = post(path)
      assert.are.equal(status, got, path .. ": " .. body)
      assert.is_truthy(body:find(pattern), path .. ": " .. body)
    end
    check(200, '^{"result":"done","detail":"web 1: ', "/v1/services/web%201/stop?wait=10")
    check(409, '^{"error":"web 1 is ', "/v1/services/web%201/stop?wait=10")
    check(200, '"detail":"web 1: running %(pid %d+%)"', "/v1/services/web%201/start?wait=10")
    check(200, '"detail":"web 1: running %(pid %d+%)"', "/v1/services/web%201/restart?wait=10")
    check(200, '"result":"', "/v1/services/web%201/signal?signal=HUP")
    check(400, "did you mean XFSZ", "/v1/services/keep/signal?signal=XYZ")
    check(400, "signal=NAME expected, such as signal=HUP", "/v1/services/keep/signal")
    check(400, "signal=NAME: 0 is not a signal", "/v1/services/keep/signal?signal=0")
    check(200, '"result":"', "/v1/services/keep/reload?wait=10")
    check(409, "web 1 has no key 'reload'", "/v1/services/web%201/reload?wait=10")
    check(409, '^{"error":"bad: failed', "/v1/services/bad/start?wait=10")
    check(404, "there is no service 'kep'; did you mean 'keep'", "/v1/services/kep/start")
    check(404, "'main' is COMMAND", "/v1/services/main/start")
    check(400, "wait=SECONDS", "/v1/services/keep/start?wait=x")
    check(400, "wait=SECONDS", "/v1/services/keep/start?wait=4000")
    check(200, '"detail":"script process %d+ works"', "/v1/reload?wait=10")
    check(400, "from 0 to 255", "/v1/shutdown?code=256")
    check(200, '^{"result":"', "/v1/shutdown?code=7")
    assert.are.equal(7, c:wait())
  end)

  it("are answered, too, when what they lead to is the end at once", function()
    for _ = 1, 4 do
      local c = http.start { script = "" }
      local socket = http.socket(c)
      http.expect(c, socket, "/readyz", 200)
      local answer = http.post(socket, "/v1/shutdown?code=3")
      assert.are.equal(200, answer.status, answer.text)
      assert.are.equal(3, c:wait())
    end
  end)

  it("do not keep others waiting", function()
    local c = http.start { script = [[
      require "reaper.supervisor".run { { name = "web", command = { "sleep", "1000" }, autostart = false,
        pre_start = { "sh", "-c", "until [ -e {folder}/go ]; do sleep 0.01; done" } },
        { name = "keep", command = { "sleep", "1000" } } }
    ]] }
    local socket = http.socket(c)
    http.expect(c, socket, "/v1/services/keep", '"state":"running"')
    local client = http.connect(socket):send "POST /v1/services/web/start?wait=30 HTTP/1.1\r\nHost: a\r\n\r\n"
    http.expect(c, socket, "/v1/services/web", '"state":"pre_start"')
    assert.are.equal(200, http.get(socket, "/livez").status)
    assert.are.equal("", client.received)
    local late = http.post(socket, "/v1/services/web/restart?wait=0.2")
    assert.are.equal(504, late.status)
    assert.is_truthy(late.body:find '^{"error":"web: %l+.*; not ready in time"}', late.body)
    io.open(c:file "go", "w"):close()
    assert.are.equal(200, client:answer().status)
  end)
end)

describe("events by the porter", function()
  after_each(container.close_all)

  it("are told behind a number, and followed while the client is there", function()
    local c = http.start { script = WEB }
    local socket = http.socket(c)
    http.expect(c, socket, "/v1/events", '"name":"work","state":"running"}\n')
    assert.is_nil(http.get(socket, "/v1/events?since=1").body:find '"seq":1,')
    assert.are.equal(404, http.get(socket, "/v1/events?since=100000").status)
    local client = http.connect(socket):send "GET /v1/events?follow=1&since=1 HTTP/1.0\r\n\r\n"
    client:expect '"name":"work","state":"running"}\n'
    assert.is_nil(client.received:find "[Cc]ontent%-[Ll]ength")
    http.post(socket, "/v1/services/web/stop")
    client:expect '"name":"web","state":"stopping"'
    local _, count = client.received:gsub('"name":"work","state":"running"', "")
    assert.are.equal(1, count)
    client:close()
    for _ = 1, 40 do -- of which 32 could be there at once, if those that have gone stayed
      local other = http.connect(socket):send "GET /v1/events?follow=1 HTTP/1.1\r\nHost: a\r\n\r\n"
      other:expect "seq"
      other:close()
      c:until_true(function()
        return http.get(socket, "/livez").status == 200
      end)
    end
  end)
end)

describe("logs by the porter", function()
  after_each(container.close_all)

  it("are the last lines of a service, and those that follow", function()
    local c = http.start { script = [[
      require "reaper.supervisor".run {
        { name = "web", log = true, command = { "sh", "-c",
          "echo one; echo two; until [ -e {folder}/go ]; do sleep 0.01; done; echo three; sleep 1000" } },
        { name = "work", command = { "sleep", "1000" } },
      }
    ]] }
    local socket = http.socket(c)
    http.expect(c, socket, "/v1/logs/web", "^one\ntwo\n$")
    assert.are.equal("two\n", http.get(socket, "/v1/logs/web?n=1").body)
    assert.are.equal(400, http.get(socket, "/v1/logs/web?n=x").status)
    local answer = http.get(socket, "/v1/logs/work")
    assert.are.equal(404, answer.status)
    assert.is_truthy(answer.body:find "log = true", answer.body)
    assert.are.equal(404, http.get(socket, "/v1/logs/nix").status)
    local client = http.connect(socket):send "GET /v1/logs/web?n=1&follow=1 HTTP/1.1\r\nHost: a\r\n\r\n"
    client:expect "\r\n\r\ntwo\n$"
    io.open(c:file "go", "w"):close()
    client:expect "\r\n\r\ntwo\nthree\n$"
    client:close()
  end)
end)
