--- reaperctl top: the services with what they use, live.

local core = require "reaper.core"
local failure = require "reaper.control.failure"
local frame = require "reaper.control.frame"
local processes = require "reaper.control.processes"
local request = require "reaper.control.request"
local snapshot = require "reaper.control.snapshot"
local text = require "reaper.control.text"

local DELAY, SHORTEST_DELAY = 2, 0.1 -- seconds between two looks
local FIRST_DELAY = 0.5 -- the second look follows soon, since it is the first that can say what is computed just now
local LOOK_EVERY = 0.1 -- seconds, while an order is on its way
local TIMEOUT = 10 -- seconds for an order
local MIN_NAME = 8 -- columns that the name of a service has at least

local Top = {}
Top.__index = Top

-- ---- Looks. ----

-- What each service has computed since the look before, in percent of one processor. A service that has computed less
-- than before has begun anew.
local function percents(totals, before, seconds)
  local found = {}
  for name, total in pairs(totals) do
    local past = before[name]
    if past and seconds > 0 then
      found[name] = (total.cpu - (total.cpu >= past.cpu and past.cpu or 0)) / seconds * 100
    end
  end
  return found
end

function Top:look()
  if not core.is_engine_alive(self.pages) then
    failure.with(failure.NOT_FOUND, "top: the reaper-lua has ended")
  end
  local taken = snapshot.take(self.pages)
  local list = processes.by_service(taken)
  local totals = list and processes.totals(taken, list) or {}
  self.percents = self.taken and percents(totals, self.totals, taken.now - self.taken.now) or {}
  self.taken, self.list, self.totals = taken, list, totals
  self.due = taken.now + (self.has_looked and self.delay or math.min(FIRST_DELAY, self.delay))
  self.has_looked = true
end

-- ---- As plain text. ----

local function pause(pages, seconds)
  local deadline = core.now() + seconds
  while core.now() < deadline do
    core.await_change(pages, core.page_changes(pages), deadline - core.now())
  end
end

function Top:print(count)
  self:look()
  for i = 1, count do
    pause(self.pages, self.due - core.now())
    self:look()
    for _, line in ipairs(frame.lines(self)) do
      print(line.text)
    end
    io.stdout:write(i < count and "\n" or "")
    if not io.stdout:flush() then
      return -- nobody reads
    end
  end
end

-- ---- On a terminal. ----

local colours = { heading = "\27[1m", selected = "\27[7m", bad = "\27[31m", warning = "\27[33m" }

function Top:draw()
  local columns, rows = core.terminal_size(1)
  if not columns then
    return
  end
  self.name_width = math.max(columns // 4, MIN_NAME)
  local parts = { "\27[H" }
  for i, line in ipairs(frame.lines(self, rows)) do
    local colour = self.has_colours and colours[line.style]
    if i <= rows then
      parts[#parts + 1] = ("%s%s%s%s\27[K"):format(i > 1 and "\r\n" or "", colour or "",
        (text.cut(line.text, columns)), colour and "\27[0m" or "")
    end
  end
  parts[#parts + 1] = "\27[J"
  io.stdout:write(table.concat(parts))
  io.stdout:flush()
end

function Top:move(step)
  local list = frame.sorted(self)
  local at = step > 0 and 0 or #list + 1
  for i, row in ipairs(list) do
    at = row.name == self.selected and i or at
  end
  local row = list[math.max(1, math.min(at + step, #list))]
  self.selected = row and row.name
end

function Top:sort_by(step)
  self.sort = (self.sort - 1 + step) % #frame.sorts + 1
end

-- Asks whether an order is meant.
function Top:ask(verb)
  if not self.selected then
    self.message = "no service is selected: j and k, or the arrows, select one"
  elseif self.selected == "main" then
    self.message = ("main is COMMAND, which takes no '%s'"):format(verb)
  elseif self.order then
    self.message = self.label .. ": no answer yet"
  else
    self.asked = { verb = verb, name = self.selected }
    self.message = ("%s %s? y/n"):format(verb, text.plain(self.selected))
  end
end

function Top:answer(key)
  local asked = self.asked
  self.asked, self.message = nil, nil
  if key == "y" then
    self.label = ("%s %s"):format(asked.verb, text.plain(asked.name))
    self.message = self.label .. " …"
    self.order = request.new(self.pages, asked.verb, { asked.name }, TIMEOUT)
  end
end

-- Nobody waits for a script that is blocked: the next keys and looks come meanwhile.
function Top:follow_order()
  local result, why = nil, nil
  if self.order then
    result, why = self.order:step()
  end
  if result then
    self.order = nil
    self.message = ("%s: %s%s"):format(self.label, result, why and why ~= "" and ": " .. text.plain(why) or "")
    self.due = core.now()
  end
end

local keys = {
  q = function() return 0 end,
  ["\3"] = function() return 128 + 2 end, -- Ctrl-C, as SIGINT
  ["\26"] = function(self) core.terminal_suspend(self.terminal) end, -- Ctrl-Z
  ["\12"] = function() io.stdout:write "\27[2J" end, -- Ctrl-L
  s = function(self) self:sort_by(1) end,
  [">"] = function(self) self:sort_by(1) end,
  ["<"] = function(self) self:sort_by(-1) end,
  j = function(self) self:move(1) end,
  k = function(self) self:move(-1) end,
  r = function(self) self:ask "restart" end,
  x = function(self) self:ask "stop" end,
  p = function(self) self.shows_processes = not self.shows_processes end,
  ["?"] = function(self) self.shows_help = not self.shows_help end,
}
keys["\27[B"], keys["\27[A"], keys["\27OB"], keys["\27OA"] = keys.j, keys.k, keys.j, keys.k

-- The next key of what was typed, which is a byte or the sequence of an arrow; and what follows it. nil for the end.
local function next_key(typed)
  local key = typed:match "^\27[%[O]." or typed:sub(1, 1)
  if key ~= "" then
    return key, typed:sub(#key + 1)
  end
end

-- The exit code, where the key ends it.
function Top:press(key)
  if self.asked and key ~= "\3" and key ~= "\26" then
    return self:answer(key)
  end
  self.message = nil
  return keys[key] and keys[key](self)
end

function Top:run()
  while true do
    if core.now() >= self.due then
      self:look()
    end
    self:follow_order()
    self:draw()
    local wait = math.max(math.min(self.due - core.now(), self.order and LOOK_EVERY or self.delay), 0)
    local typed = core.terminal_keys(self.terminal, wait)
    if not typed then
      return failure.NO
    end
    local key, code
    repeat
      key, typed = next_key(typed)
      code = key and self:press(key)
    until not key or code
    if code then
      return code
    end
  end
end

-- Draws, in a process of its own, and gives the exit code of that.
function Top:show()
  if not core.terminal_size(0) or not core.terminal_size(1) then
    failure.usage "top: stdin and stdout have to be a terminal; --once, or -n COUNT, prints it elsewhere"
  end
  self:look()
  local terminal, message = core.terminal_open()
  if math.type(terminal) == "integer" then
    return terminal
  elseif not terminal then
    failure.with(failure.NOT_FOUND, "top: " .. message)
  end
  self.terminal = terminal
  local ok, result = xpcall(self.run, failure.with_traceback, self)
  core.terminal_close(terminal)
  return ok and result or error(result, 0)
end

return function(options)
  local no_color = os.getenv "NO_COLOR"
  local self = setmetatable({
    pages = snapshot.open(options), delay = math.max(options.delay or DELAY, SHORTEST_DELAY), sort = 1,
    has_colours = not (no_color and no_color ~= ""), totals = {}, percents = {},
    name_width = math.maxinteger,
  }, Top)
  local count = options.count or options.once and 1
  if count then
    self:print(count)
    return 0
  end
  return self:show()
end
