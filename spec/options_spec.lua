-- Every option in every form: letter, long name, environment variable, reaper.configure{}.

local container = require "spec.support.container"
local observe = require "spec.support.observe"

-- `configure`: what stands in reaper.configure{}, where the option is a setting. `without` is seen when it is not set.
local rows = {
  { letter = "g", name = "kill-group", configure = "kill_group = true",
    observe = observe.group, with = 2, without = 1 },
  { letter = "s", name = "subreaper", observe = observe.exit_code, with = 3, without = 3 },
  { letter = "p", name = "parent-death", value = "USR1", configure = "parent_death = 'USR1'",
    observe = observe.parent_death, with = 1, without = 0 },
  { letter = "e", name = "map-exit", value = "3:4", configure = "map_exit = { [3] = 4 }",
    observe = observe.exit_code, with = 4, without = 3 },
  { letter = "r", name = "rewrite", value = "USR1:USR2", configure = "rewrite = { USR1 = 'USR2' }",
    observe = observe.rewritten, with = 12, without = 10 },
  { letter = "t", name = "grace", value = "0.2", configure = "grace = 0.2",
    observe = observe.grace, with = 0.2, without = 5 },
  { name = "leave-orphans", configure = "leave_orphans = true",
    observe = observe.left, with = true, without = false },
  { letter = "u", name = "user", value = "65534", configure = "user = 65534",
    observe = observe.user, with = 65534, without = 0 },
  { letter = "w", name = "warn", configure = "warn = true", observe = observe.warnings, with = 3, without = 0 },
  { letter = "v", name = "verbose", configure = "verbose = 1", observe = observe.level, with = 3, without = 2 },
  { letter = "q", name = "quiet", configure = "quiet = true", env = { REAPER_WARN = "1" },
    observe = observe.warnings, with = 0, without = 3 },
  { name = "log-format", value = "json", configure = "log_format = 'json'",
    observe = observe.log_format, with = "json", without = "text" },
  { name = "termination-log", value = "{folder}/end", configure = "termination_log = '{folder}/end'",
    observe = observe.termination_log, with = "exit code 3", without = "" },
  { name = "hook-timeout", value = "0.2", configure = "hook_timeout = 0.2",
    observe = observe.hook_timeout, with = 0.2, without = 1 },
  { name = "hook-memory", value = "16M", configure = "hook_memory = '16M'",
    observe = observe.fits, with = false, without = true },
  { name = "script-timeout", value = "0.2", configure = "script_timeout = 0.2",
    observe = observe.replaced, with = true, without = false },
  { letter = "x", name = "eval", value = "os.exit(7)", observe = observe.nothing_else, with = 7, without = 125 },
  { letter = "C", name = "check", observe = observe.started, with = false, without = true },
  { letter = "P", name = "pause", observe = observe.paused, with = 0, without = 125 },
  { letter = "c", name = "single-child", observe = observe.exit_code, with = 3, without = 3 },
}

local function variable(row)
  return "REAPER_" .. row.name:upper():gsub("-", "_")
end

-- All ways to set it: what is said in the spec's name, and what is given to the container.
local function forms(row)
  local list = {}
  local function add(name, options)
    list[#list + 1] = { name = name, options = options }
  end
  if row.value then
    if row.letter then
      add(("-%s %s"):format(row.letter, row.value), { args = { "-" .. row.letter, row.value } })
      add(("-%s%s"):format(row.letter, row.value), { args = { "-" .. row.letter .. row.value } })
    end
    add(("--%s %s"):format(row.name, row.value), { args = { "--" .. row.name, row.value } })
    add(("--%s=%s"):format(row.name, row.value), { args = { "--" .. row.name .. "=" .. row.value } })
  else
    if row.letter then
      add("-" .. row.letter, { args = { "-" .. row.letter } })
    end
    add("--" .. row.name, { args = { "--" .. row.name } })
  end
  add(("%s=%s"):format(variable(row), row.value or "1"), { env = { [variable(row)] = row.value or "1" } })
  if row.configure then
    add(("reaper.configure{ %s }"):format(row.configure),
      { script = ("reaper.configure{ %s }\n"):format(row.configure) })
  end
  return list
end

local function with_environment(row, options)
  options.env = options.env or {}
  for name, value in pairs(row.env or {}) do
    options.env[name] = value
  end
  return options
end

describe("the option", function()
  after_each(container.close_all)

  for _, row in ipairs(rows) do
    describe("--" .. row.name, function()
      for _, form in ipairs(forms(row)) do
        it("works as " .. form.name, function()
          assert.are.equal(row.with, row.observe(with_environment(row, form.options), true))
        end)
      end

      if row.with ~= row.without then
        it("is off without it", function()
          assert.are.equal(row.without, row.observe(with_environment(row, {}), false))
        end)
      end
    end)
  end
end)

describe("an option that only shows something", function()
  local shown = {
    { "-V", "--version", "^reaper%-lua %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%)\n$" },
    { "-h", "--help", "^Usage: reaper%-lua %[OPTIONS%] %[HOOKS%.lua%] %[%-%-%] %[COMMAND %[ARG%.%.%.%]%]\n" },
    { "-l", "--license", "MIT.*Lua%.org.*zlib" },
  }

  for _, row in ipairs(shown) do
    for _, option in ipairs { row[1], row[2] } do
      it("starts nothing: " .. option, function()
        local code, out, err = container.run{ args = { option }, command = { "/bin/echo", "started" } }
        assert.are.same({ 0, "" }, { code, err })
        assert.matches(row[3], out)
        assert.not_matches("started", out)
      end)
    end
  end

  it("names every option in the help", function()
    local _, out = container.run{ args = { "--help" } }
    for _, row in ipairs(rows) do
      local left = row.letter and ("\n  -%s, --%s"):format(row.letter, row.name) or ("\n      --%s"):format(row.name)
      assert.matches(left, out, 1, true)
    end
  end)
end)

describe("a repeatable option", function()
  after_each(container.close_all)

  for _, form in ipairs {
    { name = "-e", options = { args = { "-e", "3:4", "-e5", "--map-exit=6:7" } } },
    { name = "REAPER_MAP_EXIT", options = { env = { REAPER_MAP_EXIT = "3:4,5,6:7" } } },
  } do
    it("keeps all that is said: " .. form.name, function()
      for code, expected in pairs { [3] = 4, [5] = 0, [6] = 7, [8] = 8 } do
        form.options.command = { container.helper, "exit", code }
        assert.are.equal(expected, (container.run(form.options)))
      end
    end)
  end

  for _, form in ipairs {
    { name = "-r", options = { args = { "-r", "USR1:HUP", "-rsigusr2:sigrtmin+1", "--rewrite=winch:0" } } },
    { name = "REAPER_REWRITE", options = { env = { REAPER_REWRITE = "10:1,SIGUSR2:35,WINCH:0" } } },
  } do
    it("keeps all that is said: " .. form.name, function()
      form.options.command = { container.helper, "signals" }
      local c = container.start(form.options)
      c:expect("ready")
      for _, name in ipairs { "USR1", "USR2", "WINCH", "ALRM", "TERM" } do
        c:kill(name)
        if name ~= "WINCH" and name ~= "TERM" then
          c:expect("got " .. ({ USR1 = 1, USR2 = 35, ALRM = 14 })[name] .. "\n")
        end
      end
      c:wait()
      assert.are.equal("ready\ngot 1\ngot 35\ngot 14\ngot 15\n", c:out())
    end)
  end

  for words, level in pairs { ["-v"] = 3, ["-vv"] = 4, ["-v -v"] = 4, ["-vvv"] = 4, ["-q -vv"] = 4, ["-vvvvv"] = 4 } do
    it("raises what is said: " .. words, function()
      local args = {}
      for word in words:gmatch("%S+") do
        args[#args + 1] = word
      end
      assert.are.equal(level, observe.level{ args = args })
    end)
  end
end)

describe("--pause", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for _, name in ipairs { "TERM", "INT", "QUIT" } do
      it("ends with 0 on " .. name, function()
        local c = container.start{ mode = mode, args = { "-vvP" } }
        c:err_expect("running")
        c:kill(name)
        assert.are.equal(0, c:wait())
      end)
    end

    it("goes on after any other signal", function()
      local c = container.start{ mode = mode, args = { "-vvP" } }
      c:err_expect("running")
      for _, name in ipairs { "HUP", "USR1", "USR2", "ALRM", "PIPE", "WINCH", "CONT", "RTMIN+1" } do
        c:kill(name)
        c:err_expect("SIG" .. name:gsub("%+", "%%+") .. " dropped")
      end
      c:kill("TERM")
      assert.are.equal(0, c:wait())
    end)
  end)
end)
