--- Orders of reaperctl: lines in a pipe, `ID VERB NAME`, of which each gets a reply in the page (src/common/pages.h).
--
-- What can write there is of the same user as this process, or may look into it (doc/REFERENCE.md, reaperctl). Still
-- nothing but a closed list of verbs is taken, in one form; and whatever an order sets off, this process goes on.

local core = require "reaper.core"
local fields = require "reaper.runtime.log_fields"
local log = require "reaper.runtime.log"
local loop = require "reaper.runtime.loop"
local process = require "reaper.process"

local LINE_MAX = 512 -- PAGE_INBOX_LINE_MAX of src/common/pages.h: a line with its newline
local ID_MAX = 31 -- PAGE_ORDER_ID_SIZE without the zero
local SHOWN = 80 -- bytes of a line that is no order

-- ---- What can be ordered. ----

-- Of a script that calls supervisor.run; raises without services.
local function supervisor()
  return package.loaded["reaper.supervisor"] or error("the script has no services", 0)
end

local function of_service(verb)
  return function(name)
    return supervisor()[verb](name)
  end
end

local function signal(name, number)
  if name ~= "main" then
    return supervisor().signal(name, number)
  elseif not process.main then
    return nil, "there is no COMMAND"
  end
  return process.main:kill(number)
end

local UNSURE = {} -- what an order gives of which this process does not know whether it will be done

-- The engine answers what comes behind an order when it has read the order, unless it has just dismissed this process.
local function tell_engine(kind, number)
  core.order(kind, 0, 0, number)
  return core.request(core.ORDER_STATS) and true or UNSURE
end

local function reload_script()
  return tell_engine(core.ORDER_RELOAD, 0)
end

local function shutdown(_, code)
  return tell_engine(core.ORDER_EXIT, code or -1)
end

-- Readers of what stands behind the verb: the function that does it, with its arguments behind the name that the event
-- has; or nil and what is expected. A name may have blanks.
local read = {}

function read.reload(rest)
  if rest == "" then
    return reload_script, ""
  end
  return of_service "reload", rest
end

for _, verb in ipairs { "start", "stop", "restart" } do
  read[verb] = function(rest)
    if rest == "" then
      return nil, "the name of a service expected"
    end
    return of_service(verb), rest
  end
end

function read.signal(rest)
  local word, name = rest:match "^(%S+) (.+)$"
  if not word then
    return nil, "a signal and a name expected"
  end
  local number, why = core.signal(word)
  if not number or number == 0 then
    return nil, number and "0 is not a signal" or why
  end
  return signal, name, number
end

function read.shutdown(rest)
  local code = rest:find "^%d+$" and math.tointeger(tonumber(rest))
  if rest ~= "" and not (code and code <= 255) then
    return nil, "an exit code from 0 to 255 expected"
  end
  return shutdown, "", code
end

-- ---- An order. ----

local function end_order(id, verb, name, result, text)
  core.show_reply(id, result, text)
  core.show_event("order", name, verb, text and result .. ": " .. text or result)
end

local function carry_out(id, verb, f, name, ...)
  core.show_reply(id, "accepted") -- before anything is done: from now on it may have been
  loop.run("order", function(ok, result, why, errno)
    if ok and result == UNSURE then
      return -- it stays "accepted", so that nobody gives it again
    elseif ok and result then
      end_order(id, verb, name, "done")
    elseif ok and process.is_replaced(errno) then
      core.show_reply(id, "") -- nothing was done: it is for the next script process
    else
      end_order(id, verb, name, "refused", tostring(ok and why or result or "os.exit was called"))
    end
  end, f, name, ...)
end

-- The client has given up by then.
local function is_too_late(id)
  local until_time = id:match "^(%x+)%.%d+%.%x+$"
  return until_time and core.time() > (tonumber(until_time, 16) or math.huge)
end

local function take(id, verb, rest)
  if not read[verb] then
    return core.show_reply(id, "refused", "there is no order of that kind")
  elseif is_too_late(id) then
    return core.show_reply(id, "refused", "it has come too late: its client does not wait any more")
  end
  local found = table.pack(read[verb](rest))
  if not found[1] then
    return core.show_reply(id, "refused", ("%s: %s"):format(verb, found[2]))
  end
  carry_out(id, verb, table.unpack(found, 1, found.n))
end

-- ---- Lines. ----

local has_warned = false -- of lines that nobody who uses reaperctl has written

local function complain(line)
  if not has_warned then
    has_warned = true
    log("warning", ("somebody has written to the inbox what is no order, such as \"%s\"; more of that is not reported")
      :format(fields.escape(line:sub(1, SHOWN))))
  end
end

local function take_line(line)
  local id, verb, rest = line:match "^([%w.:_-]+) ?(%S*) ?(.*)$"
  if not id or #id > ID_MAX or verb == "" then
    return complain(line)
  elseif #line >= LINE_MAX then
    return core.show_reply(id, "refused", "the line is too long")
  elseif line:find "%c" then
    return core.show_reply(id, "refused", "the line has control characters")
  end
  take(id, verb, rest)
end

local before = "" -- the begin of a line whose end has not come

-- A line without an end is not kept beyond what any order can have; what follows it up to the next newline is its rest.
local function take_bytes(bytes)
  local from = 1
  bytes, before = before .. bytes, ""
  while true do
    local newline = bytes:find("\n", from, true)
    if not newline then
      before = bytes:sub(from, from + LINE_MAX)
      return
    elseif newline > from then
      take_line(bytes:sub(from, newline - 1))
    end
    from = newline + 1
  end
end

--- Takes the orders that are there. `fd` is the end of the pipe that this process reads from.
return function(fd)
  if loop.gone then -- what was not begun is another script process's to do
    return loop.unwatch(fd)
  end
  local bytes = core.read(fd)
  if bytes and bytes ~= "" then
    take_bytes(bytes)
  end
end
