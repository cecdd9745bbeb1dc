-- The Lua files inside the binary: that each is found, what a script may put in their place, and want of memory.

local container = require "spec.support.container"
local script = require "spec.support.script"

local SIZE_MOST = 480 * 1024 -- of the static binary, in bytes
local NOT_EMBEDDED = { ["reaper.runtime.program"] = true, ["reaper.runtime.statuses"] = true }

-- The names of all modules that the binary has, as text of a Lua table.
local function modules()
  local pipe <close> = assert(io.popen("find lua/reaper -name '*.lua' -not -path '*/types/*' | sort"))
  local names = {}
  for path in pipe:lines() do
    local name = path:match("^lua/(.*)%.lua$"):gsub("/init$", ""):gsub("/", ".")
    names[#names + 1] = not NOT_EMBEDDED[name] and ("%q"):format(name) or nil
  end
  assert(#names > 50, "the Lua files are not found")
  return "{ " .. table.concat(names, ", ") .. " }"
end

describe("the Lua files in the binary", function()
  it("are found, each as the first that a script requires", function()
    local out = script.run(script.on_start(([[
      for _, name in ipairs(%s) do
        for loaded in pairs(package.loaded) do
          if loaded:find "^reaper%%." and loaded ~= "reaper.core" then
            package.loaded[loaded] = nil
          end
        end
        local ok, message = pcall(require, name)
        if not ok then print(name, message) end
      end
      print "all"
    ]]):format(modules())))
    assert.equal("all\n", out)
  end)

  it("are one of each, however they are required", function()
    local out = script.run(script.on_start [[
      print(require "reaper" == reaper, require "reaper.schedule" == reaper.schedule)
      print(require "reaper.restart" == require "reaper.restart")
    ]])
    assert.equal("true\ttrue\ntrue\n", out)
  end)

  it("give way to package.preload, and leave other names alone", function()
    local out = script.run [[
      package.preload["reaper.schedule"] = function(name) return "mine: " .. name end
      print(reaper.schedule)
      for _, name in ipairs { "reaper.supervisor.nothing", "reaper.nothing", "reaperx", "reaper.", "" } do
        print(pcall(require, name) or select(2, pcall(require, name)):match "^module '(.-)' not found:")
      end
      print(package.preload[1], package.preload[{}])
      os.exit(0)
    ]]
    assert.equal("mine: reaper.schedule\nreaper.supervisor.nothing\nreaper.nothing\nreaperx\nreaper.\n\nnil\tnil\n",
      out)
  end)

  it("that do not fit into --hook-memory are an error, and are loaded when there is room", function()
    local out = script.run(script.on_start [[
      local refused = 0
      for room = 8, 200, 8 do -- KiB
        local name = room % 16 == 0 and "reaper.supervisor" or "reaper.runtime.log_file"
        local filling = {}
        collectgarbage()
        while collectgarbage "count" < 4096 - room do filling[#filling + 1] = ("x"):rep(512) end
        local ok, message = pcall(require, name)
        refused = refused + (ok and 0 or 1)
        if not ok and message ~= "not enough memory" then print(room, name, message) end
        package.loaded[name], filling = nil, nil
      end
      collectgarbage()
      print(refused > 0, (pcall(require, "reaper.supervisor")))
    ]], { args = { "--hook-memory", "4M", "--hook-timeout", "100" } })
    assert.equal("true\ttrue\n", out)
  end)

  if container.binary:find "static$" then
    it("leave the static binary small", function()
      local file <close> = assert(io.open(container.binary, "rb"))
      local size = file:seek "end"
      assert.is_true(size <= SIZE_MOST, ("%d bytes are more than %d"):format(size, SIZE_MOST))
    end)
  end
end)
