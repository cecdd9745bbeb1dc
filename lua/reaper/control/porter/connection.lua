--- One connection of the porter: a request is read, answered, and that is all. It runs in a coroutine of the loop.

local core = require "reaper.core"
local json = require "reaper.control.json"
local loop = require "reaper.runtime.loop"
local parser = require "reaper.control.porter.parser"
local timers = require "reaper.runtime.timers"

local connection = {}

local REQUEST_SECONDS, ANSWER_SECONDS, LINGER_SECONDS = 10, 10, 1

local EAGAIN = 11

local reasons = {
  [200] = "OK", [400] = "Bad Request", [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
  [408] = "Request Timeout", [409] = "Conflict", [413] = "Content Too Large", [414] = "URI Too Long",
  [431] = "Request Header Fields Too Large", [500] = "Internal Server Error", [501] = "Not Implemented",
  [503] = "Service Unavailable", [504] = "Gateway Timeout", [505] = "HTTP Version Not Supported",
}

--- Waits until the descriptor is readable ("r") or writable ("w"), or the moment has come. True when it is ready.
function connection.ready(fd, mode, moment)
  return loop.wait(function(co)
    local timer = timers.add(math.max(moment - core.now(), 0), function()
      loop.unwatch(fd)
      loop.wake(co, false)
    end)
    loop.watch(fd, mode, function()
      loop.unwatch(fd)
      timers.remove(timer)
      loop.wake(co, true)
    end)
  end)
end

-- What has come; "" at the end, and for a connection that is broken; nil when nothing has come until the moment.
local function receive(fd, moment)
  while true do
    local bytes, _, errno = core.read(fd)
    if bytes or errno ~= EAGAIN then
      return bytes or ""
    elseif not connection.ready(fd, "r", moment) then
      return nil
    end
  end
end

--- Waits until the moment, or until the client has gone, and throws away what it sends. True when it has gone. Between
-- two reads others have their turn.
function connection.has_gone(fd, moment)
  while core.now() < moment and connection.ready(fd, "r", moment) do
    local bytes, _, errno = core.read(fd)
    if bytes == "" or not bytes and errno ~= EAGAIN then
      return true
    end
  end
  return false
end

--- Writes it all. True; or false when the client does not read it, or has gone.
function connection.send(fd, bytes)
  local moment, at = core.now() + ANSWER_SECONDS, 1
  while at <= #bytes do
    local done, _, errno = core.write(fd, bytes, at)
    if not done and (errno ~= EAGAIN or not connection.ready(fd, "w", moment)) then
      return false
    end
    at = at + (done or 0)
  end
  return true
end

-- ---- Requests. ----

--- The request; or what is wrong with it, as the parser tells it; nil when the client has gone without one.
function connection.read(fd)
  local reader, moment = parser.new(), core.now() + REQUEST_SECONDS
  while true do
    local bytes = receive(fd, moment)
    if not bytes then
      return { status = 408, why = ("no request within %d s"):format(REQUEST_SECONDS) }
    elseif bytes == "" then
      return nil
    end
    local result = reader:feed(bytes)
    if result then
      return result
    end
  end
end

-- ---- Answers. ----

--- An answer that says what is wrong.
function connection.refusal(status, why, allow)
  return { status = status, type = "application/json", body = json.text(json.object("error", why)) .. "\n",
    allow = allow }
end

local function head(answer)
  local lines = {
    ("HTTP/1.1 %d %s"):format(answer.status, reasons[answer.status]), os.date "!Date: %a, %d %b %Y %H:%M:%S GMT",
    "Content-Type: " .. answer.type, "Cache-Control: no-store", "Connection: close",
  }
  lines[#lines + 1] = answer.body and ("Content-Length: %d"):format(#answer.body)
  lines[#lines + 1] = answer.allow and "Allow: " .. answer.allow
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

--- Sends an answer: status, type, and body or, for what has no end, stream(fd), which sends that. A request of HEAD
-- gets the head of it only.
function connection.answer(fd, answer, method)
  local is_head = method == "HEAD"
  if connection.send(fd, head(answer) .. (not is_head and answer.body or "")) and answer.stream and not is_head then
    answer.stream(fd)
  end
end

--- Ends it. To close it while something is unread would make the client lose the answer (RFC 9112, 9.6).
function connection.finish(fd)
  core.shutdown(fd)
  connection.has_gone(fd, core.now() + LINGER_SECONDS)
end

return connection
