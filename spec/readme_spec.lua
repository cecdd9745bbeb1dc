-- What the README and the man page show is what the program does.

local container = require "spec.support.container"

local function read(path)
  return assert(container.read_file(path), path)
end

-- The indented blocks and the fenced Lua blocks of the README.
local readme = read("README.md")
local lua_blocks = {}
for block in readme:gmatch("```lua\n(.-)```") do
  lua_blocks[#lua_blocks + 1] = block
end

-- What a service can be given, and its states, as the types have them.
local types = read("lua/reaper/types/supervisor.lua")
local keys = types:match("%-%-%-@class reaper%.service\n(.-)\n\n")
  .. types:match("%-%-%-@class reaper%.services\n(.-)\n\n")
local states = read("lua/reaper/types/settings.lua"):match("reaper%.service_state ([^\n]+)")

describe("the README", function()
  after_each(container.close_all)

  it("shows the scripts that are in examples", function()
    assert.equal(read("examples/first.lua"), lua_blocks[1])
    assert.equal(read("examples/restart.lua"), lua_blocks[2])
  end)

  it("shows what its first script prints", function()
    local words = assert(readme:match("%./reaper%-lua examples/first%.lua %-%- sh %-c '([^']+)'"))
    local shown = assert(readme:match("ends with exit code 3:\n\n(.-\n)\n")):gsub("    (.-\n)", "%1")
    local code, out = container.run { script = lua_blocks[1], command = { "sh", "-c", words } }
    assert.equal(3, code)
    -- The harness is process 1 in a namespace of its own, too, so even the pids are the same.
    assert.equal(shown, out)
  end)

  it("shows a script that restarts COMMAND when it fails", function()
    local code, out, err = container.run { script = lua_blocks[2], command = { "sh", "-c",
      "echo run; test -e {folder}/second && exit 0; touch {folder}/second; exit 7" } }
    assert.equal("run\nrun\n", out)
    assert.truthy(err:find("COMMAND failed: exit 7 failures=1", 1, true), err)
    assert.equal(0, code)
  end)

  it("shows services that a script can have, whose commands need not be here", function()
    local code, _, err = container.run { raw = { "--check", "{folder}/services.lua" },
      files = { ["services.lua"] = lua_blocks[3] } }
    assert.equal(0, code, err)
    for line in err:gmatch "[^\n]+" do
      assert.matches("^reaper%-lua: warning: .*: cannot run \"[^\"]+\": No such file", line)
    end
  end)

  it("names every key of a service, and every state", function()
    local section = readme:match("\n## Services\n(.-)\n## ")
    for key in keys:gmatch "%-%-%-@field ([%l_]+)" do
      assert.truthy(section:find("`" .. key, 1, true), key)
    end
    for state in states:gmatch "[%l_]+" do
      assert.truthy(section:match("\n| [^|]*%f[%l]" .. state .. "%f[^%l_][^|]* |"), state)
    end
  end)
end)

describe("the man page", function()
  local page = read("doc/reaper-lua.1")

  it("names every key of a service, and every state", function()
    local section = page:match("\n%.Ss Services\n(.-)\n%.Ss ")
    for key in keys:gmatch "%-%-%-@field ([%l_]+)" do
      assert.truthy(section:match("\n%.[IV][ta]%f[ ][^\n]* " .. key .. "%f[^%l_]"), key)
    end
    for state in states:gmatch "[%l_]+" do
      assert.truthy(section:find("\n.It " .. state .. "\n", 1, true), state)
    end
  end)

  it("has every function of scripts", function()
    local reference = read("doc/REFERENCE.md")
    local functions = reference:match("\n## Functions\n(.-)\n## ") .. reference:match("\n## Services\n(.*)")
    for name in functions:gmatch "\n### `([%l_.%d]+)%(" do
      assert.truthy(page:match("\n%.[%a ]*Fn [^\n]*%f[%l]" .. name:gsub("%.", "%%.") .. "%f[^%l_%d]"), name)
    end
  end)
end)

describe("every option of --help", function()
  local _, help = container.run { raw = { "--help" } }
  container.close_all()

  for option in help:gmatch("%-%-(%l[%l-]+)") do
    it("--" .. option .. " is in the README and in the man page", function()
      assert.truthy(readme:find("--" .. option, 1, true))
      assert.truthy(read("doc/reaper-lua.1"):find("-" .. option, 1, true))
    end)
  end
end)
