-- A script process that mistreats its engine: packets that no script process sends, replies that it does not read, a
-- socket that it shuts.

local container = require "spec.support.container"
local descriptors = require("spec.support.script").descriptors

local modules = container.helper:gsub("spec%-helper$", "?.so")
local RAW = ("package.cpath = %q local raw = require 'raw'\n"):format(modules)

local function status_of(c, key)
  for line in io.lines(("/proc/%d/status"):format(c.pid)) do
    local value = line:match("^" .. key .. ":%s*(%d+)")
    if value then
      return tonumber(value)
    end
  end
end

-- The engine still does its work.
local function assert_works(c)
  c:kill("USR1")
  c:expect("got 10\n")
  c:kill("TERM")
  assert.equal(0, c:wait())
end

local function start(script)
  local c = container.start { script = script, command = { container.helper, "signals" } }
  c:expect("ready\n")
  return c
end

-- The static binary loads no C modules.
local loads_modules = os.execute(container.binary
  .. [[ -C -x 'assert(select(3, package.loadlib("", "")) ~= "absent")' 2>/dev/null]])

describe("the engine", function()
  after_each(container.close_all)

  if not loads_modules then
    pending("is not tried: this binary cannot load the C module that mistreats it")
    return
  end

  local floods = {
    { "empty packets with descriptors", "raw.send(0, 3)" },
    { "orders with more descriptors than an order has", "raw.send(128, 8, 8)" },
    { "the same spawn again and again", "raw.send(128, 2, 6, 1, 128 + 256)" },
    { "spawns that never were", "raw.send(128, 2, 6, 99999 + i, 128 + 256)" },
    { "failures of spawns that never were", "raw.send(128, 0, 7, 99999 + i)" },
    { "questions whose answers it does not wait for", "raw.send(128, 0, 13)" },
    { "packets that are too long", "raw.send(1000, 1, 6)" },
  }
  for _, flood in ipairs(floods) do
    it("keeps nothing of " .. flood[1], function()
      local c = start(RAW .. ([[
        function on_start()
          for i = 1, 300 do %s end
          print("stats", reaper.stats().reaped)
        end]]):format(flood[2]))
      c:expect("stats\t0\n")
      assert.is_true(descriptors(c.pid) < 20, "it has " .. descriptors(c.pid))
      assert.is_nil(c:err():find("crash", 1, true))
      assert_works(c)
    end)
  end

  it("replaces a script process that has shut its socket, and does not spin", function()
    local c = start(RAW .. [[
      function on_start(_, again) print("start", again) if not again then raw.shut() end end]])
    c:expect("start\tcrash\n")
    assert.truthy(c:err():find("has shut its channel", 1, true))
    assert_works(c)
  end)

  it("keeps the deaths of children for the one that comes after it", function()
    local c = start(RAW .. [[
      function on_start(_, again)
        print("start", again)
        if not again then
          reaper.spawn { "sleep", "1000", name = "left" }
          raw.shut()
        end
      end
      function on_reap(_, status, _, info) print("told", info.name, status) end]])
    c:err_expect("starting it again")
    c:kill("KILL", c:find("sleep").pid)
    c:expect("told\tleft\tsignal SIGKILL\n")
    assert_works(c)
  end)

  -- The engine is stopped meanwhile, so that it finds both at once; process 1 could not be.
  it("keeps nothing of an empty packet with descriptors that is the last before that", function()
    local c = container.start { mode = "subreaper", command = { container.helper, "signals" }, script = RAW .. [[
      function on_start(_, again) print("start", again) end
      function on_signal()
        local engine = io.open("/proc/self/stat"):read("a"):match("%) %S (%d+)")
        os.execute("kill -STOP " .. engine)
        raw.send(0, 3)
        raw.shut()
        os.execute("kill -CONT " .. engine)
        return false
      end]] }
    c:expect("start\tnil\n")
    c:expect("ready\n")
    local before = descriptors(c.pid)
    c:kill("USR2")
    c:expect("start\tcrash\n")
    c:until_true(function()
      return descriptors(c.pid) <= before
    end, 5, "no more descriptors than before")
  end)

  it("keeps no more than its backlog of replies that nobody reads", function()
    local c = start([[
      local core = require "reaper.core"
      function on_start()
        for i = 1, 150000 do core.order(core.ORDER_STATS, 7) end
        print("sent")
        os.execute("sleep 1000")
      end]])
    c:expect("sent\n", 20)
    if not container.sanitized then
      assert.is_true(status_of(c, "VmRSS") < 16 * 1024)
    end
    assert_works(c)
  end)
end)
