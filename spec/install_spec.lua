-- What make install puts where, and that make uninstall takes it away.

local uv = require "luv"

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  return pipe:close(), text
end

local function files_below(folder)
  local _, text = run("cd " .. folder .. " && find . ! -type d | sort")
  return text
end

describe("make", function()
  local folder

  before_each(function()
    folder = assert(uv.fs_mkdtemp("/tmp/reaper-lua-install-XXXXXX"))
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("install puts the binary, its link and the man pages below DESTDIR and PREFIX; uninstall removes them", function()
    local where = ("DESTDIR=%s PREFIX=/opt/reaper"):format(folder)
    assert.is_true(run("make install " .. where))
    assert.equal("./opt/reaper/bin/reaper-lua\n./opt/reaper/bin/reaperctl\n./opt/reaper/share/man/man1/reaper-lua.1\n"
      .. "./opt/reaper/share/man/man1/reaperctl.1\n", files_below(folder))
    local _, client = run(folder .. "/opt/reaper/bin/reaperctl --version")
    assert.truthy(client:find "^reaperctl %d+%.%d+%.%d+\n$")
    local _, version = run(folder .. "/opt/reaper/bin/reaper-lua --version")
    assert.truthy(version:find("^reaper%-lua %d+%.%d+%.%d+ %(Lua 5%.4"))
    assert.is_true(run("make uninstall " .. where))
    assert.equal("", files_below(folder))
  end)

  it("help names every target", function()
    local _, text = run("make help")
    local targets = io.open("Makefile"):read("a"):match("\n%.PHONY: all(.-[^\\])\n"):gsub("\\\n", "")
    for target in targets:gmatch("%S+") do
      assert.truthy(text:find("make " .. target .. " ", 1, true) or target == "help" or target == "need-build", target)
    end
  end)

  for _, purpose in ipairs { "demo", "test" } do
    it(purpose .. " says in one line which packages are missing where the system cannot be changed", function()
      -- No apt-get in PATH, and no compiler's headers, lua or tini to be found.
      local ok, text = run(("PATH=%s LUA_INCLUDE=/nowhere /bin/sh tools/need.sh build %s"):format(folder, purpose))
      assert.falsy(ok)
      assert.truthy(text:find("^please install these packages[^\n]*:[^\n]*\n$"), text)
    end)
  end
end)
