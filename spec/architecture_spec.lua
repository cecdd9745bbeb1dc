-- doc/ARCHITECTURE.md draws the states of a service as lua/reaper/supervisor/machine.lua has them, and says where each
-- thing lives.

local uv = require "luv"
local container = require "spec.support.container"
local program = require "spec.support.program"

local page = container.read_file "doc/ARCHITECTURE.md"
local section = assert(page:match("\n### The states of a service\n(.-)\n### "))

local function set_of(text, pattern)
  local set = {}
  for word in text:gmatch(pattern or "[%l_]+") do
    set[word] = true
  end
  return set
end

-- The machine as it is: state → event → the next state, or "" where a function decides on it. Functions that need
-- nothing but a service without any keys are asked.
local function read_machine()
  local machine, events = {}, {}
  local _, out = program.run [[
    for state, row in pairs(require "reaper.supervisor.machine") do
      for event, next_state in pairs(row) do
        if type(next_state) == "function" then
          local service = { state = state, name = "a", spec = { overlap = "kill" }, past = { started_at = -1000 } }
          local ok, answer = pcall(next_state, service, "a reason")
          next_state = ok and answer or ""
        end
        print(state, event, next_state)
      end
    end
  ]]
  for state, event, next_state in out:gmatch "([%l_]+)\t([%l_]+)\t([%l_]*)\n" do
    machine[state] = machine[state] or {}
    machine[state][event], events[event] = next_state, true
  end
  return machine, events
end

-- The first table of the section: state → event → the set of words that say what follows.
local function read_table()
  local rows = {}
  for line in section:match("| state |.-\n\n"):gmatch "[^\n]+" do
    local state, what = line:match "^| ([%l_]+) |.-| ([^|]+) |$"
    if state and state ~= "state" then
      rows[state] = {}
      for happens, follows in (what .. ";"):gmatch "([%l_, ]+) → (.-);" do
        for event in happens:gmatch "[%l_]+" do
          rows[state][event] = set_of(follows)
        end
      end
    end
  end
  return rows
end

local function sorted(...)
  local list = {}
  for _, set in ipairs { ... } do
    for name in pairs(set) do
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

describe("the states of a service in ARCHITECTURE", function()
  local machine, events = read_machine()
  local rows = read_table()

  it("are those of the machine, each with what happens there", function()
    assert.are.same(sorted(machine), sorted(rows))
    for state, row in pairs(machine) do
      assert.are.same({ state, sorted(row) }, { state, sorted(rows[state]) })
    end
  end)

  it("are followed by those of the machine", function()
    for state, row in pairs(machine) do
      for event, next_state in pairs(row) do
        assert.is_truthy(next_state == "" or rows[state][event][next_state], ("%s: %s → %s"):format(state, event,
          next_state))
      end
    end
  end)

  it("stand all in the drawing, with all that happens, and nothing else does", function()
    local drawing = {}
    for line in section:gmatch "\n    ([^\n]+)" do
      drawing[#drawing + 1] = line
    end
    assert.are.same(sorted(machine, events), sorted(set_of(table.concat(drawing, " "))))
  end)

  it("have a line for each thing that happens", function()
    local explained = {}
    for names in section:match("| what happens | |\n.*$"):gmatch "\n| ([%l_, ]+) |" do
      for name in names:gmatch "[%l_]+" do
        explained[name] = true
      end
    end
    assert.are.same(sorted(events), sorted(explained))
  end)
end)

describe("where each thing lives, ARCHITECTURE says of", function()
  local lives = assert(page:match("\n## Where each thing lives\n(.-)\n## "))

  -- A file of C has its name there, and a directory of Lua modules with its slash.
  for _, directory in ipairs { "src/common", "src/engine", "lua/reaper", "lua/reaper/supervisor" } do
    it("all in " .. directory, function()
      local scan = assert(uv.fs_scandir(directory))
      for name, kind in uv.fs_scandir_next, scan do
        local shown = kind == "directory" and name .. "/" or name
        assert.is_truthy(name:find "%.h$" or lives:match("[`/]" .. shown:gsub("[%.%-]", "%%%0") .. "`"), shown)
      end
    end)
  end
end)
