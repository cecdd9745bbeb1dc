-- Deaths are told once and in their order over reloads and losses of the script process.

local uv = require "luv"

local container = require "spec.support.container"
local script = require "spec.support.script"

local DEATHS = 20000
local KILLS = tonumber(os.getenv "SPEC_KILLS") or 12 -- `make nightly` does 200

-- Each script process appends what it is told: the code, which is the death's number modulo 256.
local TELLS = [[
  local file = io.open("{folder}/told", "a")
  function on_reap(_, status, _, info)
    if info.orphan then file:write(status.exit_code, "\n") file:flush() end
  end
  function on_overflow(n) print("overflow", n) end
]]

local function told(c)
  local codes = {}
  for line in io.lines(c.folder .. "/told") do
    codes[#codes + 1] = math.tointeger(line)
  end
  return codes
end

-- How many of `deaths` are missing, as far as the codes tell. One that is told again, or late, would be a gap of 255.
local function count_missing(codes, deaths)
  local missing, last = 0, 0
  for _, code in ipairs(codes) do
    missing = missing + (code - last - 1) % 256
    last = code
  end
  return missing + (deaths % 256 - last) % 256
end

local function start(more, storm)
  local c = container.start { args = { "--hook-timeout", "5" }, limit = 240, script = TELLS .. more,
    command = { "sh", "-c", "read line; " .. (storm or "$0 orphans " .. DEATHS .. " --sequence")
      .. "; echo made; sleep 1000", container.helper } }
  return c
end

local function wait_for_all(c, at_most_missing)
  c:expect("made", 100)
  c:until_true(function() return #told(c) >= DEATHS - at_most_missing end, 30, "all deaths")
end

describe("a storm of deaths", function()
  after_each(container.close_all)

  it("is told without a gap and in order while the script is loaded anew all the time", function()
    local c = start [[
      function on_start() reaper.after(0.02, reaper.reload) end
    ]]
    c:write "go\n"
    wait_for_all(c, 0)
    local codes = told(c)
    assert.are.equal(DEATHS, #codes)
    assert.are.equal(0, count_missing(codes, DEATHS))
    assert.is_true(select(2, c:err():gsub("the script was reloaded", "")) >= 10, c:err())
  end)

  it("loses at most one death with each script process that is killed, and the order holds", function()
    local c = start [[function on_start(_, again) print("started", again) end]]
    local kills = 0
    c:expect "started\tnil"
    c:write "go\n"
    repeat
      script.kill_script(c)
      kills = kills + 1
      c:until_true(function() return select(2, c:out():gsub("started\tcrash", "")) >= kills end, 20, "the next one")
    until c:out():find("made", 1, true) or kills == 6
    wait_for_all(c, kills)
    local codes = told(c)
    assert.is_true(#codes <= DEATHS and #codes >= DEATHS - kills, #codes .. " of " .. DEATHS)
    assert.are.equal(DEATHS - #codes, count_missing(codes, DEATHS))
  end)

  it("loses at most one death with each kill, at random moments, with a reload after each", function()
    -- A number of deaths that 256 divides, again and again: the numbers go on where the last ones ended.
    local c = start([[
      function on_start(_, again) print("started", again) end
      function on_signal() reaper.reload() return false end]],
      "until test -e {folder}/enough; do $0 orphans " .. 256 * 4 .. " --sequence; done")
    local function reloads() return select(2, c:err():gsub("the script was reloaded", "")) end
    local seed = os.time()
    math.randomseed(seed)
    c:expect "started\tnil"
    c:write "go\n"
    for kills = 1, KILLS do
      if math.random() < 0.5 then
        c:kill "HUP"
      end
      uv.sleep(math.random(0, 20)) -- a random moment
      script.kill_script(c)
      local asked_at = 0
      c:until_true(function() -- a reload that is done also ends the series of delays of the starts
        if uv.hrtime() - asked_at > 150e6 then
          c:kill "HUP"
          asked_at = uv.hrtime()
        end
        return reloads() >= kills
      end, 20, kills .. " reloads")
    end
    assert(io.open(c:file "enough", "w")):close()
    c:expect("\nmade\n", 60)
    local deaths = 256 * 4 * select(2, c:out():gsub("made 1024\n", ""))
    c:until_true(function() return #told(c) >= deaths - KILLS end, 30, "all deaths")
    local codes = told(c)
    local missing = deaths - #codes
    assert.is_true(missing >= 0 and missing <= KILLS, ("%d of %d are missing, seed %d"):format(missing, deaths, seed))
    assert.are.equal(missing, count_missing(codes, deaths), "seed " .. seed)
  end)
end)
