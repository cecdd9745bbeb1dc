-- Many deaths in a program: none is lost or out of order however late it reads, and what is dropped is counted.

local container = require "spec.support.container"
local deaths = require "spec.support.deaths"
local program = require "spec.support.program"

local helper = container.helper
local started, printed = deaths.program, deaths.printed
local STORM = deaths.storm -- the programs have it by this name, too

local CHECKING = "on_reap = function(_, status) check(status) end"

describe("a storm of deaths", function()
  after_each(container.close_all)

  local ALL = STORM .. "\t0\n"

  container.each_mode(function(mode)
    it("that is read by reaper.statuses after the last one comes whole, in its order", function()
      assert.equal(ALL, printed(mode, "", [[
        storm(STORM)
        for pid, status, rusage in reaper.statuses(1) do
          assert(math.type(pid) == "integer" and pid > 1)
          assert(rusage.utime >= 0 and math.type(rusage.maxrss) == "integer")
          check(status)
        end
        print(seen, wrong)
      ]]))
    end)

    it("that is read by reaper.statuses one at a time comes whole, in its order", function()
      assert.equal(ALL, printed(mode, "", [[
        storm(STORM)
        while seen < STORM do
          for _, status in reaper.statuses(20) do
            check(status)
            break
          end
        end
        print(seen, wrong)
      ]]))
    end)

    it("that is told to on_reap by a late reaper.poll comes whole, in its order", function()
      assert.equal("0\n" .. ALL, printed(mode, CHECKING, [[
        storm(STORM)
        print(seen)
        while seen < STORM do assert(reaper.poll(20) > 0) end
        print(seen, wrong)
      ]]))
    end)

    -- The one that has 10,000: here the program reads while the engine writes. The engine must find its socket full,
    -- and with room again, many times, and meanwhile the storm goes on. Process 1 and a subreaper do that alike.
    it("that is told while it happens comes whole, in its order, to a hook that is slow at first", function()
      local count = mode == "init" and 10000 or STORM
      local keys = CHECKING:gsub("check%(status%)", "if seen == 0 then os.execute 'sleep 0.3' end check(status)")
      assert.equal(count .. "\t0\n", printed(mode, keys, ([[
        local pipe = io.popen "%s orphans %d --sequence"
        while seen < %d do assert(reaper.poll(20) > 0) end
        print(seen, wrong)
        pipe:close()
      ]]):format(helper, count, count)))
    end)

    it("of which a hook that comes later is told, too", function()
      assert.equal(ALL, printed(mode, "", [[
        storm(STORM)
        reaper.on("on_reap", function(_, status) check(status) end)
        while seen < STORM do assert(reaper.poll(20) > 0) end
        print(seen, wrong)
      ]]))
    end)
  end)
end)

describe("a program that never polls", function()
  after_each(container.close_all)

  local ways = {
    ["without hooks"] = "",
    ["with on_reap"] = "on_reap = function() print 'told' end",
    ["with every hook"] = "on_reap = function(_, _, _, info) end, on_start = print, on_stop = print, on_exit = print, "
      .. "on_signal = print, on_overflow = print",
  }

  for way, keys in pairs(ways) do
    container.each_mode(function(mode)
      it("leaves no zombie of a storm of orphans " .. way, function()
        local c = program.start(started(keys, "storm(STORM) print 'up' print(io.read())"), { mode = mode })
        c:expect("up\n", 30)
        c:until_true(function()
          return c:zombies() == 0
        end, 10, "no zombie")
        assert.equal(2, #c:processes() - (mode == "subreaper" and 1 or 0))
        c:write("awake\n")
        assert.equal(0, c:wait())
        assert.equal("up\nawake\n", c:out())
      end)
    end)
  end
end)

-- More than the backlog holds (65,536) and the socket takes, which is the same whether the engine is process 1 or not:
-- so one program, as process 1, reads them in both ways. on_reap is told nothing before reaper.statuses has begun.
describe("80,000 deaths that are read after the last one", function()
  local DEATHS = 80000

  local KEYS = [[
    on_overflow = function(count) dropped, calls = (dropped or 0) + count, (calls or 0) + 1 end,
    on_reap = function(_, status)
      told = (told or 0) + 1
      if status.code ~= 7 then wrong_told = (wrong_told or 0) + 1 end
    end]]

  -- Prints how many were told and read, how many dropped, and what the engine has counted.
  local COUNT = [[
    assert(os.execute "]] .. helper .. [[ orphans DEATHS --code 7 --each 100 >{folder}/storm")
    local stats -- a question that is asked while some are being dropped divides them into two overflow events
    repeat os.execute "sleep 0.02" stats = reaper.stats() until stats.orphans == DEATHS
    for _, status in reaper.statuses(2) do
      seen = seen + 1
      if status.code ~= 7 then wrong = wrong + 1 end
    end
    print("told", told, wrong_told or 0, "read", seen, wrong)
    print("dropped", dropped, "calls", calls, "counted", stats.dropped)
  ]]

  local code, out, err, told, wrong_told, read, wrong, dropped, calls, counted

  setup(function()
    code, out, err = program.run(started(KEYS, (COUNT:gsub("DEATHS", DEATHS))), { mode = "init", limit = 300 })
    told, wrong_told, read, wrong, dropped, calls, counted = out:match("^told\t(%d+)\t(%d+)\tread\t(%d+)\t(%d+)\n"
      .. "dropped\t(%d+)\tcalls\t(%d+)\tcounted\t(%d+)\n$")
  end)

  teardown(container.close_all)

  local function assert_rest_is_told(some, wrong_ones)
    assert(some, out .. err)
    local warned, warnings = 0, 0
    for count in err:gmatch "reaper%-lua: warning: (%d+) events were dropped, because they were read too slowly\n" do
      warned, warnings = warned + count, warnings + 1
    end
    assert.same({ 0, DEATHS, dropped, "0" }, { code, some + dropped, counted, wrong_ones })
    assert.same({ tonumber(dropped), tonumber(calls) }, { warned, warnings })
    assert.is_true(tonumber(some) >= 65536)
  end

  it("come up to the backlog to on_reap, and on_overflow is told the exact rest", function()
    assert_rest_is_told(told, wrong_told)
  end)

  it("come up to the backlog to reaper.statuses, and on_overflow is told the exact rest", function()
    assert_rest_is_told(read, wrong)
  end)
end)
