--- What the porter answers to a request.

local core = require "reaper.core"
local connection = require "reaper.control.porter.connection"
local document = require "reaper.control.document"
local exposition = require "reaper.control.exposition"
local failure = require "reaper.control.failure"
local history = require "reaper.control.history"
local json = require "reaper.control.json"
local orders = require "reaper.control.porter.orders"
local processes = require "reaper.control.processes"
local rings = require "reaper.control.rings"
local snapshot = require "reaper.control.snapshot"
local verdicts = require "reaper.control.verdicts"

local routes = {}

local LOOK_SECONDS = 0.1 -- between two looks for somebody who follows

local refusal = connection.refusal

local function answer(status, kind, body)
  return { status = status, type = kind, body = body }
end

local function json_answer(value)
  return answer(200, "application/json", json.text(value) .. "\n")
end

local function text_answer(status, body)
  return answer(status, "text/plain; charset=utf-8", body)
end

-- ---- What is to be seen. Each is called with the porter, what the request's path names, and its query. ----

local function alive(porter)
  local is_alive, reason = verdicts.alive(snapshot.take(porter.pages))
  return text_answer(is_alive and 200 or 503, reason .. "\n")
end

local function ready(porter)
  local is_ready, reason = verdicts.ready(snapshot.take(porter.pages))
  return text_answer(is_ready and 200 or 503, reason .. "\n")
end

local function metrics(porter)
  return answer(200, "text/plain; version=0.0.4; charset=utf-8", exposition.text(snapshot.take(porter.pages)))
end

local function status(porter)
  local taken = snapshot.take(porter.pages)
  return json_answer(document.status(taken, taken.services))
end

local function service(porter, name)
  local taken = snapshot.take(porter.pages)
  return json_answer(document.service(snapshot.find(taken, name), taken.now, 1))
end

local function list_processes(porter)
  local list, why = processes.by_service(snapshot.take(porter.pages), true)
  return list and json_answer(document.processes(list)) or refusal(503, why)
end

-- ---- Events and logs, once or with what follows. ----

local function number_of(text)
  return text:find "^%d+$" and math.tointeger(tonumber(text))
end

-- What next_text() gives, again and again. A client of which something comes to an end has gone, also where it could
-- still read.
local function follow(kind, first, next_text)
  return { status = 200, type = kind, stream = function(fd)
    local text = first
    while connection.send(fd, text) and not connection.has_gone(fd, core.now() + LOOK_SECONDS) do
      text = next_text()
    end
  end }
end

local function lines_text(lines)
  return lines[1] and table.concat(lines, "\n") .. "\n" or ""
end

local function events(porter, _, query)
  local last = number_of(query.since or "0")
  if not last then
    return refusal(400, "since=NUMBER expected")
  elseif not snapshot.take(porter.pages).script or not core.page_changes(porter.pages) then
    return refusal(503, "there is no script process, which tells of events")
  end
  local function next_text()
    local lines
    lines, last = history.lines(porter.pages, last)
    return lines_text(lines)
  end
  local kind, first = "application/x-ndjson", next_text()
  return query.follow and follow(kind, first, next_text) or answer(200, kind, first)
end

local function logs(porter, name, query)
  local count = number_of(query.n or "0")
  local text, position = rings.read(porter.pages, name)
  if not count then
    return refusal(400, "n=NUMBER expected: so many lines")
  elseif not text then
    return refusal(404, rings.elsewhere(snapshot.find(snapshot.take(porter.pages), name)))
  end
  text = query.n and rings.last(text, count) or text
  if not query.follow then
    return text_answer(200, text)
  end
  return follow(text_answer(200).type, text, function()
    local more, next = rings.read(porter.pages, name, position)
    position = next or position
    return more or ""
  end)
end

-- ---- Paths. ----

-- A path, in which NAME stands for any segment; what it takes in its query; and what answers GET or POST.
local table_of_routes = {
  { "livez", on_tcp = true, GET = alive },
  { "readyz", on_tcp = true, GET = ready },
  { "metrics", on_tcp = true, GET = metrics },
  { "v1/status", GET = status },
  { "v1/services/NAME", GET = service },
  { "v1/processes", GET = list_processes },
  { "v1/events", query = { since = true, follow = true }, GET = events },
  { "v1/logs/NAME", query = { n = true, follow = true }, GET = logs },
  { "v1/services/NAME/signal", query = { wait = true, signal = true }, POST = orders.service "signal" },
  { "v1/reload", query = { wait = true }, POST = orders.reload },
  { "v1/shutdown", query = { wait = true, code = true }, POST = orders.shutdown },
}

for _, verb in ipairs { "start", "stop", "restart", "reload" } do
  table.insert(table_of_routes, { "v1/services/NAME/" .. verb, query = { wait = true }, POST = orders.service(verb) })
end

for _, route in ipairs(table_of_routes) do
  route.segments = {}
  for segment in route[1]:gmatch "[^/]+" do
    table.insert(route.segments, segment)
  end
end

-- What stands in the place of NAME, or true without one; nil when the path is another one.
local function match(route, path)
  local name = true
  if #path ~= #route.segments then
    return nil
  end
  for i, segment in ipairs(route.segments) do
    if segment == "NAME" then
      name = path[i]
    elseif segment ~= path[i] then
      return nil
    end
  end
  return name
end

local function find(path)
  for _, route in ipairs(table_of_routes) do
    local name = match(route, path)
    if name then
      return route, name
    end
  end
end

local known_methods = {}
for method in ("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH"):gmatch "%u+" do
  known_methods[method] = true
end

local function check_query(route, query)
  if query.follow and query.follow ~= "1" then
    return refusal(400, "follow=1 expected")
  end
  for key in pairs(query) do
    if not (route.query and route.query[key]) then
      return refusal(400, ("nothing is known of '%s' in the query"):format(key))
    end
  end
end

-- What a command of reaperctl would end with.
local statuses = {
  [failure.USAGE] = 400, [failure.NOT_FOUND] = 404, [failure.NO_ANSWER] = 503, [failure.NO] = 409,
}

local function call(handler, porter, name, query)
  local ok, result = xpcall(handler, failure.with_traceback, porter, name, query)
  if ok then
    return result
  elseif failure.is(result) then
    return refusal(statuses[result.code], result.message)
  end
  core.log("error", "the porter: " .. result)
  return refusal(500, "a fault of reaper-lua, which it has written to its log")
end

--- The answer to a request that the parser has read, as connection.answer takes it. `is_tcp`: it has come over TCP, on
-- which one can only ask how it is.
function routes.answer(porter, request, is_tcp)
  local method = request.method == "HEAD" and "GET" or request.method
  if not known_methods[method] then
    return refusal(501, "GET, HEAD and POST are known here")
  elseif not request.path[1] then -- that of no path: "*", or the address of CONNECT
    return refusal(405, "GET, HEAD and POST are known here", "GET, HEAD, POST")
  elseif is_tcp and method == "POST" then
    return refusal(403, "orders are taken on the socket of --control only")
  end
  local route, name = find(request.path)
  if not route or is_tcp and not route.on_tcp then
    return refusal(404, "there is nothing at this path")
  elseif not route[method] then
    return refusal(405, ("only %s is known here"):format(route.GET and "GET" or "POST"),
      route.GET and "GET, HEAD" or "POST")
  end
  return check_query(route, request.query) or call(route[method], porter, name, request.query)
end

return routes
