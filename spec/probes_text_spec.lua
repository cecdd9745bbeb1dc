-- What probes read and what their addresses say: plain functions, with random input.

package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
package.cpath = "build/?.so;" .. package.cpath -- never the sanitized one: it cannot be loaded here

local address = require "reaper.supervisor.probes.address"
local http = require "reaper.supervisor.probes.http"
local message = require "reaper.supervisor.probes.message"
local text = require "reaper.supervisor.probes.text"

local ROUNDS = 20000

-- A text that is nearly one of those, and whole ones.
local function mutate(seeds)
  local given = seeds[math.random(#seeds)]
  for _ = 1, math.random(0, 4) do
    local at = math.random(0, #given)
    local piece = math.random(3) == 1 and seeds[math.random(#seeds)] or string.char(math.random(0, 255))
    given = given:sub(1, at) .. piece .. given:sub(at + 1 + math.random(0, 2))
  end
  return given
end

describe("the first line of an answer", function()
  local rows = {
    { "HTTP/1.1 200 OK\r\n", true }, { "HTTP/1.0 200 OK\n", true }, { "HTTP/1.1 399 \r\n", true },
    { "HTTP/1.1 204\r\n", true }, { "HTTP/1.1 503 Service Unavailable\r\nX: y", false, "503 Service Unavailable" },
    { "HTTP/1.1 103 Early Hints\r\n", false, "103 Early Hints" }, { "HTTP/1.1 404\r\n", false, "404" },
    { "", nil }, { "HTT", nil }, { "HTTP/1.1 200 OK", nil }, { "X", false, 'no HTTP answer, but "X"' },
    { "HTTP/1.2 200 OK\r\n", false, 'no HTTP answer, but "HTTP/1.2 200 OK"' },
    { "HTTP/1.1 2000\r\n", false, 'no HTTP answer, but "HTTP/1.1 2000"' },
    { "HTTP/1.1 600 X\r\n", false, 'no HTTP answer, but "HTTP/1.1 600 X"' },
    { "HTTP/1.1  200 OK\r\n", false, 'no HTTP answer, but "HTTP/1.1  200 OK"' },
    { " HTTP/1.1 200 OK\r\n", false, 'no HTTP answer, but " HTTP/1.1 200 OK"' },
    { "http/1.1 200 OK\r\n", false, 'no HTTP answer, but "http/1.1 200 OK"' },
    { "HTTP/1.1 200 a\0b\r\n", false, 'no HTTP answer, but "HTTP/1.1 200 a?b"' },
    { "\r\nHTTP/1.1 200 OK\r\n", false, "no HTTP answer" },
  }
  for _, row in ipairs(rows) do
    it(("%q"):format(row[1]), function()
      local ok, why = http.read(row[1], false)
      assert.equal(row[2], ok)
      if row[2] == false then
        assert.equal(row[3], why)
      end
    end)
  end

  it("is good or bad at the end of a connection, whatever came", function()
    assert.is_false(http.read("", true))
    assert.is_false(http.read("HTTP/1.1 200 OK", true))
    assert.is_false(http.read(("HTTP/1.1 200 " .. ("x"):rep(http.LINE_MAX)):sub(1, http.LINE_MAX), false))
  end)

  it("raises for no random text, and gives a short and clean reason", function()
    local seeds = { "HTTP/1.1 200 OK\r\n", "HTTP/1.0 503 Service Unavailable\r\n", "\n", "\27[31m", "é", "\xff" }
    for _ = 1, ROUNDS do
      local given = mutate(seeds)
      local ok, why = http.read(given, true)
      assert.is_boolean(ok)
      assert.is_true(#why <= text.MOST + 3 and not why:find "%c" and utf8.len(why) ~= nil, why)
      assert.is_true(not ok or given:find "^HTTP/1%.[01] [23]%d%d[ \r\n]" ~= nil, given)
    end
  end)
end)

describe("the address of a server", function()
  local function target(url)
    local found, why = address.http(url)
    assert.is_nil(why)
    return ("%s %d %s %s"):format(table.concat(found.hosts, ","), found.port, found.path, found.host_header)
  end

  it("is read from a URL", function()
    assert.equal("127.0.0.1 8080 /healthz 127.0.0.1:8080", target "http://127.0.0.1:8080/healthz")
    assert.equal("127.0.0.1,::1 80 / localhost", target "http://localhost")
    assert.equal("::1 80 /?a=b [::1]", target "http://[::1]?a=b")
    assert.equal("fe80::1 65535 /a?b=/:@ [fe80::1]:65535", target "HTTP://[fe80::1]:65535/a?b=/:@")
  end)

  local wrong = {
    ["https://localhost/"] = "without TLS", ["ftp://localhost/"] = "http://HOST", ["localhost:80/"] = "http://HOST",
    [""] = "http://HOST", ["http://"] = 'not ""',
    ["http://db:80/"] = 'a number (127.0.0.1, [::1]) or localhost, not "db"',
    ["http://example.com/"] = 'not "example.com"', ["http://127.0.0.1.:1/"] = "not", ["http://127.1/"] = "not",
    ["http://0177.0.0.1/"] = "not", ["http://[127.0.0.1]/"] = "not", ["http://::1/"] = "not", ["http://[::1/"] = "not",
    ["http://[::1%25eth0]/"] = "not", ["http://127.0.0.1:/"] = "port from 1", ["http://127.0.0.1:0/"] = "port from 1",
    ["http://127.0.0.1:65536/"] = "port from 1", ["http://127.0.0.1:+80/"] = "port from 1",
    ["http://127.0.0.1:8e1/"] = "port from 1", ["http://[::1]80/"] = "port from 1",
    ["http://user:pass@127.0.0.1/"] = "user and a password", ["http://127.0.0.1/#x"] = '"#"',
    ["http://127.0.0.1/a b"] = "%XX", ["http://127.0.0.1/\r\nX: y"] = "%XX", ["http://127.0.0.1/é"] = "%XX",
    ["http://127.0.0.1/" .. ("x"):rep(2000)] = "at most 2000 bytes",
  }
  for url, why in pairs(wrong) do
    it(("is not %q"):format(url:sub(1, 40)), function()
      local found, said = address.http(url)
      assert.is_nil(found)
      assert.is_truthy(said:find(why, 1, true), said)
    end)
  end

  it("is read from HOST:PORT", function()
    assert.same({ host = "[::1]", hosts = { "::1" }, port = 5432, label = "[::1]:5432" }, address.tcp "[::1]:5432")
    assert.same({ "127.0.0.1", "::1" }, address.tcp "localhost:1".hosts)
    for _, given in ipairs { "127.0.0.1", "localhost", "[::1]", ":80", "", "db:80", "127.0.0.1:80/",
      "http://127.0.0.1:80", "127.0.0.1:80x", "127.0.0.1:-1", "127.0.0.1: 80" } do
      local found, why = address.tcp(given)
      assert.is_nil(found, given)
      assert.is_string(why)
    end
  end)

  it("raises for no random text", function()
    local seeds = { "http://127.0.0.1:8080/healthz", "http://[::1]:80/?x", "localhost", "]", "[", ":", "@", "\0" }
    for _ = 1, ROUNDS do
      local given = mutate(seeds)
      local found, why = address.http(given)
      assert.is_true(found ~= nil or type(why) == "string")
      assert.is_true(found == nil or not http.request(found):find("[\0-\9\11\12\14-\31\127-\255]"), given)
      found, why = address.tcp(given)
      assert.is_true(found ~= nil or type(why) == "string")
    end
  end)
end)

describe("a message of sd_notify", function()
  it("has lines with a name and a value", function()
    assert.same({ READY = true, STATUS = "a=b", MAINPID = 7, WATCHDOG = "1", EXTEND_TIMEOUT_USEC = 1.5 },
      (message.read "READY=1\nSTATUS=a=b\nMAINPID=7\nX=y\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=1500000\n\0"))
    assert.same({ WATCHDOG = "trigger", WATCHDOG_USEC = 0.0 }, message.read "WATCHDOG=trigger\nWATCHDOG_USEC=0")
    assert.same({}, message.read "")
    assert.same({}, message.read("READY=0\nXREADY=1\n READY=1\nREADY=11\nMAINPID=0\nMAINPID=-1\nMAINPID=0x10\n"
      .. "MAINPID=99999999999\nWATCHDOG=2\nEXTEND_TIMEOUT_USEC=1e3\nREADY\n=1"))
    assert.is_nil(message.read "READY=1\0STATUS=x")
  end)

  it("is random without harm", function()
    local seeds = {
      "READY=1\n", "STATUS=\27[1mé", "MAINPID=123456789012345678901", "WATCHDOG_USEC=9", "=", "\n", "\xff",
    }
    for _ = 1, ROUNDS do
      local found = message.read(mutate(seeds))
      local status = found and found.STATUS
      assert.is_true(not status or (utf8.len(status) ~= nil and not status:find "%c" and #status <= text.MOST + 3))
    end
  end)
end)
