--- What one waits for in a service, and whether it is there: pure functions of a row of the page.

local text = require "reaper.control.text"

local goals = {}

local function with_detail(row)
  local why = row.detail ~= "" and row.detail or row.status and tostring(row.status)
  return ("%s: %s%s"):format(text.plain(row.name), text.plain(row.state), why and " (" .. text.plain(why) .. ")" or "")
end

local function has_failed(row)
  return row.state == "failed"
end

-- name → is_there(row), and is_lost(row): it will never be
local known = {
  ready = {
    is_there = function(row)
      return row.ready
    end,
    is_lost = has_failed,
  },
  running = {
    is_there = function(row)
      return row.state == "running"
    end,
    is_lost = function(row)
      return row.state == "failed" or row.state == "finished" and row.done
    end,
  },
  finished = {
    is_there = function(row)
      return row.state == "finished"
    end,
    is_lost = has_failed,
  },
  down = {
    is_there = function(row)
      return not row.alive
    end,
    is_lost = function()
      return false
    end,
  },
}

-- What only an order waits for. One that is to start and has been stopped meanwhile will not be ready, and one with a
-- schedule has had its run.
known.started = {
  is_there = function(row)
    return row.ready or row.state == "scheduled"
  end,
  is_lost = function(row)
    return row.state == "failed" or row.state == "finished"
  end,
}
known.stopped = {
  is_there = function(row)
    return not row.alive and row.state ~= "failed"
  end,
  is_lost = has_failed,
}

local needs_no_end = { ready = true, running = true, started = true }

--- The goals that somebody can ask for.
goals.names = { "ready", "running", "finished", "down" }

--- How a service stands, on one line.
function goals.describe(row)
  return row.pid ~= 0 and ("%s: %s (pid %d)"):format(text.plain(row.name), text.plain(row.state), row.pid)
    or with_detail(row)
end

--- True and a line when the service has come there; false and a line when it never will; nil while nobody knows.
-- @param is_stopping the container stops
function goals.answer(goal, row, is_stopping)
  local found = known[goal]
  if found.is_there(row) then
    return true, goals.describe(row)
  elseif found.is_lost(row) then
    return false, with_detail(row)
  elseif is_stopping and needs_no_end[goal] then
    return false, ("%s: %s, and the container is stopping"):format(text.plain(row.name), text.plain(row.state))
  end
end

return goals
