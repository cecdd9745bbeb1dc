-- A client of the porter that sends any bytes whatever, in pieces, and reads the answer when it likes.

local uv = require "luv"
local container = require "spec.support.container"

local http = {}

local Client = {}
Client.__index = Client

-- A script with services.
http.TWO_SERVICES = [[
require "reaper.supervisor".run {
  { name = "web", command = { "sleep", "1000" } }, { name = "work", command = { "sleep", "1000" } },
}
]]

local PATIENCE = 20 * container.company * container.slow -- seconds

-- Lets the loop run until the condition holds. False when it does not within so many seconds.
local function run_until(condition, seconds)
  local timer = uv.new_timer()
  local is_over = false
  timer:start(math.ceil((seconds or PATIENCE) * 1000), 0, function()
    is_over = true
  end)
  while not is_over and not condition() do
    uv.run "once"
  end
  timer:close()
  return condition()
end

-- A connection to a path, or to a port of 127.0.0.1.
function http.connect(target)
  local self = setmetatable({ received = "", stream = nil }, Client)
  local done, failure
  local function connected(err)
    done, failure = true, err
  end
  if type(target) == "string" then
    self.stream = uv.new_pipe()
    self.stream:connect(target, connected)
  else
    self.stream = uv.new_tcp()
    self.stream:nodelay(true)
    self.stream:connect("127.0.0.1", target, connected)
  end
  assert(run_until(function()
    return done
  end), "no connection")
  self.failure = failure
  if failure == "EAGAIN" then -- too many others wait to be taken
    self:close()
    uv.sleep(1)
    return http.connect(target)
  end
  return self
end

function Client:send(bytes)
  local done = false
  self.stream:write(bytes, function()
    done = true
  end)
  run_until(function()
    return done
  end)
  return self
end

-- Reads from now on what comes.
function Client:read()
  self.stream:read_start(function(err, bytes)
    self.received = self.received .. (bytes or "")
    self.is_over = self.is_over or err ~= nil or bytes == nil
    self.failure = err
  end)
  return self
end

-- Waits until what has come has the pattern. What the pattern captures.
function Client:expect(pattern, seconds)
  self:read()
  local found = run_until(function()
    return self.received:find(pattern) or self.is_over
  end, seconds) and self.received:find(pattern)
  assert(found, ("no %s in %s"):format(pattern, self.received))
  return self.received:match(pattern)
end

function Client:close()
  if not self.stream:is_closing() then
    self.stream:close()
    uv.run "nowait"
  end
end

-- Waits for the end of the answer: a table with status, headers (lower-case names), body and text.
function Client:answer(seconds)
  self:read()
  local ended = run_until(function()
    return self.is_over
  end, seconds)
  self:close()
  assert(ended, "no end of " .. self.received)
  local status, head, body = self.received:match "^HTTP/1%.1 (%d%d%d) [^\r\n]+\r\n(.-)\r\n\r\n(.*)$"
  local answer = { status = tonumber(status), body = body, text = self.received, headers = {} }
  for name, value in ((head or "") .. "\r\n"):gmatch "([^:\r\n]+): ([^\r\n]*)\r\n" do
    answer.headers[name:lower()] = value
  end
  return answer
end

-- Sends bytes, as a whole or, with `split`, one by one. Where nobody listens the answer has no status.
function http.send(target, bytes, split)
  local client = http.connect(target)
  if client.failure then
    client:close()
    return { body = "", text = client.failure, headers = {} }
  end
  local size = split and 1 or #bytes
  for at = 1, #bytes, size do
    client:send(bytes:sub(at, at + size - 1))
  end
  return client:answer()
end

-- One request of a method ("GET" when there is none) for a target.
function http.get(target, path, method)
  return http.send(target, ("%s %s HTTP/1.1\r\nHost: reaper\r\n\r\n"):format(method or "GET", path))
end

function http.post(target, path)
  return http.get(target, path, "POST")
end

-- The path of the socket of a container that was started with --control {folder}/control, as soon as it is there.
function http.socket(c)
  local path = c:file "control"
  c:until_true(function()
    return uv.fs_stat(path)
  end, nil, "the socket")
  return path
end

-- A container with a porter.
function http.start(options)
  options.args = options.args or { "--control", "{folder}/control" }
  return container.start(options)
end

-- The porter's process.
function http.porter(c)
  return c:until_true(function()
    return c:find "reaper-porter"
  end, nil, "the porter")
end

-- Waits until what is asked for has the status, or the body the pattern; the answer.
function http.expect(c, target, path, wanted)
  return c:until_true(function()
    local answer = http.get(target, path)
    return (type(wanted) == "number" and answer.status == wanted or answer.body:find(wanted)) and answer
  end, nil, ("%s to be answered with %s"):format(path, wanted))
end

-- The mode of a file, in octal digits.
function http.mode_of(path)
  return ("%o"):format(uv.fs_stat(path).mode & tonumber("7777", 8))
end

-- A port that nobody uses now.
function http.free_port()
  local probe = uv.new_tcp()
  assert(probe:bind("127.0.0.1", 0))
  local port = probe:getsockname().port
  probe:close()
  uv.run "nowait"
  return port
end

-- Waits until somebody listens on the port, and gives it.
function http.wait_for_port(c, port)
  c:until_true(function()
    local client = http.connect(port)
    client:close()
    return not client.failure
  end, nil, "the port")
  return port
end

return http
