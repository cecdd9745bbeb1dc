-- Commands at their times:  reaper-lua cron.lua
-- Six fields: second, minute, hour, day of the month, month, day of the week (0 is Sunday); each *, */n (what n can
-- divide), a number, a range or a list of these; all six must fit. A job that still runs at its next time is left out.
-- Where minutes will do, the key `schedule` of a service does it, with the lines of crontab(5).
local jobs = {
  { "0 30 3 * * 1-5", { "./backup", name = "backup" } },
  { "0 */15 8-18 * * *", { "./report", "--short", name = "report" } },
  { "*/2 * * * * *", { "./check", name = "check" } },
}

local keys = { "sec", "min", "hour", "day", "month", "wday" }

local function fits(field, value)
  for part in field:gmatch "[^,]+" do
    local step, first, last = part:match "^%*/(%d+)$", part:match "^(%d+)%-?(%d*)$"
    if part == "*" or (step and value % tonumber(step) == 0) then
      return true
    elseif first and value >= tonumber(first) and value <= tonumber(last ~= "" and last or first) then
      return true
    end
  end
  return false
end

local function is_due(when, date)
  local i = 0
  for field in when:gmatch "%S+" do
    i = i + 1
    if not fits(field, keys[i] == "wday" and date.wday - 1 or date[keys[i]]) then
      return false
    end
  end
  return i == #keys
end

local function still_runs(name)
  for _, child in ipairs(reaper.children()) do
    if child.name == name then
      return true
    end
  end
  return false
end

local function run(command)
  if still_runs(command.name) then
    return reaper.log("warning", command.name .. " still runs: left out")
  end
  local status, message = reaper.run(command)
  if not status or not status.ok then
    reaper.log("error", ("%s: %s"):format(command.name, status or message))
  end
end

local clock

function on_start()
  local last = os.time()
  clock = reaper.every(0.25, function()
    local now = os.time()
    if math.abs(now - last) > 60 then -- somebody has set the clock: what lies between is left out
      last = now - 1
    end
    for second = last + 1, now do -- none while a clock that was put back a little comes up to what has been done
      local date = os.date("*t", second)
      for _, job in ipairs(jobs) do
        if is_due(job[1], date) then
          reaper.after(0, function() run(job[2]) end)
        end
      end
    end
    last = math.max(last, now)
  end)
end

function on_stop() -- what runs has got TERM, and nothing more begins
  clock:cancel()
end
