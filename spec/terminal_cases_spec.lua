-- All that somebody does at a terminal (spec/support/terminal_cases.lua), without a script and with one.

local container = require "spec.support.container"
local terminal_cases = require "spec.support.terminal_cases"

local variants = {
  { "without a script", container.binary .. " --" },
  { "with -g", container.binary .. " -g --" },
  { "with a script", container.binary .. " {folder}/hooks.lua --" },
}

local SCRIPT = "function on_signal() end function on_reap() end"

describe("at a terminal", function()
  for _, variant in ipairs(variants) do
    for _, kind in ipairs(terminal_cases.kinds) do
      for _, case in ipairs(terminal_cases.cases) do
        if case[2][kind] and not case[4] then
          it(("%s (%s, %s)"):format(case[1], kind, variant[1]), function()
            local ok, wrong, message = terminal_cases.run(case, kind, variant[2], 10, SCRIPT)
            assert(ok, ("%s\n%s"):format(wrong, message))
          end)
        end
      end
    end
  end

  it("the page shows each case once", function()
    local page = container.read_file "doc/ARCHITECTURE.md"
    for _, case in ipairs(terminal_cases.cases) do
      local times, kinds = select(2, page:gsub("\n| " .. case[1]:gsub("%p", "%%%0") .. " |", "")), 0
      for _ in pairs(case[2]) do
        kinds = kinds + 1
      end
      assert.are.equal(kinds, times, case[1])
    end
  end)
end)
