-- Tries what somebody does at a terminal (spec/support/terminal_cases.lua) with no init, tini, dumb-init and
-- reaper-lua, and prints a table for each way to be on a terminal: "yes", or what is wrong. As root, by make terminal.
-- Others than reaper-lua are left out where they are not installed (apt-get install tini dumb-init).

local container = require "spec.support.container"
local terminal_cases = require "spec.support.terminal_cases"

local PATIENCE_SECONDS = 3 -- what does not come by then is taken for never

local function is_installed(name)
  return os.execute("command -v " .. name .. " >/dev/null")
end

-- tini says so when it is not process 1 and was not told that this is meant.
local inits = { { name = "no init", job = "", other = "" } }
for _, name in ipairs { "tini", "dumb-init" } do
  if is_installed(name) then
    inits[#inits + 1] = { name = name, job = name .. (name == "tini" and " -s --" or " --"), other = name .. " --" }
  end
end
inits[#inits + 1] = { name = "reaper-lua", job = container.binary .. " --", other = container.binary .. " --" }

local titles = {
  job = "a job of bash",
  unshare = "a job of bash, in a PID namespace made by `unshare`",
  container = "process 1 leads the terminal's session (`docker run -it`)",
}

local function row(...)
  io.write("| ", table.concat({ ... }, " | "), " |\n")
  io.flush()
end

for _, kind in ipairs(terminal_cases.kinds) do
  local names, lines = {}, {}
  for i, init in ipairs(inits) do
    names[i], lines[i] = init.name, "---"
  end
  row(titles[kind], table.unpack(names))
  row("---", table.unpack(lines))
  for _, case in ipairs(terminal_cases.cases) do
    if case[2][kind] then
      local cells = {}
      for i, init in ipairs(inits) do
        local ok, wrong = terminal_cases.run(case, kind, kind == "job" and init.job or init.other, PATIENCE_SECONDS)
        cells[i] = ok and "yes" or wrong
      end
      row(case[1], table.unpack(cells))
    end
  end
  print()
end
