-- Programs that make 200 children of their own while orphans die around them.

local assert = require "luassert"
local busted = require "busted"
local container = require "spec.support.container"
local program = require "spec.support.program"

local own_children = {}

-- `body` makes the children, and says of each by note(right) whether its status was right. `polls`: whether deaths are
-- read meanwhile. The storm is slow, and is held up by the engine, which has to reap one before there are more than
-- 20, so that the program has its share of the processor. Between two children an orphan at least is reaped, so that
-- the storm goes on all the time, however fast the machine is.
local function text(body, polls)
  return ([[
    own, told = {}, {}
    local reaper = require "reaper"
    assert(reaper.start { enable_child_subreaper = true, %s })
    os.execute "%s orphans 300000 --parallel 20 --pause 0.001 >{folder}/storm &"
    while reaper.stats().orphans < 100 do end
    local seen, wrong, orphans = 0, 0, reaper.stats().orphans
    local function note(right)
      seen = seen + 1
      if not right then wrong = wrong + 1 end
      repeat %s until reaper.stats().orphans > orphans
      orphans = reaper.stats().orphans
    end
    %s
    for pid in pairs(own) do
      if told[pid] then print("told", pid) end
    end
    print("seen", seen, "wrong", wrong)
    os.exit(0, true)
  ]]):format(polls and "on_reap = function(pid) told[pid] = true end" or "", container.helper,
    polls and "reaper.poll()" or "", body)
end

-- The cases for one way to make them.
local function define(mode, name, body, add)
  for _, polls in ipairs { true, false } do
    add(("%s have their own statuses, 200 times, while orphans storm and are %s"):format(name,
      polls and "told" or "not read"), function()
      local code, out, err = program.run(text(body, polls), { mode = mode, limit = 60 })
      assert.same({ 0, "seen\t200\twrong\t0\n", "" }, { code, out, err })
    end)
  end
end

-- The cases for each of these ways: a name, the body, and `posix` where it needs luaposix.
function own_children.define(ways)
  container.each_mode(function(mode)
    for _, way in ipairs(ways) do
      define(mode, way[1], way[2], way.posix and program.it_with_luaposix or busted.it)
    end
  end)
end

return own_children
