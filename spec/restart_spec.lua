-- Restart policies: plain functions of made-up events, no process and no clock.

package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
package.cpath = "build/?.so;" .. package.cpath -- never the sanitized one: it cannot be loaded here

local restart = require "reaper.restart"

local function exit(code)
  return { kind = "exit", code = code, exit_code = code, ok = code == 0, core = false }
end

local function killed(number, name)
  return { kind = "signal", code = number, signal = name, exit_code = 128 + number, ok = false, core = false }
end

local CRASH = exit(1)

-- Runs a service that ends again and again under a policy: what it has waited before each restart, and why it gave up.
-- `runs` is a list of lifetimes, or { lifetime, status }; with `count`, the last of them again and again.
local function play(policy, runs, count, more)
  local delays, history, lifetimes, now = {}, {}, {}, 1000
  for i = 1, count or #runs do
    local run = runs[math.min(i, #runs)]
    local lifetime, status = run, CRASH
    if type(run) == "table" then
      lifetime, status = run[1], run[2]
    end
    now = now + lifetime
    local event = {
      name = "x", status = status, lifetime = lifetime, restarts = i - 1, now = now, history = history,
      lifetimes = lifetimes,
    }
    for key, value in pairs(more or {}) do
      event[key] = value
    end
    local delay, reason, as_it_should = policy(event)
    if not delay then
      return delays, reason, as_it_should
    end
    delays[#delays + 1] = delay
    now = now + delay
    history[#history + 1], lifetimes[#lifetimes + 1] = now, lifetime
  end
  return delays
end

-- Delays as text, so that sums of fractions compare.
local function rounded(delays)
  local list = {}
  for i, delay in ipairs(delays) do
    list[i] = ("%.6g"):format(delay)
  end
  return table.concat(list, " ")
end

describe("the builder", function()
  it("always restarts at once, however it is written", function()
    assert.same({ 0, 0, 0 }, (play(restart.always, { 0, 0, 5 })))
    assert.same({ 0, 0 }, (play(restart.always(), { { 0, exit(0) }, 1 })))
  end)

  it("never gives up at the first end, with a reason", function()
    local delays, reason = play(restart.never, { 0 })
    assert.same({ {}, "string" }, { delays, type(reason) })
    assert.equal(restart.never, restart.never())
  end)

  it("on_failure restarts what has failed, and says when an end was as it should be", function()
    assert.same({ 0, 0 }, (play(restart.on_failure(), { 1, { 1, killed(15, "SIGTERM") } })))
    local delays, reason, as_it_should = play(restart.on_failure(), { { 1, exit(0) } })
    assert.same({ {}, "it has ended as it should", true }, { delays, reason, as_it_should })
  end)

  it("on_failure takes codes that are no failure, ends by signals among them", function()
    local policy = restart.on_failure { ok = { 0, 143, 7 } }
    for _, status in ipairs { exit(0), exit(7), exit(143), killed(15, "SIGTERM") } do
      assert.same({}, (play(policy, { { 1, status } })))
    end
    assert.same({ 0 }, (play(policy, { { 1, exit(1) } })))
  end)

  it("on_failure restarts at most max times", function()
    local delays, reason, as_it_should = play(restart.on_failure { max = 3 }, { 0 }, 10)
    assert.same({ { 0, 0, 0 }, "it was started again 3 times" }, { delays, reason, as_it_should })
    assert.same({}, (play(restart.on_failure { max = 0 }, { 0 })))
  end)

  it("backoff grows by the factor up to the maximum", function()
    local policy = restart.backoff { initial = 0.1, factor = 2, max = 1, reset_after = 60 }
    assert.equal("0.1 0.2 0.4 0.8 1 1 1", rounded(play(policy, { 0 }, 7)))
    assert.equal("2 6 18", rounded(play(restart.backoff { initial = 2, factor = 3 }, { 0 }, 3)))
    assert.equal("0.5 0.5 0.5", rounded(play(restart.backoff { initial = 0.5, factor = 1 }, { 0 }, 3)))
  end)

  it("backoff begins anew after a run that was long enough, and grows again from there", function()
    local policy = restart.backoff { initial = 1, factor = 2, max = 60, reset_after = 10 }
    assert.equal("1 2 4 1 2 4 1 1 2", rounded(play(policy, { 0, 0, 9.9, 10, 0, 0, 30, 10, 1 })))
  end)

  it("backoff counts the restarts where the event knows no lifetimes", function()
    local policy = restart.backoff { initial = 1, factor = 2, max = 60, reset_after = 10 }
    assert.equal(8, policy { status = CRASH, lifetime = 0, restarts = 3, history = {}, now = 0 })
    assert.equal(1, policy { status = CRASH, lifetime = 20, restarts = 3, history = {}, now = 0 })
  end)

  it("backoff does not overflow after years of failing", function()
    local policy = restart.backoff { initial = 0.1, max = 30 }
    assert.equal(30, policy { status = CRASH, lifetime = 0, restarts = 1 << 40, history = {}, now = 0 })
  end)

  it("backoff spreads the delay by the jitter, the middle being the default", function()
    local policy = restart.backoff { initial = 10, jitter = 0.1 }
    assert.equal("9", rounded(play(policy, { 0 }, 1, { random = 0 })))
    assert.equal("11", rounded(play(policy, { 0 }, 1, { random = 1 })))
    assert.equal("10", rounded(play(policy, { 0 }, 1)))
  end)

  it("limit gives up at the failure after max restarts within the window", function()
    local delays, reason, as_it_should = play(restart.limit(restart.always, { max = 3, window = 10 }), { 1 }, 10)
    assert.same({ { 0, 0, 0 }, "it was started again 3 times within 10 s", false }, { delays, reason, as_it_should })
  end)

  it("limit forgets restarts that are older than the window", function()
    assert.equal(20, #play(restart.limit(restart.always, { max = 3, window = 10 }), { 4 }, 20))
    assert.equal(2, #play(restart.limit(restart.always, { max = 2, window = 10 }), { 4 }, 20))
  end)

  it("limit leaves the decision to the policy before that", function()
    local policy = restart.limit("on-failure", { max = 3, window = 10 })
    assert.equal("0.1 0.2 0.4", rounded(play(policy, { 0 }, 10)))
    assert.same({}, (play(policy, { { 0, exit(0) } })))
  end)

  it("by_code looks for the signal, then for the code, then takes the default", function()
    local policy = restart.by_code {
      [0] = restart.never, [137] = 5, SIGSEGV = restart.backoff { initial = 7 }, KILL = 1, default = "on-failure",
    }
    assert.same({ nil, true }, { (play(policy, { { 0, exit(0) } }))[1], true })
    assert.same({ 5 }, (play(policy, { { 0, exit(137) } })))
    assert.same({ 1 }, (play(policy, { { 0, killed(9, "SIGKILL") } })))
    assert.same({ 7 }, (play(policy, { { 0, killed(11, "SIGSEGV") } })))
    assert.equal("0.1", rounded(play(policy, { { 0, exit(3) } })))
  end)

  it("by_code without a default never restarts what it does not name; false is never, a number a delay", function()
    local policy = restart.by_code { [1] = 2, [2] = false }
    assert.same({ 2 }, (play(policy, { { 0, exit(1) } })))
    assert.same({}, (play(policy, { { 0, exit(2) } })))
    assert.same({}, (play(policy, { { 0, exit(3) } })))
  end)

  it("all takes the longest delay, and the first that gives up decides", function()
    local policy = restart.all(restart.on_failure { max = 2 }, restart.backoff { initial = 1 }, 1.5)
    local delays, reason = play(policy, { 0 }, 5)
    assert.same({ { 1.5, 2 }, "it was started again 2 times" }, { delays, reason })
  end)

  it("combines with a function of one's own", function()
    local function on_tuesdays(event)
      if event.now > 1002 then
        return nil, "not today"
      end
      return 0.5
    end
    local delays, reason = play(restart.limit(restart.all(on_tuesdays, "always"), { max = 9, window = 9 }), { 0 }, 9)
    assert.same({ "0.5 0.5 0.5 0.8", "not today" }, { rounded(delays), reason })
  end)
end)

describe("the preset", function()
  local rows = {
    { 'docker "always"', restart.docker "always", { 0 }, 12, "0.1 0.2 0.4 0.8 1.6 3.2 6.4 12.8 25.6 51.2 60 60" },
    { 'docker "unless-stopped"', restart.docker "unless-stopped", { { 0, exit(0) } }, 3, "0.1 0.2 0.4" },
    { 'docker "on-failure"', restart.docker "on-failure", { 0, 0, 10, 0, { 0, exit(0) } }, 5, "0.1 0.2 0.1 0.2" },
    { 'docker "on-failure:5"', restart.docker "on-failure:5", { 0 }, 9, "0.1 0.2 0.4 0.8 1.6" },
    { 'docker "on-failure:0" (no limit)', restart.docker "on-failure:0", { 0 }, 7, "0.1 0.2 0.4 0.8 1.6 3.2 6.4" },
    { 'docker "no"', restart.docker "no", { 0 }, 1, "" },
    { "kubernetes()", restart.kubernetes(), { 0, 0, 0, 0, 0, 0, 599, 600, 1 }, 9, "10 20 40 80 160 300 300 10 20" },
    { "kubernetes Always after success", restart.kubernetes "Always", { { 0, exit(0) } }, 2, "10 20" },
    { "kubernetes OnFailure", restart.kubernetes "OnFailure", { 0, { 0, exit(0) } }, 2, "10" },
    { "kubernetes Never", restart.kubernetes "Never", { 0 }, 1, "" },
    { "systemd{} (five starts in ten seconds)", restart.systemd {}, { 0 }, 9, "0.1 0.1 0.1 0.1" },
    { "systemd{} with runs of three seconds", restart.systemd {}, { 3 }, 9, "0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1" },
    { "systemd{} after a clean signal", restart.systemd {}, { { 0, killed(15, "SIGTERM") } }, 1, "" },
    { "systemd always", restart.systemd { restart = "always" }, { { 5, exit(0) } }, 2, "0.1 0.1" },
    { "systemd on-abnormal", restart.systemd { restart = "on-abnormal" }, { { 5, killed(11, "SIGSEGV") }, 5 }, 2,
      "0.1" },
    { "systemd on-success", restart.systemd { restart = "on-success" }, { { 5, killed(1, "SIGHUP") }, 5 }, 2, "0.1" },
    { "systemd restart_sec = 2", restart.systemd { restart_sec = 2, start_limit_burst = 2 }, { 0 }, 5, "2" },
    { "systemd without a limit", restart.systemd { start_limit_burst = 0 }, { 0 }, 7, "0.1 0.1 0.1 0.1 0.1 0.1 0.1" },
    { "otp permanent (one in five seconds)", restart.otp "permanent", { 0 }, 5, "0" },
    { "otp permanent, runs of six seconds", restart.otp "permanent", { { 6, exit(0) } }, 4, "0 0 0 0" },
    { "otp transient, intensity = 3", restart.otp("transient", { intensity = 3, period = 10 }), { 1 }, 9, "0 0 0" },
    { "otp transient after success", restart.otp "transient", { { 9, exit(0) } }, 1, "" },
    { "otp temporary", restart.otp "temporary", { 9 }, 1, "" },
    { "nomad{} (two in thirty minutes)", restart.nomad {}, { 0 }, 5, "16.875 16.875" },
    { "nomad{} with long runs", restart.nomad {}, { 1000 }, 4, "16.875 16.875 16.875 16.875" },
    { "nomad batch", restart.nomad { type = "batch" }, { 0 }, 5, "16.875 16.875 16.875" },
    { "nomad batch after success", restart.nomad { type = "batch" }, { { 0, exit(0) } }, 1, "" },
    { "nomad mode delay", restart.nomad { mode = "delay", attempts = 1, interval = 100, delay = 8 }, { 0 }, 3,
      "9 100 100" },
    { "pebble()", restart.pebble(), { 0, 0, 0, 0, 0, 0, 0, 29, 30, 0 }, 10, "0.5 1 2 4 8 16 30 30 0.5 1" },
    { "s6(): a second apart", restart.s6(), { 0, 0.25, 1, 5 }, 4, "1 0.75 0 0" },
    { "s6(): 125 is final", restart.s6(), { 0, { 0, exit(125) } }, 2, "1" },
    { "supervisord{} that does not stay up", restart.supervisord {}, { 0.5 }, 9, "1 2 3" },
    { "supervisord{} that does", restart.supervisord {}, { 0.5, 0.5, 1, 0.5, 2, { 1, exit(0) } }, 6, "1 2 0 1 0" },
    { "supervisord autorestart = true", restart.supervisord { autorestart = true }, { { 1, exit(0) } }, 3, "0 0 0" },
    { "supervisord autorestart = false", restart.supervisord { autorestart = false }, { 5 }, 1, "" },
    { "supervisord exitcodes", restart.supervisord { exitcodes = { 0, 2 } }, { 5, { 5, exit(2) } }, 2, "0" },
    { "supervisord startretries = 1", restart.supervisord { startretries = 1, startsecs = 10 }, { 9 }, 3, "1" },
  }
  for _, row in ipairs(rows) do
    local name, policy, runs, count, expected = table.unpack(row)
    it(name .. " follows the documented sequence", function()
      local delays, reason = play(policy, runs, count)
      assert.equal(expected, rounded(delays))
      if #delays < count then
        assert.equal("string", type(reason))
      end
    end)
  end

  it("nomad adds up to a quarter of the delay", function()
    assert.same({ 15 }, (play(restart.nomad(), { 0 }, 1, { random = 0 })))
    assert.same({ 18.75 }, (play(restart.nomad(), { 0 }, 1, { random = 1 })))
  end)
end)

-- Of what was stopped as a failure, the status is an answer to the stop signal.
describe("what was stopped since it was late or not healthy", function()
  local UNKNOWN = { kind = "unknown", exit_code = 255, ok = false, core = false }
  local stopped = { reason = "not ready within 60 s", stopped = true }

  for _, row in ipairs {
    { "on_failure", restart.on_failure { ok = { 0, 143, 255 } } },
    { "by_code's default", restart.by_code { [0] = "never", [143] = "never", TERM = "never", [255] = "never",
      default = "always" } },
    { "systemd on-failure", restart.systemd() },
    { "systemd on-abnormal", restart.systemd { restart = "on-abnormal" } },
    { "a batch of nomad", restart.nomad { type = "batch" } },
    { "supervisord's exitcodes", restart.supervisord { exitcodes = { 0, 143, 255 }, startsecs = 0 } },
  } do
    it("is a failure for " .. row[1] .. ", whatever its status", function()
      for _, status in ipairs { exit(0), killed(15, "SIGTERM") } do
        assert.equal(1, #play(row[2], { { 5, status } }, nil, stopped))
      end
      assert.equal(1, #play(row[2], { { 5, UNKNOWN } }))
    end)
  end

  for _, row in ipairs {
    { "systemd on-success", restart.systemd { restart = "on-success" }, exit(0) },
    { "systemd on-abort", restart.systemd { restart = "on-abort" }, killed(9, "SIGKILL") },
  } do
    it("is no reason to start it again for " .. row[1], function()
      assert.same({}, (play(row[2], { { 5, row[3] } }, nil, stopped)))
    end)
  end

  it("is not final for s6, whatever its code", function()
    assert.same({ 0 }, (play(restart.s6(), { { 5, exit(125) } }, nil, stopped)))
  end)
end)

-- Without a third value the exit code says whether the end was as it should be.
describe("an end that is not followed by a restart", function()
  local OK = { 0, exit(0) }
  local rows = {
    { "never", restart.never, OK, nil },
    { "on_failure", restart.on_failure { ok = { 3 } }, { 0, exit(3) }, true },
    { "on_failure after too many", restart.on_failure { max = 0 }, { 0, CRASH }, nil },
    { "limit", restart.limit("always", { max = 0, window = 1 }), OK, false },
    { "limit of one that gives up", restart.limit("on-failure", { max = 1, window = 1 }), OK, true },
    { "all", restart.all(restart.limit("always", { max = 0, window = 1 }), 1), OK, false },
    { "by_code", restart.by_code { [0] = restart.limit("always", { max = 0, window = 1 }) }, OK, false },
    { "systemd after a clean signal", restart.systemd {}, { 0, killed(15, "SIGTERM") }, true },
    { "systemd on-success after a failure", restart.systemd { restart = "on-success" }, { 0, CRASH },
      false },
    { "systemd after too many", restart.systemd { restart = "always", start_limit_burst = 1 }, OK, false },
    { "otp permanent after too many", restart.otp("permanent", { intensity = 0 }), OK, false },
    { "otp temporary", restart.otp "temporary", OK, nil },
    { "nomad after too many", restart.nomad { attempts = 0 }, OK, false },
    { "nomad batch", restart.nomad { type = "batch" }, OK, nil },
    { "supervisord after too many", restart.supervisord { startretries = 0 }, OK, false },
    { "supervisord exitcodes", restart.supervisord { exitcodes = { 2 } }, { 5, exit(2) }, true },
  }
  for _, row in ipairs(rows) do
    local name, policy, last, expected = table.unpack(row, 1, 4)
    it(("is %s: %s"):format(expected == nil and "judged by its code" or expected and "well" or "a failure", name),
      function()
        local delays, reason, as_it_should = play(policy, { last })
        assert.same({}, delays)
        assert.equal("string", type(reason))
        assert.equal(expected, as_it_should)
      end)
  end
end)

describe("restart.parse", function()
  it("knows Docker's words, never, and the other systems by their names", function()
    for _, text in ipairs { "no", "never", "always", "unless-stopped", "on-failure", "on-failure:5", "kubernetes",
      "systemd", "nomad", "pebble", "s6", "supervisord" } do
      assert.equal("function", type(restart.parse(text)), text)
    end
    assert.equal("0.1 0.2", rounded(play(restart.parse "on-failure:2", { 0 }, 5)))
  end)

  for text, hint in pairs {
    ["on-failre"] = "on-failure", ["alwas"] = "always", ["on-failure:x"] = "", ["always:3"] = "", [""] = "",
    ["on-failure:-1"] = "", ["on-failure:1.5"] = "", ["Always"] = "always",
    ["always:99999999999999999999"] = "", ["no:99999999999999999999"] = "",
  } do
    it(("says what is wrong with %q"):format(text), function()
      local policy, message = restart.parse(text)
      assert.is_nil(policy)
      assert.truthy(message:find(('"%s" is no restart policy: one of'):format(text), 1, true), message)
      assert.truthy(message:find(hint, 1, true), message)
    end)
  end
end)

describe("a wrong argument", function()
  local rows = {
    { "restart.on_failure", { max = -1 }, "'max' to 'restart.on_failure'" },
    { "restart.on_failure", { ok = 3 }, "'ok' to 'restart.on_failure' (table expected, got number)" },
    { "restart.on_failure", { ok = { 256 } }, "an integer from 0 to 255 expected" },
    { "restart.on_failure", { mx = 1 }, "unknown key 'mx' in 'restart.on_failure'; did you mean 'max'?" },
    { "restart.backoff", { initial = -1 }, "'initial' to 'restart.backoff'" },
    { "restart.backoff", { factor = 0.5 }, "'factor' to 'restart.backoff'" },
    { "restart.backoff", { jitter = 2 }, "'jitter' to 'restart.backoff'" },
    { "restart.backoff", 3, "'options' to 'restart.backoff' (table expected, got number)" },
    { "restart.docker", "on-failre", "did you mean 'on-failure'?" },
    { "restart.kubernetes", "always", "did you mean 'Always'?" },
    { "restart.systemd", { restart = "on-fail" }, "did you mean 'on-failure'?" },
    { "restart.otp", "permanet", "did you mean 'permanent'?" },
    { "restart.nomad", { mode = "dely" }, "did you mean 'delay'?" },
    { "restart.supervisord", { autorestart = 3 }, "\"3\" is none of" },
    { "restart.by_code", { [256] = 1 }, "an integer from 0 to 255 expected" },
    { "restart.by_code", { SIGSEGB = 1 }, "did you mean SIGSEGV?" },
    { "restart.by_code", { [1] = "sometimes" }, "\"sometimes\" is no restart policy" },
    { "restart.by_code", { [1] = {} }, "a restart policy" },
  }
  for _, row in ipairs(rows) do
    it(("of %s is named: %s"):format(row[1], row[3]), function()
      local ok, message = pcall(restart[row[1]:match("%.(.*)")], row[2])
      assert.is_false(ok)
      assert.truthy(message:find(row[3], 1, true), message)
    end)
  end

  it("of restart.limit is named", function()
    assert.has_error(function() restart.limit(3) end)
    assert.has_error(function() restart.limit("always", { max = 3 }) end)
    assert.has_error(function() restart.limit("always", { max = 1001, window = 1 }) end)
  end)
end)

describe("restart.ask", function()
  local rows = {
    { function() error("oh") end, "its restart policy has raised: .*oh" },
    { function() error({}) end, "its restart policy has raised: table" },
    { function() return "3" end, "its restart policy has returned a string, not a number of seconds" },
    { function() return -1 end, "its restart policy has returned %-1, which is no number of seconds" },
    { function() return 1 / 0 end, "its restart policy has returned inf, which" },
    { function() return 0 / 0 end, "its restart policy has returned %-?nan, which" },
    { function() return true end, "its restart policy has returned a boolean" },
    { function() end, "its restart policy gives up" },
    { function() return nil, "enough" end, "^enough$" },
    { function() return nil, "enough, and well", true end, "^enough, and well$" },
    { function() return nil, "enough, and bad", false end, "^enough, and bad$" },
  }
  local third = {
    ["its restart policy gives up"] = "nil", ["^enough$"] = "nil", ["^enough, and well$"] = "true",
  }
  for _, row in ipairs(rows) do
    it("takes for giving up: " .. row[2], function()
      local delay, reason, as_it_should = restart.ask(row[1], {})
      assert.is_nil(delay)
      assert.matches(row[2], reason)
      assert.equal(third[row[2]] or "false", tostring(as_it_should)) -- a policy that is wrong is a failure
    end)
  end

  it("gives the delay", function()
    assert.equal(2.5, (restart.ask(function() return 2.5 end, {})))
  end)
end)
