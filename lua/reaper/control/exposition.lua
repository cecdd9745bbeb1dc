--- What Prometheus reads: the text exposition format 0.0.4.

local core = require "reaper.core"
local cgroup = require "reaper.control.cgroup"
local fields = require "reaper.runtime.log_fields"
local processes = require "reaper.control.processes"
local snapshot = require "reaper.control.snapshot"

local exposition = {}

local engine_states = {
  "loading", "starting", "running", "orderly", "stopping", "killing", "on_exit", "parting", "last sweep", "done",
}

local service_states = {
  "waiting", "scheduled", "pre_start", "starting", "running", "stopping", "clearing", "post_stop", "backoff",
  "finished", "failed",
}

-- The letters of proc(5).
local process_states = {
  R = "running", S = "sleeping", D = "uninterruptible", T = "stopped", t = "stopped", Z = "zombie", I = "idle",
}

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

-- ---- Samples. A family is a list of { labels, value }; labels are a list of names and values. ----

local function labels_text(labels)
  local parts = {}
  for i = 1, #labels, 2 do
    local value = fields.valid(labels[i + 1]):gsub('[\\"\n]', escapes)
    parts[#parts + 1] = ('%s="%s"'):format(labels[i], value)
  end
  return parts[1] and ("{%s}"):format(table.concat(parts, ",")) or ""
end

local function number_text(value)
  return math.type(value) == "integer" and ("%d"):format(value) or ("%.17g"):format(value)
end

-- One sample without labels; no family where there is no value.
local function single(value)
  return { value and { {}, value } }
end

-- One sample for each state, of which the present one is 1.
local function add_states(samples, states, present, ...)
  for _, state in ipairs(states) do
    local labels = { ... }
    table.move({ "state", state }, 1, 2, #labels + 1, labels)
    samples[#samples + 1] = { labels, state == present and 1 or 0 }
  end
  return samples
end

-- value_of(row) for each service of the page where it gives something. A name that stands there twice is told once.
local function of_services(value_of)
  return function(taken)
    local samples, seen = {}, {}
    for _, row in ipairs(taken.services) do
      local value = not seen[row.name] and value_of(row, taken)
      seen[row.name] = true
      samples[#samples + 1] = value and { { "service", row.name }, value } or nil
    end
    return samples
  end
end

-- ---- The families. ----

local function reaped(taken)
  local counts = taken.engine.statistics
  return { { { "kind", "child" }, counts.reaped - counts.orphans }, { { "kind", "orphan" }, counts.orphans } }
end

local function processes_by_state(taken)
  local counts, samples = {}, {}
  for _, process in ipairs(taken.processes) do
    local state = process_states[process.state] or "other"
    counts[state] = (counts[state] or 0) + 1
  end
  if snapshot.is_outside(taken) then
    return samples
  end
  for _, state in ipairs { "running", "sleeping", "uninterruptible", "stopped", "zombie", "idle", "other" } do
    samples[#samples + 1] = { { "state", state }, counts[state] or 0 }
  end
  return samples
end

local function zombies(taken)
  return single(snapshot.count_zombies(taken, taken.processes))
end

local function script_up(taken)
  local script = taken.script
  return single(script and ((script.state == "working" or script.state == "blocked") and 1 or 0))
end

local function script_busy(taken)
  local session = taken.script and taken.script.session
  local is_busy = session and session.busy_since and session.pid == taken.engine.script_pid
  return single(taken.script and (is_busy and math.max(taken.now - session.busy_since, 0) or 0))
end

local function service_states_of(taken)
  local samples, seen = {}, {}
  for _, row in ipairs(taken.services) do
    if not seen[row.name] then
      seen[row.name] = true
      add_states(samples, service_states, row.state, "service", row.name)
    end
  end
  return samples
end

-- In seconds since 1970, which do not move when the wall clock is set.
local function start_time(row, taken)
  return row.started_at and taken.engine.started_time + (row.started_at - taken.engine.started_at)
end

local function last_exit_code(row)
  return type(row.status) == "table" and row.status.exit_code or nil
end

-- What the processes of a service use together; nil where they cannot be seen.
local function usage(key)
  return of_services(function(row, taken)
    local total = taken.totals[row.name]
    return total and total[key]
  end)
end

-- Name, type, help, and a function that gives the samples.
local families = {
  { "reaper_build_info", "gauge", "The version of reaper-lua, as a label.", function(taken)
    return { { { "version", taken.engine.version }, 1 } }
  end },
  { "reaper_start_time_seconds", "gauge", "When reaper-lua was started, in seconds since 1970.", function(taken)
    return single(taken.engine.started_time)
  end },
  { "reaper_state", "gauge", "1 for the state that reaper-lua is in.", function(taken)
    return add_states({}, engine_states, taken.engine.state)
  end },
  { "reaper_reaped_total", "counter", "Processes that were reaped: adopted ones (orphan), and COMMAND and those that "
    .. "the script has started (child).", reaped },
  { "reaper_events_dropped_total", "counter", "Deaths that were not told to the script, which was too slow.",
    function(taken)
      return single(taken.engine.statistics.dropped)
    end },
  { "reaper_zombies", "gauge", "Dead processes that their parents have not reaped.", zombies },
  { "reaper_processes", "gauge", "Processes that /proc shows, by their state.", processes_by_state },
  { "reaper_pids_limit", "gauge", "How many processes and threads the cgroup allows.", function(taken)
    return single(cgroup.pids_limit(taken.engine.pid_here, ""))
  end },
  { "reaper_script_up", "gauge", "1 while a script process has loaded the script and lives.", script_up },
  { "reaper_script_restarts_total", "counter", "How often a lost script process was replaced.", function(taken)
    return single(taken.script and taken.engine.statistics.script_restarts)
  end },
  { "reaper_script_busy_seconds", "gauge", "For how long the hook has computed that runs now; 0: none does.",
    script_busy },
  { "reaper_service_state", "gauge", "1 for the state that the service is in.", service_states_of },
  { "reaper_service_restarts_total", "counter", "How often the service was started again.", of_services(function(row)
    return row.restarts
  end) },
  { "reaper_service_start_time_seconds", "gauge", "When the service's process was started, in seconds since 1970.",
    of_services(start_time) },
  { "reaper_service_last_exit_code", "gauge", "The exit code of the service's last end; 128 and the signal's number "
    .. "when it was killed.", of_services(last_exit_code) },
  { "reaper_service_cpu_seconds_total", "counter", "Processor time of the service's processes, and of their children "
    .. "that have ended.", usage "cpu" },
  { "reaper_service_resident_memory_bytes", "gauge", "Memory of the service's processes.", usage "memory" },
}

local function add_family(lines, family, taken)
  local name, kind, help, samples_of = table.unpack(family)
  local samples = samples_of(taken)
  if not samples[1] then
    return
  end
  lines[#lines + 1] = ("# HELP %s %s"):format(name, help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
  for _, sample in ipairs(samples) do
    lines[#lines + 1] = ("%s%s %s"):format(name, labels_text(sample[1]), number_text(sample[2]))
  end
end

--- The text for what snapshot.take gives. A family that has no sample is left out.
function exposition.text(taken)
  taken.processes = taken.processes or core.processes() or {}
  taken.totals = taken.totals or processes.totals(taken)
  local lines = {}
  for _, family in ipairs(families) do
    add_family(lines, family, taken)
  end
  return table.concat(lines, "\n") .. "\n"
end

return exposition
