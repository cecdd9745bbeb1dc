-- Each system call that the engine makes in a scenario fails once. It goes on: reaps, forwards, tells its script,
-- stops, and ends with the right code. Which calls there are comes from a trace. SPEC_FAULTS=all: all, not only the
-- first of each sort.

local assert = require "luassert"
local busted = require "busted"
local container = require "spec.support.container"
local faults = require "spec.support.faults"
local scenarios = require "spec.support.scenarios"
local traces = require "spec.support.traces"

local injection = {}

-- What there is nothing to go on without: that is told, and the code is 125.
local NEEDED = {
  { "^pipe2%(", 'cannot make a process for "/bin/sh": ' },
  { "^socketpair%(", "cannot start the script process: " },
  { "^fcntl%(.*socket", "cannot start the script process: " },
  { "^timerfd_create%(", "cannot start the script process: " },
  { "^madvise%(", "cannot start the script process: " },
  { "^mmap%(", "cannot start the script process: " },
  { "^clone%(", "cannot start the script process: " },
}

local function may_end(c, fault)
  for _, needed in ipairs(NEEDED) do
    if fault.sort:find(needed[1]) and c:err():find("reaper-lua: " .. needed[2], 1, true) then
      return true
    end
  end
  return false
end

-- Where it cannot become a subreaper it says so, and orphans are not its own.
local function is_no_subreaper(c)
  return c:err():find("cannot become a subreaper: ", 1, true) ~= nil
end

local function start(scenario, mode, fault)
  local options = { mode = mode, report_left = mode == "subreaper" }
  for key, value in pairs(scenario.options) do
    options[key] = value
  end
  local c = scenario.before and container.start(options) or faults.start(options, fault)
  c:until_true(function()
    return c:ended() or c:out():find("ready\n", 1, true)
  end, 10, "COMMAND")
  return c
end

local function goes_well(c, scenario, fault)
  c:expect("ready\n")
  if scenario.before then
    scenario.before(c)
    faults.attach(c, scenario.traced and c:find(scenario.traced) or c, fault)
  end
  if is_no_subreaper(c) then
    scenarios.forwards(c, 1)
  elseif scenario.run then
    scenario.run(c)
  end
  scenarios.stops(c)
  assert.are.equal(7, c:ended())
  assert.is_nil(c:err():find("KILL does not end", 1, true), c:err())
  assert.is_true(is_no_subreaper(c) or not c:err():find("host: ", 1, true), c:err())
  if scenario.after then
    scenario.after(c, fault)
  end
end

local made, not_made = 0, 0

-- How often some calls are made hangs on the machine's load: the trace may have had more of them.
local function goes_on(scenario, mode, fault)
  for _ = 1, 5 do
    local c = start(scenario, mode, fault)
    if not faults.hit_another(c, fault) then
      if c:ended() and may_end(c, fault) then
        assert.are.equal(125, c:ended())
      else
        goes_well(c, scenario, fault)
      end
      if faults.happened(c) then
        made = made + 1
        return
      end
    end
    c:close()
  end
  not_made = not_made + 1
  busted.pending("the call was not made this time")
end

local function is_wanted(scenario, fault)
  for pattern in (scenario.calls or "."):gmatch("%S+") do
    if fault.name:find(pattern) then
      return true
    end
  end
  return false
end

-- The calls that the engine makes in a scenario when none fails.
local function calls_of(scenario, mode)
  return traces.get(scenario.key .. "-" .. mode, function()
    local c = start(scenario, mode)
    goes_well(c, scenario)
    local calls = faults.calls(c)
    c:close()
    return calls
  end)
end

-- Later scenarios try again what earlier ones have tried, with one errno. A subreaper does so only at the end, where
-- the kernel does not clear up after it.
local function first_of_each_sort(scenario, mode)
  local tried = {}
  for _, earlier in ipairs(scenarios) do
    for _, earlier_mode in ipairs(container.modes) do
      local again = earlier_mode == "subreaper" and earlier.run and 0 or 1
      local list = faults.first(calls_of(earlier, earlier_mode), tried, again)
      if earlier == scenario and earlier_mode == mode then
        return list
      end
    end
  end
end

local function chosen(scenario, mode)
  local all = os.getenv("SPEC_FAULTS") == "all"
  local list = {}
  for _, fault in ipairs(all and faults.all(calls_of(scenario, mode)) or first_of_each_sort(scenario, mode)) do
    if is_wanted(scenario, fault) then
      list[#list + 1] = fault
    end
  end
  for _, fault in ipairs(not all and scenario.always and faults.all(calls_of(scenario, mode)) or {}) do
    if fault.sort:find(scenario.always, 1, true) and fault.errno == "ENOMEM" then
      list[#list + 1] = fault
    end
  end
  return list
end

local function define_each(scenario)
  container.each_mode(function(mode)
    busted.describe("in " .. scenario.name .. ":", function()
      for _, fault in ipairs(chosen(scenario, mode)) do
        busted.it(("%s, number %d, with %s"):format(fault.sort, fault.index, fault.errno), function()
          goes_on(scenario, mode, fault)
        end)
      end
    end)
  end)
end

-- Of a few cases one may be in vain, of many one in twenty.
local function is_nearly_always_made()
  return made > 0 and (not_made <= 1 or not_made * 20 < made)
end

-- The cases of one scenario, by its key; `more` defines further ones.
function injection.define(key, more)
  local missing = faults.missing()
  if missing then
    busted.pending("no system call was made to fail: " .. missing)
    return
  end
  busted.describe("a system call that fails", function()
    busted.after_each(container.close_all)
    define_each(scenarios[key])
    if more then
      more()
    end
    busted.it("is made to fail, nearly always", function()
      assert.is_true(is_nearly_always_made(), ("%d made, %d not"):format(made, not_made))
    end)
  end)
end

return injection
