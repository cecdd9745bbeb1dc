-- reaper.schedule: what a line of crontab(5) means, and at which times it fires. Time zones are POSIX texts in TZ,
-- which need no zoneinfo, in a process of their own.

local uv = require "luv"
local container = require "spec.support.container"
local crontab = require "spec.support.crontab"
local program = require "spec.support.program"
local script = require "spec.support.script"

package.path = package.path .. ";lua/?.lua;lua/?/init.lua"
local schedule = require "reaper.schedule"

local utc = crontab.utc
local NEW_YEAR = utc "2026-01-01 00:00" -- a Thursday

-- The next `count` times after `from` in UTC, as texts.
local function times(text, from, count)
  local found = {}
  local time = utc(from)
  for i = 1, count do
    time = schedule.next(text, time, "UTC")
    found[i] = os.date("!%Y-%m-%d %H:%M", time)
  end
  return found
end

-- ---- What a text means. ----

describe("a schedule", function()
  local rows = {
    { "* * * * *", { "2026-01-01 00:01", "2026-01-01 00:02" } },
    { "5 * * * *", { "2026-01-01 00:05", "2026-01-01 01:05" } },
    { "59 23 * * *", { "2026-01-01 23:59", "2026-01-02 23:59" } },
    { "0 0 * * *", { "2026-01-02 00:00", "2026-01-03 00:00" } },
    { "0 0 31 * *", { "2026-01-31 00:00", "2026-03-31 00:00", "2026-05-31 00:00" } },
    { "0 0 1 12 *", { "2026-12-01 00:00", "2027-12-01 00:00" } },
    { "1,5 3 * * *", { "2026-01-01 03:01", "2026-01-01 03:05", "2026-01-02 03:01" } },
    { "5,1 3 * * *", { "2026-01-01 03:01", "2026-01-01 03:05" } },
    { "58-59 3 * * *", { "2026-01-01 03:58", "2026-01-01 03:59", "2026-01-02 03:58" } },
    { "7-7 3 * * *", { "2026-01-01 03:07", "2026-01-02 03:07" } },
    { "*/25 3 * * *", { "2026-01-01 03:00", "2026-01-01 03:25", "2026-01-01 03:50", "2026-01-02 03:00" } },
    { "1-30/14 3 * * *", { "2026-01-01 03:01", "2026-01-01 03:15", "2026-01-01 03:29", "2026-01-02 03:01" } },
    { "*/59 3 * * *", { "2026-01-01 03:00", "2026-01-01 03:59" } },
    { "05 03 007 * *", { "2026-01-07 03:05" } },
    { "0 0 */15 * *", { "2026-01-16 00:00", "2026-01-31 00:00", "2026-02-01 00:00" } },
    { "0 0 1 */5 *", { "2026-06-01 00:00", "2026-11-01 00:00", "2027-01-01 00:00" } },
    { "0 0 1 feb,Apr,DEC *", { "2026-02-01 00:00", "2026-04-01 00:00", "2026-12-01 00:00" } },
    { "0 0 1 NOV-dec *", { "2026-11-01 00:00", "2026-12-01 00:00", "2027-11-01 00:00" } },
    { "0 0 * * mon", { "2026-01-05 00:00", "2026-01-12 00:00" } },
    { "0 0 * * Thu-SAT", { "2026-01-02 00:00", "2026-01-03 00:00", "2026-01-08 00:00" } },
    { "0 0 * * mon-fri/2", { "2026-01-02 00:00", "2026-01-05 00:00", "2026-01-07 00:00" } },
    { "0 0 * * 0", { "2026-01-04 00:00", "2026-01-11 00:00" } },
    { "0 0 * * 7", { "2026-01-04 00:00", "2026-01-11 00:00" } },
    { "0 0 * * fri-sun", { "2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00", "2026-01-09 00:00" } },
    { "0 0 * * 5-0", { "2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00", "2026-01-09 00:00" } },
    { "0 0 * * 5-7", { "2026-01-02 00:00", "2026-01-03 00:00", "2026-01-04 00:00", "2026-01-09 00:00" } },
    { "0 0 * * 7-1", { "2026-01-04 00:00", "2026-01-05 00:00", "2026-01-11 00:00" } },
    { "0 0 * * sun-sun", { "2026-01-04 00:00", "2026-01-11 00:00" } },
    { "0 0 13 * fri", { "2026-01-02 00:00", "2026-01-09 00:00", "2026-01-13 00:00", "2026-01-16 00:00" } },
    { "0 0 13 * *", { "2026-01-13 00:00", "2026-02-13 00:00" } },
    { "0 0 */2 * mon", { "2026-01-05 00:00", "2026-01-19 00:00", "2026-02-09 00:00" } }, -- both: one begins with *
    { "0 0 13 * */5", { "2026-02-13 00:00", "2026-03-13 00:00", "2026-09-13 00:00" } }, -- a Friday or Sunday
    { "@hourly", { "2026-01-01 01:00", "2026-01-01 02:00" } },
    { "@daily", { "2026-01-02 00:00", "2026-01-03 00:00" } },
    { "@midnight", { "2026-01-02 00:00", "2026-01-03 00:00" } },
    { "@weekly", { "2026-01-04 00:00", "2026-01-11 00:00" } },
    { "@monthly", { "2026-02-01 00:00", "2026-03-01 00:00" } },
    { "@yearly", { "2027-01-01 00:00", "2028-01-01 00:00" } },
    { "@Annually", { "2027-01-01 00:00" } },
    { " \t0  0\t* * *  ", { "2026-01-02 00:00" } },
  }
  for _, row in ipairs(rows) do
    it("fires when it says so: " .. row[1], function()
      assert.same(row[2], times(row[1], "2026-01-01 00:00", #row[2]))
    end)
  end

  it("knows leap years", function()
    assert.same({ "2028-02-29 12:00", "2032-02-29 12:00" }, times("0 12 29 2 *", "2026-01-01 00:00", 2))
    assert.same({ "2096-02-29 12:00", "2104-02-29 12:00" }, times("0 12 29 2 *", "2096-01-01 00:00", 2))
    assert.same({ "2000-02-29 12:00" }, times("0 12 29 2 *", "1999-01-01 00:00", 1))
    assert.same({ "2100-02-28 12:00", "2100-03-01 12:00" }, times("0 12 * 2-3 *", "2100-02-27 12:00", 2))
  end)

  it("fires after the time, not at it, whatever the part of a second", function()
    local noon = utc "2026-01-01 12:00"
    assert.equal(noon, schedule.next("0 12 * * *", noon - 1, "UTC"))
    assert.equal(noon, schedule.next("0 12 * * *", noon - 0.25, "UTC"))
    assert.equal(noon + 86400, schedule.next("0 12 * * *", noon, "UTC"))
    assert.equal(noon + 86400, schedule.next("0 12 * * *", noon + 0.75, "UTC"))
    assert.equal("integer", math.type(schedule.next("0 12 * * *", noon + 0.75, "UTC")))
    assert.equal(60, schedule.next("* * * * *", 0, "UTC"))
  end)

  it("never fires: nil and why", function()
    for _, text in ipairs { "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "* * 30-31 feb *" } do
      assert.same({ n = 2, nil, ('"%s" never fires'):format(text) }, table.pack(schedule.next(text, NEW_YEAR, "UTC")))
    end
    assert.equal(utc "2026-02-01 00:00", schedule.next("0 0 30 2 sun", NEW_YEAR, "UTC")) -- the Sundays of February
  end)

  it("@reboot is for the start of the container, and has no next time", function()
    local reboot = schedule.parse "@reboot"
    assert.same({ "@reboot", true }, { reboot.text, reboot.at_start })
    assert.same({ n = 2, nil, '"@reboot" fires when the container starts, and at no time after that' },
      table.pack(reboot:next(NEW_YEAR)))
    assert.is_nil((schedule.next("@reboot", NEW_YEAR)))
    assert.is_false(schedule.parse("@daily").at_start)
  end)

  it("is read once, and asked as often as one likes", function()
    local parsed = schedule.parse "0 12 * * *"
    assert.equal(utc "2026-01-01 12:00", parsed:next(NEW_YEAR, "UTC"))
    assert.equal(utc "2026-01-01 12:00", parsed:next(NEW_YEAR + 60, "UTC"))
    assert.equal(utc "2026-01-02 12:00", parsed:next(utc "2026-01-01 12:00", "UTC"))
    assert.equal("0 12 * * *", parsed.text)
  end)

  it("depends on nothing but the text and the time, whichever way the clock jumps", function()
    math.randomseed(7)
    for _ = 1, 200 do
      local parsed = schedule.parse(crontab.random())
      local at = parsed:next(NEW_YEAR, "UTC")
      for _ = 1, at and 5 or 0 do
        local between = math.random(NEW_YEAR, at - 1)
        assert.equal(at, parsed:next(between, "UTC"), parsed.text)
      end
      assert.equal(at, (parsed:next(at and at - 1 or NEW_YEAR, "UTC")), parsed.text)
    end
  end)

  it("is quick: 1,000 times within a second, however rare", function()
    local slow = container.slow or 1
    for _, text in ipairs { "* * * * *", "0 12 29 2 *", "0 0 */28 2 0", "*/5 2 31 12 *", "0 0 30 2 *" } do
      local from = os.clock()
      local time = NEW_YEAR
      for _ = 1, 1000 do
        local found = schedule.next(text, time)
        time = found and found < utc "8000-01-01 00:00" and found or NEW_YEAR
      end
      assert.is_true(os.clock() - from < slow, text)
    end
  end)
end)

-- ---- What is refused. ----

describe("a text is refused", function()
  local rows = {
    { "60 * * * *", 'minute: "60" is not a number from 0 to 59' },
    { "* 24 * * *", 'hour: "24" is not a number from 0 to 23' },
    { "* * 0 * *", 'day-of-month: "0" is not a number from 1 to 31' },
    { "* * 32 * *", 'day-of-month: "32" is not a number from 1 to 31' },
    { "* * * 0 *", 'month: "0" is not a number from 1 to 12 or a name from jan to dec' },
    { "* * * 13 *", 'month: "13" is not a number from 1 to 12 or a name from jan to dec' },
    { "* * * * 8", 'day-of-week: "8" is not a number from 0 to 7 or a name from sun to sat' },
    { "1-60 * * * *", 'minute: "1-60" has "60", which is not a number from 0 to 59' },
    { "* * * january *", "is not a number from 1 to 12 or a name from jan to dec; did you mean 'jan'?" },
    { "* * * * jan", 'day-of-week: "jan" is not a number from 0 to 7 or a name from sun to sat' },
    { "* * mon * *", 'day-of-month: "mon" is not a number from 1 to 31' },
    { "x * * * *", 'minute: "x" is not a number from 0 to 59' },
    { "1.5 * * * *", 'minute: "1.5" is not a number from 0 to 59' },
    { "0x10 * * * *", 'minute: "0x10" is not a number from 0 to 59' },
    { "-1 * * * *", 'minute: "-1" has "", which is not a number from 0 to 59' },
    { "1- * * * *", 'minute: "1-" has "", which is not a number from 0 to 59' },
    { "1-2-3 * * * *", 'minute: "1-2-3" has "2-3", which is not a number from 0 to 59' },
    { "*-5 * * * *", 'minute: "*-5" has "*", which is not a number from 0 to 59' },
    { "** * * * *", 'minute: "**" is not a number from 0 to 59' },
    { "? * * * *", 'minute: "?" is not a number from 0 to 59' },
    { "* * L * *", 'day-of-month: "L" is not a number from 1 to 31' },
    { "* * * * 5#3", 'day-of-week: "5#3" is not a number from 0 to 7 or a name from sun to sat' },
    { "5/15 * * * *", 'minute: "5/15" has a step but no range; "5-59/15" would be right' },
    { "5~15 * * * *", 'minute: "5~15" is not a number from 0 to 59' },
    { "*/0 * * * *", 'minute: "*/0" has a step that is not a number from 1 to 59' },
    { "*/60 * * * *", 'minute: "*/60" has a step that is not a number from 1 to 59' },
    { "* */24 * * *", 'hour: "*/24" has a step that is not a number from 1 to 23' },
    { "*/ * * * *", 'minute: "*/" has a step that is not a number from 1 to 59' },
    { "*/5/2 * * * *", 'minute: "*/5/2" has a step that is not a number from 1 to 59' },
    { "* 22-6 * * *", 'hour: "22-6" goes backwards; two ranges such as "22-23,0-6" would be right' },
    { "* * * nov-feb *", 'month: "nov-feb" goes backwards; two ranges such as "nov-dec,jan-feb" would be right' },
    { "* * * 11-2 *", 'month: "11-2" goes backwards; two ranges such as "11-12,1-2" would be right' },
    { "* * * * fri-mon", 'day-of-week: "fri-mon" goes backwards; two ranges such as "fri-sat,sun-mon" would be right' },
    { "* * * * 5-1", 'day-of-week: "5-1" goes backwards; two ranges such as "5-6,0-1" would be right' },
    { "1,,2 * * * *", 'minute: "1,,2" has an empty part' },
    { ",1 * * * *", 'minute: ",1" has an empty part' },
    { "1, * * * *", 'minute: "1," has an empty part' },
    { "1, 2 * * * *", '"1, 2 * * * *" has 6 fields; five expected' },
    { "", '"" has 0 fields; five expected: minute hour day-of-month month day-of-week' },
    { " \t ", "has 0 fields; five expected" },
    { "daily", '"daily" has 1 field; five expected' },
    { "* * * *", "has 4 fields; five expected" },
    { "* * * * * *", "has 6 fields; five expected" },
    { "@dayly", '"@dayly" is none of @annually, @daily, @hourly, @midnight, @monthly, @reboot, @weekly, @yearly' },
    { "@", '"@" is none of @annually' },
    { "@daily @hourly", "has 2 fields; five expected" },
    { "@every 5m", '"@every" is not taken; a number of seconds in place of the text would be right, such as 300' },
    { "99999999999999999999 * * * *", 'minute: "99999999999999999999" is not a number from 0 to 59' },
    { ("9"):rep(900) .. " * * * *", 'minute: "9999999999999999999999999999999999999999…" is not a number' },
    { "*/" .. ("9"):rep(900) .. " * * * *", "…\" has a step that is not a number from 1 to 59" },
    { ("1,"):rep(600) .. "1 * * * *", "it has 1209 bytes; at most 1000 expected" },
    { ("*"):rep(10000000), "it has 10000000 bytes; at most 1000 expected" },
    { "* * * * *\n", "it has a byte 0x0a; letters, digits, spaces and * , - / @ expected" },
    { "* * * * *\r", "it has a byte 0x0d" },
    { "*\0* * * * *", "it has a byte 0x00" },
    { "\27[2J * * * *", "it has a byte 0x1b" },
    { "\u{666} * * * *", "it has a byte 0xd9" },
  }
  for _, row in ipairs(rows) do
    it((#row[1] < 40 and ("%q"):format(row[1]):gsub("\\\n", "\\n") or #row[1] .. " bytes") .. ": " .. row[2]:sub(1, 60),
      function()
        local parsed, why = schedule.parse(row[1])
        assert.is_nil(parsed)
        assert.is_truthy(why:find(row[2], 1, true), why)
        assert.is_nil(why:find "%c")
        assert.is_true(#why < 250)
        local ok, message = pcall(schedule.next, row[1], NEW_YEAR)
        assert.is_false(ok)
        local expected = ("bad argument 'text' to 'reaper.schedule.next' (%s)"):format(why)
        assert.is_truthy(message:find(expected, 1, true), message)
      end)
  end

  it("of another type, and so are a wrong time and a wrong time zone", function()
    local cases = {
      { { 5, 0 }, "'text' to 'reaper.schedule.next' (string expected, got number)" },
      { { nil, 0 }, "'text' to 'reaper.schedule.next' (string expected, got no value)" },
      { { "* * * * *" }, "'time' to 'reaper.schedule.next' (a number of seconds expected, got no value)" },
      { { "* * * * *", "0" }, "'time' to 'reaper.schedule.next' (a number of seconds expected, got string)" },
      { { "* * * * *", -1 }, "'time' to 'reaper.schedule.next' (-1 is negative" },
      { { "* * * * *", 0 / 0 }, "is negative or no number of seconds)" },
      { { "* * * * *", math.huge }, "(inf is negative or no number of seconds)" },
      { { "* * * * *", 1e15 }, "(seconds since 1970 expected, at most 253402300799)" },
      { { "* * * * *", math.maxinteger }, "(seconds since 1970 expected, at most 253402300799)" },
      { { "* * * * *", 0, "Europe/Berlin" }, "'timezone' to 'reaper.schedule.next' (\"Europe/Berlin\" is none of" },
      { { "* * * * *", 0, 1 }, "'timezone' to 'reaper.schedule.next' (string expected, got number)" },
      { { "* * * * *", 0, "utc" }, "\"utc\" is none of UTC, local" },
    }
    for _, case in ipairs(cases) do
      local ok, message = pcall(schedule.next, case[1][1], case[1][2], case[1][3])
      assert.is_false(ok)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end
    assert.is_false(pcall(schedule.parse, nil))
    assert.is_true(pcall(schedule.next, "* * * * *", 253402300799, "UTC"))
  end)
end)

-- ---- Beside crontab(5), minute by minute. ----

describe("1,000 random lines", function()
  it("fire when a search over all minutes says so", function()
    math.randomseed(20260101)
    local DAYS = 1500
    for _ = 1, 1000 do
      local text = crontab.random()
      local time = math.random(0, utc "2110-01-01 00:00")
      for _ = 1, 3 do
        local expected = crontab.next(text, time, DAYS)
        local found = schedule.next(text, time, "UTC")
        if not expected then
          assert.is_true(not found or found >= time + DAYS * 86400, text .. " after " .. time)
          break
        end
        assert.message(text .. " after " .. time).equal(expected, found)
        time = found
      end
    end
  end)
end)

-- ---- Where the clocks are changed. ----

local zones = {
  Berlin = "CET-1CEST,M3.5.0,M10.5.0/3",
  ["New York"] = "EST5EDT,M3.2.0,M11.1.0",
  ["Lord Howe"] = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
  ["a zone that skips midnight"] = "<-03>3<-02>,M10.3.0/0,M2.3.0/0",
}

describe("where the clocks are changed", function()
  after_each(container.close_all)

  local cases = {
    Berlin = {
      -- 02:00 to 03:00 is skipped at 01:00 UTC.
      { "30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:30" },
      { "30 2 29 3 *", "2026-03-28 12:00", "2026-03-29 01:00", "2027-03-29 00:30" },
      { "0,30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 00:00" },
      { "0 3 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-30 01:00" },
      { "30 2,3 * * *", "2026-03-28 12:00", "2026-03-29 01:00", "2026-03-29 01:30", "2026-03-30 00:30" },
      { "*/30 2 * * *", "2026-03-28 12:00", "2026-03-30 00:00", "2026-03-30 00:30" },
      { "*/30 * * * *", "2026-03-29 00:15", "2026-03-29 00:30", "2026-03-29 01:00", "2026-03-29 01:30" },
      { "0 * * * *", "2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00" },
      -- 02:00 to 03:00 comes twice, from 00:00 and from 01:00 UTC on.
      { "30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30", "2026-10-26 01:30" },
      { "30 2 * * *", "2026-10-25 01:15", "2026-10-26 01:30" },
      { "0 2 * * *", "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-26 01:00" },
      { "0 3 * * *", "2026-10-24 12:00", "2026-10-25 02:00", "2026-10-26 02:00" },
      { "0 3 * * *", "2026-10-25 01:30", "2026-10-25 02:00" },
      { "30 * * * *", "2026-10-24 23:45", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30" },
      { "*/30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:00",
        "2026-10-25 01:30", "2026-10-26 01:00" },
      { "@daily", "2026-10-24 12:00", "2026-10-24 22:00", "2026-10-25 23:00" },
      { "@hourly", "2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00" },
    },
    ["New York"] = {
      { "30 2 * * *", "2026-03-07 12:00", "2026-03-08 07:00", "2026-03-09 06:30" },
      { "30 1 * * *", "2026-10-31 12:00", "2026-11-01 05:30", "2026-11-02 06:30" },
      { "30 1 * * *", "2026-11-01 06:10", "2026-11-02 06:30" },
      { "*/30 1 * * *", "2026-10-31 12:00", "2026-11-01 05:00", "2026-11-01 05:30", "2026-11-01 06:00",
        "2026-11-01 06:30", "2026-11-02 06:00" },
    },
    ["Lord Howe"] = {
      { "45 1 * * *", "2026-04-04 00:00", "2026-04-04 14:45", "2026-04-05 15:15" },
      { "15 2 * * *", "2026-10-03 00:00", "2026-10-03 15:30", "2026-10-04 15:15" },
      { "*/15 1 * * *", "2026-04-04 13:50", "2026-04-04 14:00", "2026-04-04 14:15", "2026-04-04 14:30",
        "2026-04-04 14:45", "2026-04-04 15:00", "2026-04-04 15:15", "2026-04-05 14:30" },
    },
    ["a zone that skips midnight"] = {
      { "@daily", "2026-10-17 12:00", "2026-10-18 03:00", "2026-10-19 02:00" },
      { "0 0 18 10 *", "2026-10-17 12:00", "2026-10-18 03:00", "2027-10-18 02:00" },
      { "@daily", "2026-02-14 12:00", "2026-02-15 03:00" },
      { "30 23 14 2 *", "2026-02-14 12:00", "2026-02-15 01:30", "2027-02-15 01:30" },
    },
  }

  for name, rows in pairs(cases) do
    it("in " .. name .. ", a script is told the times that are stated", function()
      local lines, expected = {}, {}
      for _, row in ipairs(rows) do
        lines[#lines + 1] = ("tell(%q, %d, %d)"):format(row[1], utc(row[2]), #row - 2)
        expected[#expected + 1] = row[1] .. ": " .. table.concat(row, ", ", 3) .. "\n"
      end
      assert.equal(table.concat(expected), script.printed([[
        local function tell(text, time, count)
          local found = {}
          for i = 1, count do
            time = reaper.schedule.next(text, time)
            found[i] = os.date("!%Y-%m-%d %H:%M", time)
          end
          print(text .. ": " .. table.concat(found, ", "))
        end
      ]] .. table.concat(lines, "\n"), { env = { TZ = zones[name] } }))
    end)
  end

  -- Compares lines with the walk over all minutes from a day before to two days after each moment.
  local WALK = [[
    package.path = %q .. "/?.lua;" .. package.path
    local crontab = require "spec.support.crontab"
    local schedule = require "reaper.schedule"
    math.randomseed(5)
    for _, moment in ipairs { %s } do
      local from, to = crontab.utc(moment) - 86400, crontab.utc(moment) + 2 * 86400
      local texts = {}
      for i = 1, 50 do
        texts[i] = crontab.random(true)
      end
      assert(os.date("%%z", from) ~= os.date("%%z", to), "the clocks are not changed")
      for i, expected in ipairs(crontab.walk(texts, from, to)) do
        local time = from
        for _, at in ipairs(expected) do
          local found = schedule.next(texts[i], time)
          assert(found == at, ("%%s after %%d: %%s, and not %%s"):format(texts[i], time, at, found))
          time = at
        end
        local found = schedule.next(texts[i], time)
        assert(not found or found > to, ("%%s after %%d: not %%s"):format(texts[i], time, found))
      end
    end
    print "done"
  ]]

  local moments = {
    Berlin = { "2026-03-29 01:00", "2026-10-25 01:00" },
    ["New York"] = { "2026-03-08 07:00", "2026-11-01 06:00" },
    ["Lord Howe"] = { "2026-04-04 15:00", "2026-10-03 15:30" },
    ["a zone that skips midnight"] = { "2026-02-15 02:00", "2026-10-18 03:00" },
    ["Pacific/Apia"] = { "2011-12-30 10:00" }, -- a day is skipped
  }
  zones["Pacific/Apia"] = "Pacific/Apia"

  for name, list in pairs(moments) do
    local title = "in " .. name .. ", random lines fire when a walk over all minutes says so"
    if name:find "/" and not uv.fs_stat("/usr/share/zoneinfo/" .. name) then
      pending(title .. ": there is no zoneinfo")
    else
      it(title, function()
        local quoted = {}
        for i, moment in ipairs(list) do
          quoted[i] = ("%q"):format(moment)
        end
        assert.equal("done\n", program.printed(WALK:format(uv.cwd(), table.concat(quoted, ", ")),
          { env = { TZ = zones[name] } }))
      end)
    end
  end
end)

-- ---- The table reaper. ----

describe("reaper.schedule", function()
  after_each(container.close_all)

  local LOADED_LATE = [[
    local reaper = require "reaper"
    print(package.loaded["reaper.schedule"], rawget(reaper, "schedule"))
    print(reaper.schedule == require "reaper.schedule", reaper.schedule.next("@hourly", 1, "UTC"))
  ]]

  it("is loaded when a script asks for it", function()
    assert.equal("nil\tnil\ntrue\t3600\n", script.printed(LOADED_LATE))
  end)

  it("is loaded when a program asks for it", function()
    assert.equal("nil\tnil\ntrue\t3600\n", program.printed(LOADED_LATE))
  end)
end)
