-- Bad input of supervisor.run: the keys that operators expect of services. Each is an error when the script is loaded,
-- at a start and with --check, in one message that names the service and the key. That of the older keys is in
-- supervisor_spec.lua, that of probes in probes_spec.lua.

local container = require "spec.support.container"

local HEAD = 'local supervisor = require "reaper.supervisor"\nlocal inf, nan = math.huge, 0 / 0\nsupervisor.run '

-- One service "a" with these keys.
local function one(keys)
  return '{ { name = "a", command = { "true" }, ' .. keys .. " } }"
end

-- The service "a", beside defaults.
local function below(defaults, keys)
  return ('{ defaults = { %s }, { name = "a", command = { "true" }, %s } }'):format(defaults, keys or "")
end

local B = '{ name = "b", command = { "true" } }'

local rows = {
  { "oneshot that is no boolean", one 'oneshot = "yes"', "'a.oneshot' to 'supervisor.run' (boolean expected" },
  { "oneshot with ready", one "oneshot = true, ready = { notify = true }", "'a.ready'" },
  { "oneshot with health", one 'oneshot = true, health = { exec = { "true" } }', "'a.health'" },
  { "oneshot with watchdog", one "oneshot = true, watchdog = 5",
    "'a.watchdog' to 'supervisor.run' (a service with oneshot ends by itself" },
  { "timeout of what need not end", one "timeout = 5", "'a.timeout' to 'supervisor.run' (only a service with" },
  { "timeout that is a text", one 'oneshot = true, timeout = "5"', "'a.timeout'" },
  { "timeout that is negative", one "oneshot = true, timeout = -1", "'a.timeout'" },
  { "timeout that is infinite", one "oneshot = true, timeout = inf", "'a.timeout'" },
  { "timeout that is no number", one "oneshot = true, timeout = nan", "'a.timeout'" },
  { "timeout that is over at once", one "oneshot = true, timeout = 0", "(more than 0 seconds expected)" },

  { "schedule with too few fields", one 'schedule = "* * *"', "'a.schedule' to 'supervisor.run' (\"* * *\" has 3 f" },
  { "schedule with an unknown word", one 'schedule = "@dayly"', "did you mean '@daily'?" },
  { "schedule that never fires", one 'schedule = "0 0 30 2 *"', "'a.schedule' to 'supervisor.run' (\"0 0 30 2 *\" n" },
  { "schedule of no seconds", one "schedule = 0", "'a.schedule' to 'supervisor.run' (0.1 seconds or more expected" },
  { "schedule without a pause", one "schedule = 1e-300", "(0.1 seconds or more expected)" },
  { "schedule of negative seconds", one "schedule = -5", "'a.schedule'" },
  { "schedule that is infinite", one "schedule = inf", "'a.schedule'" },
  { "schedule that is no number", one "schedule = nan", "'a.schedule'" },
  { "schedule that is a table", one "schedule = {}", "a number of seconds expected, got table" },
  { "schedule that is false", one "schedule = false", "a number of seconds expected, got boolean" },
  { "schedule with ready", one "schedule = 5, ready = { notify = true }", "'a.ready'" },
  { "schedule with oneshot", one "schedule = 5, oneshot = true", "'a.oneshot'" },
  { "schedule with watchdog", one "schedule = 5, watchdog = 5", "(a service with schedule ends by itself" },
  { "timezone that is none of two", one 'schedule = "@daily", timezone = "Europe/Berlin"', "'a.timezone'" },
  { "timezone without schedule", one 'timezone = "UTC"', "'a.timezone' to 'supervisor.run' (only a service with" },
  { "overlap with a mistake", one 'schedule = 5, overlap = "queu"', "did you mean 'queue'?" },
  { "overlap that is a boolean", one "schedule = 5, overlap = true", "'a.overlap'" },
  { "overlap without schedule", one 'overlap = "skip"', "'a.overlap' to 'supervisor.run' (only a service with" },

  { "pre_start without words", one "pre_start = {}", "'a.pre_start' to 'supervisor.run' (it has no words" },
  { "pre_start that is a text", one 'pre_start = "true"', "'a.pre_start' to 'supervisor.run' (table expected" },
  { "pre_start with a zero byte", one 'pre_start = { "a\\0b" }', "'a.pre_start[1]'" },
  { "pre_start with a gap", one 'pre_start = { [1] = "a", [3] = "b" }', "unknown key '3' in 'supervisor.run a.pre_st" },
  { "pre_start with an unknown key", one 'pre_start = { "a", timout = 5 }', "did you mean 'timeout'?" },
  { "pre_start with a text as time", one 'pre_start = { "a", timeout = "1" }', "'a.pre_start.timeout'" },
  { "pre_start with a negative time", one 'pre_start = { "a", timeout = -1 }', "'a.pre_start.timeout'" },
  { "pre_start with no time", one 'pre_start = { "a", timeout = 0 }', "'a.pre_start.timeout'" },
  { "post_stop that is a text", one 'post_stop = "true"', "'a.post_stop'" },
  { "post_stop without words", one "post_stop = { timeout = 1 }", "'a.post_stop'" },
  { "post_stop with a time that is no number", one 'post_stop = { "true", timeout = nan }', "'a.post_stop.timeout'" },

  { "env_file that is missing", one 'env_file = "/nowhere"', "'a.env_file' to 'supervisor.run' (/nowhere: No such" },
  { "env_file that is a directory", one 'env_file = "/"', "'a.env_file' to 'supervisor.run' (/: Is a directory" },
  { "env_file that is a FIFO", one 'env_file = "{folder}/fifo"', "fifo: it is no file, but a FIFO" },
  { "env_file that is large", one 'env_file = "{folder}/large"', "large: it has more than 1 MiB" },
  { "env_file with a NUL byte", one 'env_file = "{folder}/nul"', "nul:1: a NUL byte" },
  { "env_file with a line without =", one 'env_file = "{folder}/plain"', "plain:1: there is no \"=\"" },
  { "env_file that is a number", one "env_file = 5", "'a.env_file' to 'supervisor.run' (a path, or a list of paths" },
  { "env_file that is empty", one 'env_file = ""', "'a.env_file'" },
  { "env_file with a list of numbers", one "env_file = { 5 }", "'a.env_file'" },
  { "env_file with a key", one 'env_file = { path = "x" }', "unknown key 'path' in 'supervisor.run a.env_file'" },
  { "env_file with a zero byte in the path", one 'env_file = "a\\0b"', "'a.env_file'" },

  { "reload that is a text", one 'reload = "HUP"', "'a.reload' to 'supervisor.run' (table expected" },
  { "reload with nothing", one "reload = {}", "'a.reload' to 'supervisor.run' (exactly one of signal and exec" },
  { "reload with both", one 'reload = { signal = "HUP", exec = { "true" } }', "exactly one of signal and exec" },
  { "reload with no signal's name", one 'reload = { signal = "HPU" }', "'a.reload.signal'" },
  { "reload with a text as command", one 'reload = { exec = "true" }', "'a.reload.exec'" },
  { "reload that lasts for ever", one 'reload = { exec = { "true" }, timeout = inf }', "'a.reload.timeout'" },
  { "reload by a signal with a time", one 'reload = { signal = "HUP", timeout = 5 }', "'a.reload.timeout'" },

  { "terminal that is a text", one 'terminal = "yes"', "'a.terminal' to 'supervisor.run' (boolean expected" },
  { "terminal with session", one "terminal = true, session = true", "'a.terminal'" },
  { "terminal with stdin", one 'terminal = true, stdin = "null"', "'a.terminal'" },
  { "terminal with descriptor 0", one "terminal = true, fds = { [0] = 1 }", "'a.terminal'" },
  { "terminal twice", '{ { name = "a", command = { "true" }, terminal = true }, '
    .. '{ name = "b", command = { "true" }, terminal = true } }', "'b.terminal' to 'supervisor.run' ('a' has the" },
  { "terminal beside COMMAND", one "terminal = true", "'a.terminal' to 'supervisor.run' (COMMAND has the", true },

  { "stop.to with a mistake", one 'stop = { to = "grop" }', "did you mean 'group'?" },
  { "stop.to that is a boolean", one "stop = { to = true }", "'a.stop.to'" },
  { "stop.rest with a mistake", one 'stop = { rest = "leav" }', "did you mean 'leave'?" },
  { "stop.rest that is a boolean", one "stop = { rest = false }", "'a.stop.rest'" },
  { "stop.grace that is no number", one "stop = { grace = nan }", "'a.stop.grace'" },
  { "a backoff that is negative", one "backoff = { initial = -1 }", "'initial' to 'supervisor.run a.backoff'" },

  { "after itself", one 'after = { "a" }', "the services wait for each other: a after a" },
  { "after what runs by a schedule", '{ { name = "a", command = { "true" }, after = { "b" } }, '
    .. '{ name = "b", command = { "true" }, schedule = 5 } }', "'a' is to start after 'b', which runs by a schedule" },
  { "after with a gap", "{ " .. B .. ', { name = "a", command = { "true" }, after = { nil, "b" } } }', "'a.after[1]'" },
  { "after as a set", "{ " .. B .. ', { name = "a", command = { "true" }, after = { b = true } } }',
    "unknown key 'b' in 'supervisor.run a.after'" },
  { "after COMMAND", one 'after = { "main" }', "'a' is to start after 'main', which is no service", true },

  { "COMMAND twice", "{ " .. B .. ", { main = true }, { main = true } }", "'[3].main'", true },
  { "COMMAND that is not there", "{ " .. B .. ", { main = true } }", "there is no COMMAND" },
  { "COMMAND with other keys", "{ " .. B .. ', { main = true, restart = "no" } }', "unknown key 'restart'", true },
  { "COMMAND after an unknown service", "{ " .. B .. ', { main = true, after = { "c" } } }',
    "COMMAND is to start after 'c', which is no service", true },
  { "COMMAND after what runs by a schedule", '{ { name = "a", command = { "true" }, schedule = 5 }, '
    .. '{ main = true, after = { "a" } } }', "COMMAND is to start after 'a', which runs by a schedule", true },
  { "COMMAND after a gap", "{ " .. B .. ', { main = true, after = { nil, "b" } } }', "'[2].after[1]'", true },
  { "COMMAND that is false", "{ " .. B .. ", { main = false } }", "'[2].main' to 'supervisor.run' (true exp", true },
  { "COMMAND alone", "{ { main = true } }", "at least one service expected", true },
  { "the name main", '{ { name = "main", command = { "true" } } }', "'[1].name' to 'supervisor.run' ('main' is" },

  { "defaults that are a text", '{ defaults = "x", ' .. B .. " }", "'defaults' to 'supervisor.run' (table expected" },
  { "defaults with an unknown key", below 'restrat = "no"', "'supervisor.run defaults'; did you mean 'restart'?" },
  { "defaults with a command", below "command = {}", "'defaults.command' to 'supervisor.run' (it belongs to one" },
  { "defaults with a name", below 'name = "x"', "'defaults.name'" },
  { "defaults with a terminal", below "terminal = true", "'defaults.terminal'" },
  { "defaults with a wrong value", below 'restart = "alwys"', "'defaults.restart'" },
  { "defaults with a wrong value that nothing uses", below('restart = "alwys"', 'restart = "no"'),
    "'defaults.restart'" },
  { "defaults with a wrong value in a table", below "stop = { grace = -1 }", "'defaults.stop.grace'" },
  { "defaults with a wrong env", below("env = 5", 'env = { A = "1" }'), "'env' to 'supervisor.run defaults'" },
  { "defaults with a wrong value of what spawn takes", below 'umask = "022"', "'umask' to 'supervisor.run defaults'" },
  { "defaults with a wrong timezone", below 'timezone = "Europe/Berlin"', "'defaults.timezone'" },
  { "defaults with a wrong oneshot", below "oneshot = 1", "'defaults.oneshot'" },
  { "defaults with a missing env_file", below 'env_file = "/nowhere"', "'defaults.env_file'" },

  { "a command with a key", '{ { name = "a", command = { "true", timeout = 5 } } }', "'supervisor.run a.command'" },
  { "a command with a gap", '{ { name = "a", command = { "true", [3] = "x" } } }', "'supervisor.run a.command'" },
  { "a command whose length is infinite", '{ { name = "a", command = setmetatable({}, { __len = function() '
    .. "return math.maxinteger end }) } }", "'a.command[1]'" },
  { "an empty word as command", '{ { name = "a", command = { "" } } }', "'a.command[1]'" },
  { "a list with a gap", "{ [1] = " .. B .. ", [5] = " .. B .. " }", "unknown key '5' in 'supervisor.run'" },
  { "a table for two services", "(function() local s = " .. B .. " return { s, s } end)()", "there are two services" },
  { "a list within itself", "(function() local s = {} s[1] = s return s end)()",
    "unknown key '1' in 'supervisor.run [1]'" },
  { "an environment within itself", "(function() local s = {} s.A = s return " .. one "env = s" .. " end)()",
    "'env.A' to 'supervisor.run a'" },
  { "a period that is no number", "{ period = nan, " .. B .. " }", "'period'" },
}

describe("bad input of supervisor.run", function()
  after_each(container.close_all)

  local files = { large = ("x"):rep(10 * 1024 * 1024), nul = "A=a\0b\n", plain = "A\n" }

  local function options_of(row, args)
    local text = HEAD:gsub("run $", "run(") .. row[2] .. ")\n"
    local found = { script = text, args = args, command = row[4] and { "true" }, mode = "init", files = {} }
    for name, content in pairs(files) do
      found.files[name] = row[2]:find("/" .. name, 1, true) and content or nil
    end
    if row[2]:find("/fifo", 1, true) then
      found.wrap = { "/bin/sh", "-c", '[ -p {folder}/fifo ] || mkfifo {folder}/fifo; exec "$@"', "sh" }
    end
    return found
  end

  for _, row in ipairs(rows) do
    it("is told at load, and with --check: " .. row[1], function()
      for _, args in ipairs { {}, { "--check" } } do
        local code, out, err = container.run(options_of(row, args))
        assert.equal(125, code)
        assert.equal("", out)
        assert.matches(row[3], err, 1, true)
        assert.equal(1, select(2, err:gsub("does not load", "")))
      end
    end)
  end
end)

describe("defaults", function()
  after_each(container.close_all)

  it("that are meant for another kind of service are no contradiction", function()
    local code, _, err = container.run { args = { "--check" }, script = HEAD:gsub("run $", "run ")
      .. [[{ defaults = { timezone = "UTC", overlap = "kill", timeout = 5, watchdog = 9, ready = { notify = true } },
        { name = "a", command = { "true" } }, { name = "b", command = { "true" }, oneshot = true },
        { name = "c", command = { "true" }, schedule = "@daily" } }]] }
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("may be one table for several services", function()
    local code, _, err = container.run { args = { "--check" }, script = HEAD
      .. [[((function()
        local stop = { grace = 1 }
        return { { name = "a", command = { "true" }, stop = stop }, { name = "b", command = { "true" }, stop = stop } }
      end)())]] }
    assert.equal("", err)
    assert.equal(0, code)
  end)
end)
