-- What the porter takes for a request, by the letter of RFC 9112, and how it answers.

local uv = require "luv"
local container = require "spec.support.container"
local http = require "spec.support.http"

local LONG = ("x"):rep(9000)

-- What is asked, in full, and the status of the answer. A line ends at "|".
local CASES = {
  -- Good ones.
  { "GET /livez HTTP/1.1|Host: a||", 200 },
  { "GET /livez HTTP/1.0||", 200 },
  { "GET /livez HTTP/1.1|host:a||", 200 },
  { "GET /livez HTTP/1.1|Host:||", 200 },
  { "GET /livez HTTP/1.1|Host: [::1]:80 \t|X-Any: \tb\tc d\xff ||", 200 },
  { "GET /livez HTTP/1.7|Host: a||", 200 },
  { "||GET /livez HTTP/1.1|Host: a||", 200 },
  { "GET http://b/livez HTTP/1.1|Host: a||", 200 },
  { "GET HTTP://b:80/v1/status? HTTP/1.1|Host: a||", 200 },
  { "GET /%6Civez HTTP/1.1|Host: a||", 200 },
  { "GET /livez HTTP/1.1|Host: a|Content-Length: 0||", 200 },
  { "HEAD /livez HTTP/1.1|Host: a||", 200 },
  { "GET /livez HTTP/1.1|Host: a|Connection: keep-alive||GET /v1/status HTTP/1.1|Host: a||", 200 },
  { "GET /livez HTTP/1.1|Host: a||\0garbage", 200 },
  -- Malformed ones.
  { "GET /livez||", 400 },
  { "GET  /livez HTTP/1.1|Host: a||", 400 },
  { "GET /livez HTTP/1.1 |Host: a||", 400 },
  { " GET /livez HTTP/1.1|Host: a||", 400 },
  { "GET /livez http/1.1|Host: a||", 400 },
  { "GET /livez HTTP/11|Host: a||", 400 },
  { "G(T /livez HTTP/1.1|Host: a||", 400 },
  { "GET livez HTTP/1.1|Host: a||", 400 },
  { "GET http:///livez HTTP/1.1|Host: a||", 400 },
  { "GET /livez#a HTTP/1.1|Host: a||", 400 },
  { "GET /liv\"ez HTTP/1.1|Host: a||", 400 },
  { "GET /liv%zzez HTTP/1.1|Host: a||", 400 },
  { "GET /livez% HTTP/1.1|Host: a||", 400 },
  { "GET /livez%4 HTTP/1.1|Host: a||", 400 },
  { "GET /livez%00 HTTP/1.1|Host: a||", 400 },
  { "GET /v1/events?since=%0a HTTP/1.1|Host: a||", 400 },
  { "GET /v1/events?since=1&since=1 HTTP/1.1|Host: a||", 400 },
  { "GET /v1/events?since=x HTTP/1.1|Host: a||", 400 },
  { "GET /livez?a=b HTTP/1.1|Host: a||", 400 },
  { "GET /v1/events?follow=yes HTTP/1.1|Host: a||", 400 },
  { "GET /livez HTTP/1.1||", 400 },
  { "GET /livez HTTP/1.1|Host: a|Host: a||", 400 },
  { "GET /livez HTTP/1.1|Host: a b||", 400 },
  { "GET /livez HTTP/1.1|Host : a||", 400 },
  { "GET /livez HTTP/1.1|Host: a|X-Any: b| folded||", 400 },
  { "GET /livez HTTP/1.1|Host: a|\tfolded||", 400 },
  { "GET /livez HTTP/1.1|Host: a|X-Any b||", 400 },
  { "GET /livez HTTP/1.1|Host: a|: b||", 400 },
  { "GET /livez HTTP/1.1|Host: a|X-Any: a\0b||", 400 },
  { "GET /livez HTTP/1.1|Host: a|X-Any: a\rb||", 400 },
  { "GET /livez HTTP/1.1\nHost: a\n\n", 400 },
  { "GET /livez HTTP/1.1|Host: a|X-Any: b\n|", 400 },
  { "GET /livez HTTP/1.1|Host: a|Content-Length: +1||", 400 },
  { "GET /livez HTTP/1.1|Host: a|Content-Length: 0, 0||", 400 },
  { "GET /livez HTTP/1.1|Host: a|Content-Length: 0|Content-Length: 0||", 400 },
  { "GET /livez HTTP/1.1|Host: a|Content-Length: 0|Transfer-Encoding: chunked||", 400 },
  { "GET /livez HTTP/1.0|Transfer-Encoding: chunked||", 400 },
  -- What is not to be had.
  { "GET /livez HTTP/2.0|Host: a||", 505 },
  { "GET /livez HTTP/0.9|Host: a||", 505 },
  { "POST /v1/reload HTTP/1.1|Host: a|Content-Length: 5||hello", 413 },
  { "POST /v1/reload HTTP/1.1|Host: a|Transfer-Encoding: chunked||5|hello|0||", 413 },
  { "GET /" .. LONG .. " HTTP/1.1|Host: a||", 414 },
  { "GET /livez HTTP/1.1|Host: a|X-Any: " .. LONG .. "||", 431 },
  { "GET /livez HTTP/1.1|Host: a|" .. ("X: y|"):rep(2000), 431 },
  { "BREW /livez HTTP/1.1|Host: a||", 501 },
  { "get /livez HTTP/1.1|Host: a||", 501 },
  { "DELETE /livez HTTP/1.1|Host: a||", 405, allow = "GET, HEAD" },
  { "POST /livez HTTP/1.1|Host: a||", 405, allow = "GET, HEAD" },
  { "GET /v1/reload HTTP/1.1|Host: a||", 405, allow = "POST" },
  { "PUT /v1/services/a/start HTTP/1.1|Host: a||", 405, allow = "POST" },
  { "OPTIONS * HTTP/1.1|Host: a||", 405, allow = "GET, HEAD, POST" },
  { "CONNECT a:80 HTTP/1.1|Host: a||", 405, allow = "GET, HEAD, POST" },
  { "GET / HTTP/1.1|Host: a||", 404 },
  { "GET /livez/ HTTP/1.1|Host: a||", 404 },
  { "GET //livez HTTP/1.1|Host: a||", 404 },
  { "GET /v1%2Fstatus HTTP/1.1|Host: a||", 404 },
  { "GET /v1/services/a%2Fb HTTP/1.1|Host: a||", 404 },
}

local function bytes_of(case)
  return (case[1]:gsub("|", "\r\n"))
end

-- For messages.
local function shown(case)
  return ("%q"):format(#case[1] > 100 and case[1]:sub(1, 60) .. "…" or case[1])
end

-- What every answer is.
local function check(answer)
  local headers = answer.headers
  assert.are.equal("close", headers.connection)
  assert.are.equal("no-store", headers["cache-control"])
  assert.is_truthy(headers.date:find "^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$", headers.date)
  assert.is_truthy(headers["content-type"])
  if answer.status >= 400 and answer.body ~= "" and answer.status ~= 503 then
    assert.are.equal("application/json", headers["content-type"])
    assert.is_truthy(answer.body:find '^{"error":"[^\n]+"}\n$', answer.body)
  end
end

-- One answer, the same as for the whole, but for the time that has passed.
local function check_single_bytes(socket, case, whole)
  local answer = http.send(socket, bytes_of(case), true)
  local function plain(text)
    return (text:gsub("%d+[%d.]*s", ""):gsub("Date: [^\r]*", ""):gsub('[%w_]*":[%d.]+', ""):gsub("Length: %d+", ""))
  end
  assert.are.equal(plain(whole.text), plain(answer.text), shown(case))
end

describe("a request to the porter", function()
  local c, socket

  setup(function()
    c = container.start { args = { "--control", "{folder}/control" }, script = "", command = { "sleep", "1000" } }
    socket = http.socket(c)
    c:until_true(function()
      return http.get(socket, "/readyz").status == 200
    end)
  end)

  teardown(container.close_all)

  for _, case in ipairs(CASES) do
    it(("is answered with %d: %s"):format(case[2], shown(case)), function()
      local answer = http.send(socket, bytes_of(case))
      assert.are.equal(case[2], answer.status, answer.text)
      check(answer)
      assert.are.equal(case.allow, answer.headers.allow)
      if case[1]:find "^HEAD" then
        assert.are.equal("", answer.body)
      else
        assert.are.equal(tonumber(answer.headers["content-length"]), #answer.body)
      end
      local _, answers = answer.text:gsub("HTTP/1%.1 %d", "")
      assert.are.equal(1, answers)
      if #case[1] < 200 then
        check_single_bytes(socket, case, answer)
      end
    end)
  end

  it("may be a client's that sends no more, and still reads", function()
    local client = http.connect(socket)
    client:send "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    client.stream:shutdown()
    assert.are.equal(200, client:answer().status)
  end)

  it("is not answered when its client goes in its midst, and leaves nothing behind", function()
    for _ = 1, 100 do
      http.connect(socket):send("GET /livez HTTP/1.1\r\nHo"):close()
    end
    assert.are.equal(200, http.get(socket, "/livez").status)
    assert.are.equal("", c:err())
  end)

  it("is understood as curl and Python send it", function()
    local out = c:file "curl"
    assert.is_true(os.execute(("curl -sS -o %s --unix-socket %s http://reaper/livez"):format(out, socket)))
    assert.is_truthy(container.read_file(out):find "^alive: running for ")
    local pipe = assert(io.popen(([[python3 -c '
import http.client, json, socket, sys
connection = http.client.HTTPConnection("reaper")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(sys.argv[1])
connection.request("GET", "/v1/status")
answer = connection.getresponse()
print(answer.status, json.load(answer)["engine"]["state"], answer.isclosed())
' %s]]):format(socket)))
    local text = pipe:read "a"
    pipe:close()
    assert.are.equal("200 running True\n", text)
  end)

  it("finds 32 others at most; a further one is told so", function()
    local clients = {}
    for i = 1, 32 do
      clients[i] = http.connect(socket)
    end
    local client = http.connect(socket):send "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    local answer = client:answer()
    assert.are.equal(503, answer.status)
    assert.are.equal('{"error":"there are 32 connections already"}\n', answer.body)
    assert.are.equal(200, clients[1]:send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"):answer().status)
    c:until_true(function()
      return http.get(socket, "/livez").status == 200
    end)
    for _, other in ipairs(clients) do
      other:close()
    end
  end)
end)

describe("a client of the porter", function()
  after_each(container.close_all)

  -- 400 services make some 400 KB of metrics, which no socket takes at once.
  local SERVICES = [[
  local services = {}
  for i = 1, 400 do
    services[i] = { name = "a-service-with-a-long-name-" .. i, command = { "true" }, autostart = false }
  end
  services[401] = { name = "b", command = { "sleep", "1000" } }
  require "reaper.supervisor".run(services)
  ]]

  it("that is slow for 10 s, with its request or with reading the answer, is dropped, and others are served", function()
    local c = container.start { args = { "--control", "{folder}/control" }, script = SERVICES }
    local socket = http.socket(c)
    c:until_true(function()
      return #http.get(socket, "/metrics").body > 300000
    end)
    local begin = uv.hrtime()
    local slow, deaf = http.connect(socket), http.connect(socket)
    slow:send "GET /livez HTTP/1.1\r\n"
    deaf:send "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal(200, http.get(socket, "/livez").status)
    local answer = slow:answer()
    local took = (uv.hrtime() - begin) / 1e9
    assert.are.equal(408, answer.status)
    assert.is_true(took > 9.5 and took < 14 * container.company * container.slow, took)
    c:until_true(function()
      return not c:err():find "fault" and http.get(socket, "/livez").status == 200
    end)
    uv.sleep(2000)
    local cut = deaf:answer()
    assert.is_true(#cut.body < tonumber(cut.headers["content-length"]), #cut.body)
  end)

  it("that reads late gets the whole of a big answer", function()
    local c = container.start { args = { "--control", "{folder}/control" }, script = SERVICES }
    local socket = http.socket(c)
    c:until_true(function()
      return #http.get(socket, "/metrics").body > 300000
    end)
    local client = http.connect(socket):send "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.are.equal(200, http.get(socket, "/livez").status)
    local answer = client:answer()
    assert.are.equal(tonumber(answer.headers["content-length"]), #answer.body)
  end)
end)
