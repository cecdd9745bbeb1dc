---@meta reaper.schedule

-- Types of the module reaper.schedule; see types/reaper.lua.
-- luacheck: ignore 111 112 113 131 211 212 241 631

-- ## Schedules
--
-- At which times a line of crontab(5) fires: pure functions of a text and a time, which have no clock. The module is
-- `reaper.schedule`, and `require "reaper.schedule"`.
--
-- A text has five fields: minute (0–59), hour (0–23), day of the month (1–31), month (1–12 or jan–dec), day of the week
-- (0–7 or sun–sat; 0 and 7 are Sunday). Names may be in any case. A field is `*` or a list of numbers, names and ranges
-- (`1,5`, `1-5`, `mon-fri`); `*` and ranges can have a step (`*/5`, `1-30/7`), at most the greatest value of the field.
-- Where neither the day of the month nor that of the week begins with `*`, one of the two suffices.
--
-- Instead of it: `@hourly`, `@daily` or `@midnight`, `@weekly` (Sunday), `@monthly`, `@yearly` or `@annually`, all at
-- the first minute, and `@reboot`: when the container starts.
--
-- A step without a range (`5/15`) and a range that goes backwards (`22-6`, `fri-mon`), which crons read in different
-- ways, are refused with what would be right; but a range may end with Sunday (`fri-sun`, `5-0`).
--
-- Where the clocks of the time zone are changed, as Vixie cron and cronie do:
--
-- * A schedule of fixed times (neither its minute nor its hour begins with `*`) fires once at each. What the clock skips
--   fires right after the jump; several times that were skipped fire together, once. A time that exists twice fires the
--   first time.
-- * One whose minute or hour begins with `*` goes on with the real time, whatever its other fields are: it fires
--   whenever the wall clock shows one of its times. What is skipped does not fire, and what is there twice fires
--   twice.

---The module.
---@class reaper.schedule
local schedule = {}

---A text that was read once.
---@class reaper.parsed_schedule
---@field text string the text
---@field at_start boolean it is `@reboot`: it fires once, when the container starts, and `:next` gives nil
local parsed_schedule = {}

---The first time after `time` at which it fires. Gives nil, message when there is none.
---@param time number seconds since 1970, as `os.time()` gives them
---@param timezone? "local"|"UTC" local (default): as TZ or /etc/localtime said when the process asked for the first time
---@return integer? next seconds since 1970
---@return string? message why there is none
function parsed_schedule:next(time, timezone) end

---Reads a text. Gives nil, message for a malformed one: the field, the wrong part, and what would be right.
---@param text string such as `"*/5 * * * *"`
---@return reaper.parsed_schedule? schedule
---@return string? message
function schedule.parse(text) end

---The first time after `time` at which the text fires. Gives nil, message when there is none: for `0 0 30 2 *`, and for
---`@reboot`. Raises for a malformed text.
---@param text string such as `"30 2 * * mon-fri"`
---@param time number seconds since 1970, as `os.time()` gives them
---@param timezone? "local"|"UTC" local (default): as TZ or /etc/localtime said when the process asked for the first time
---@return integer? next seconds since 1970
---@return string? message why there is none
function schedule.next(text, time, timezone) end

return schedule
