-- Runs in which the script process is lost at every moment: before each of its calls that are seen from outside, in
-- virtual time. spec/supervisor_moments_spec.lua and spec/supervisor_moments_more_spec.lua have the scenarios.

local assert = require "luassert"
local virtual = require "spec.support.virtual"

local moments = {}

-- Before each script.
moments.HEAD = [[
  local supervisor = require "reaper.supervisor"
  function on_service(name, state) io.stderr:write("told ", name, " ", state, "\n") end
]]

-- ---- What programs do, and what is noted of it. ----

local Notes = {}
Notes.__index = Notes

-- Names of programs begin with the name of their service.
local function new_notes()
  return setmetatable({ list = {}, starts = {}, times = {}, wrong = {} }, Notes)
end

function Notes:add(what)
  self.list[#self.list + 1] = what
end

function Notes:count(what)
  local count = 0
  for _, other in ipairs(self.list) do
    count = count + (other == what and 1 or 0)
  end
  return count
end

function Notes:position(what)
  for i, other in ipairs(self.list) do
    if other == what then
      return i
    end
  end
end

-- What two programs have in common when they belong to the same service: "db", "db-pre" and "db-kid" do.
local function service_of(comm)
  return comm:match "^[^-]+"
end

-- Each start of a program is noted, and that there are never two of it, nor another one of its service, unless that is
-- what has started it.
function Notes:begin(process)
  local name = process.comm
  self.starts[name] = (self.starts[name] or 0) + 1
  self.times[name] = self.times[name] or {}
  table.insert(self.times[name], process.machine:seconds() - 1000)
  self:add(name .. " starts")
  for _, other in ipairs(process.machine.order) do
    local is_of_it = service_of(other.comm) == service_of(name) and not process.parent
    if other ~= process and (other.comm == name or is_of_it) then
      table.insert(self.wrong, ("%s starts beside %s"):format(name, other.comm))
    end
  end
end

-- Lives until TERM, and takes a moment for its end. `before(process)` comes first.
function moments.server(before)
  return function(process, notes)
    process:on("TERM", function()
      notes:add(process.comm .. " is asked")
      process:sleep(0.05)
      notes:add(process.comm .. " ends")
      process:exit(0)
    end)
    if before then
      before(process, notes)
    end
    process:sleep(1e6)
  end
end

-- Ends with the code, after so many seconds, in its first `times` lives.
function moments.failing(code, seconds, times)
  return moments.server(function(process, notes)
    if notes.starts[process.comm] <= times then
      process:sleep(seconds)
      notes:add(process.comm .. " fails")
      process:exit(code)
    end
  end)
end

-- Ends by itself with the code, after so many seconds. TERM ends it at once.
function moments.work(seconds, code)
  return function(process, notes)
    process:sleep(seconds)
    notes:add(process.comm .. " is done")
    process:exit(code or 0)
  end
end

-- Does in each life what that function does, and in further ones what the last does.
function moments.lives(...)
  local list = { ... }
  return function(process, notes)
    return list[math.min(notes.starts[process.comm], #list)](process, notes)
  end
end

-- Only KILL ends it.
function moments.deaf(process)
  process:on("TERM", false)
  process:on("HUP", false)
  process:sleep(1e6)
end

-- ---- Running. ----

local Run = {}
Run.__index = Run

-- The script process is lost here. What it has read and written last tells what is lost with it.
local function lose(self, name, process, ...)
  self.lost_before, self.has_lost = (self.lost_before or "") .. " " .. name, self.has_lost or process.has_read
  self.lost_words = (self.lost_words or "") .. (name == "write" and table.concat { ... } or "")
  process.is_to_be_lost = true
end

-- Runs a scenario; the script process is lost before call number `moment`, if that is given, and `again` calls later.
local function new_run(scenario, moment, again)
  local self = setmetatable({ notes = new_notes(), moment = moment, again = again, calls = 0 }, Run)
  local programs = {}
  for name, f in pairs(scenario.programs) do
    programs[name] = function(process)
      self.notes:begin(process)
      f(process, self.notes)
    end
  end
  self.container = virtual.start {
    script = moments.HEAD .. scenario.script, programs = programs, clock = scenario.clock, command = scenario.command,
  }
  self.container:watch_calls(function(number, name, process, ...)
    self.calls = number
    if process.state == "loading" and not process.reason then
      self.loading_calls = number -- a script that is lost before it was ever loaded has not been loaded
    end
    if number == moment or (again and number == moment + again) then
      lose(self, name, process, ...)
    end
  end)
  return self
end

function Run:kill(signal)
  self.container:kill(signal)
end

-- Waits until that many notes of the kind are there, or the container has ended for an end of which nobody knows.
function Run:await(what, count)
  self.container:until_true(function()
    return self.notes:count(what) >= (count or 1) or (self.has_lost == "an end" and self.container:ended())
  end, 100, what)
end

-- Loads the script anew.
function Run:reload(script)
  self.container:write_file("hooks.lua", moments.HEAD .. script)
  repeat -- a script that is lost while it is loaded is not loaded
    local _, failures = self.container:err():gsub("the reload failed", "")
    self:kill "HUP"
    self.container:advance(0.01)
    local _, more = self.container:err():gsub("the reload failed", "")
  until more == failures
end

function Run:stop()
  self:kill "TERM"
  self.code = self.container:wait(100)
end

-- ---- What is to be true. ----

function Run:expect_starts(wanted)
  for name, count in pairs(wanted) do
    assert.equal(count, self.notes.starts[name] or 0, "starts of " .. name)
  end
end

function Run:expect_starts_within(name, least, most)
  local count = self.notes.starts[name] or 0
  assert(count >= least and count <= most, ("%d starts of %s"):format(count, name))
end

-- It starts at those times since the start of the container; a little later where there was no script process.
function Run:expect_times(name, ...)
  local times, wanted = self.notes.times[name] or {}, { ... }
  local text = table.concat(times, " ")
  assert.equal(#wanted, #times, ("starts of %s: %s"):format(name, text))
  for i, time in ipairs(wanted) do
    assert(times[i] >= time - 1e-6 and times[i] <= time + 1, ("starts of %s: %s"):format(name, text))
  end
end

-- A living process of that name.
function Run:find(name)
  for _, process in ipairs(self.container:processes()) do
    if process.comm == name then
      return process
    end
  end
end

-- Each of them comes later than the one before.
function Run:expect_order(...)
  local last = 0
  for _, what in ipairs { ... } do
    local position = self.notes:position(what)
    assert.is_truthy(position, "not noted: " .. what)
    assert(position > last, what .. " is too early")
    last = position
  end
end

-- What a lost process had read of an end is lost with it: then nobody knows the code.
function Run:expect_code(code)
  if not (self.has_lost == "an end" and self.code == 255) then
    assert.equal(code, self.code)
  end
end

-- An on_service in which the script process is lost is not called again, since that might be the reason.
function Run:expect_told(what)
  if (self.lost_words or ""):find("told " .. what .. "\n", 1, true) then
    return
  end
  assert(self.container:err():find("told " .. what .. "\n", 1, true), "not told: " .. what)
end

-- Of every run: nothing was there twice, and nothing is left.
function Run:expect_peace()
  assert.same({}, self.notes.wrong)
  assert.same({}, self.container:processes())
  for line in self.container:err():gmatch "[^\n]+" do
    assert(not line:find "traceback", self.container:err())
  end
end

local function play(run, scenario)
  scenario.drive(run)
  run.code = run.code or run.container:wait(1000)
  scenario.check(run)
  run:expect_peace()
end

local function report(run, message)
  message = type(message) == "table" and tostring(message.message) or tostring(message)
  return ("lost before call %s (%s )%s: %s\n--- notes\n%s\n%s"):format(run.moment, run.lost_before,
    run.has_lost and ", with what it had read" or "", message, table.concat(run.notes.list, "\n"),
    run.container:err())
end

-- Loses the script process at each moment in turn, or at every so many (`step`). `again(moment)`: after how many calls
-- it is lost once more, or nil.
local function try_all(scenario, step, again)
  local whole, failures = new_run(scenario), {}
  play(whole, scenario)
  for moment = whole.loading_calls + 1, whole.calls, step do
    local run = new_run(scenario, moment, again(moment))
    local fine, message = pcall(play, run, scenario)
    if not fine then
      failures[#failures + 1] = report(run, message)
    end
  end
  if failures[1] then
    error(("%d of %d moments\n%s"):format(#failures, whole.calls,
      table.concat(failures, "\n\n", 1, math.min(3, #failures))), 0)
  end
end

--- Plays the scenario once without a loss, and then loses the script process at each moment in turn. A scenario is a
-- script, programs, `clock` (on the wall), `command`, `drive(run)`, which acts on the container, and `check(run)`.
function moments.lose_once(scenario)
  try_all(scenario, 1, function() end)
end

--- The same; and the next script process is lost soon after the first one. `step`: every how many moments.
function moments.lose_twice(scenario, step)
  try_all(scenario, step or 1, function(moment)
    return 1 + moment % 9
  end)
end

return moments
