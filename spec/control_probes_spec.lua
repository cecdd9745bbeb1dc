-- reaperctl alive and ready: what a probe is told.

local container = require "spec.support.container"
local control = require "spec.support.control"
local script_of = require("spec.support.services").script

local function probe(c, ...)
  local code, out, err, took = control.run(c, ...)
  assert.are.equal("", err)
  assert.is_truthy(out:find "^[^\n]+\n$", out)
  return code, out:sub(1, -2), took
end

-- Waits until the probe says so; its other answer is the opposite, never a failure.
local function expect_probe(c, code, pattern, ...)
  local words = { ... }
  control.see(c, "", "status")
  return c:until_true(function()
    local seen, reason = probe(c, table.unpack(words))
    assert.is_true(seen == 0 or seen == 1, reason)
    return seen == code and reason:find(pattern) and reason
  end, nil, table.concat(words, " ") .. " to say " .. pattern)
end

-- It does not hear TERM, from the moment on at which it is ready.
local DEAF = [[ {
  name = "web", command = { "sh", "-c", "trap : TERM; >{folder}/deaf; while :; do sleep 0.05; done" },
  ready = { exec = { "test", "-e", "{folder}/deaf" }, interval = 0.05 }, stop = { grace = 1000 },
}, ]]
local WEB = '{ name = "web", command = { "sleep", "1000" } },'

describe("reaperctl alive", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("says yes while COMMAND runs, and within 10 ms", function()
      local c = container.start { mode = mode, raw = { "--", "sleep", "1000" } }
      expect_probe(c, 0, "^alive: running for [%d.]+s$", "alive")
      local fastest = math.huge -- the machine may be busy
      for _ = 1, 10 do
        fastest = math.min(fastest, (select(3, probe(c, "alive"))))
      end
      assert.is_true(container.sanitized or fastest < 10 * container.slow, fastest .. " ms")
    end)
  end)

  it("says no once a service has failed for good, and why", function()
    local c = container.start {
      script = script_of(DEAF
        .. '{ name = "bad", command = { "sh", "-c", "exit 3" }, restart = "never", after = { "web" } }'),
    }
    expect_probe(c, 1, "^not alive: bad is failed %(exit 3: .*%)$", "alive")
    assert.are.equal(1, (probe(c, "ready")))
  end)

  it("takes no offence at a failure that the script lives with", function()
    local c = container.start {
      script = script_of(WEB .. '{ name = "bad", command = { "false" }, restart = "never", when_failed = "ignore" }'),
    }
    expect_probe(c, 1, "^not ready: bad is failed %(exit 1: ", "ready")
    assert.are.equal(0, (probe(c, "alive")))
  end)

  it("says yes while the script process is blocked, and when it is lost", function()
    local c = container.start {
      script = script_of(WEB) .. 'function on_signal() print "blocks" os.execute "sleep 1000" end',
    }
    expect_probe(c, 0, "^ready: 1 service$", "ready")
    c:kill "USR1"
    c:expect "blocks"
    expect_probe(c, 0, "^ready: 1 service, as of then: the script process is blocked$", "ready")
    assert.are.equal(0, (probe(c, "alive")))
    local _, status = control.run(c, "status")
    assert(c:kill("KILL", c.view:find(tonumber(status:match "hooks%.lua  pid (%d+)")).pid))
    for _ = 1, 20 do
      assert.are.equal(0, (probe(c, "alive")))
      assert.are.equal(0, (probe(c, "ready")))
    end
  end)

  it("says yes during the stop, in which nothing is ready", function()
    local c = container.start { raw = { "-t", "1000", "--", "sh", "-c",
      'trap "" TERM; echo up; while :; do sleep 1000; done' } }
    c:expect "up"
    c:kill "TERM"
    assert.are.equal(0, (probe(c, "alive")))
    assert.are.equal(0, (probe(c, "ready"))) -- COMMAND decides what its TERM means
    c = container.start { script = script_of(DEAF) }
    expect_probe(c, 0, "^ready", "ready")
    c:kill "TERM"
    expect_probe(c, 1, "^not ready: the container is stopping %(SIGTERM%)$", "ready")
    assert.are.equal(0, (probe(c, "alive")))
  end)

  it("knows a reaper-lua that is not there", function()
    local c = container.start { raw = { "--", "sleep", "1000" } }
    expect_probe(c, 0, "^alive", "alive")
    local code, out, err = control.run(c, "alive", "--pid", 1 << 30)
    assert.are.same({ 3, "" }, { code, out })
    assert.are.equal("reaperctl: there is no process 1073741824\n", err)
    assert.are.equal(2, (control.run(c, "alive", "web")))
  end)
end)

describe("reaperctl ready", function()
  after_each(container.close_all)

  it("waits for the script to be loaded, whatever is asked for", function()
    local c = container.start { script = 'os.execute "sleep 1000"' }
    expect_probe(c, 1, "^not ready: the script is being loaded$", "ready")
    assert.are.equal(1, (probe(c, "ready", "web")))
    assert.are.equal(0, (probe(c, "alive")))
  end)

  it("waits for all services that start by themselves", function()
    local c = container.start {
      script = script_of([[
        { name = "web", command = { "sleep", "1000" },
          ready = { exec = { "test", "-e", "{folder}/go" }, interval = 0.05 } },
        { name = "once", command = { "sh", "-c", "until test -e {folder}/done; do sleep 0.05; done" }, oneshot = true },
        { name = "hand", command = { "sleep", "1000" }, autostart = false },
        { name = "night", command = { "true" }, schedule = "0 0 1 1 *" },
      ]]),
    }
    expect_probe(c, 1, "^not ready: web is starting", "ready")
    io.open(c:file "go", "w"):close()
    expect_probe(c, 1, "^not ready: once is running$", "ready")
    expect_probe(c, 0, "^ready: 1 service$", "ready", "web")
    io.open(c:file "done", "w"):close()
    expect_probe(c, 0, "^ready: 2 services$", "ready")
    assert.are.equal(0, (probe(c, "ready", "web", "once")))
    expect_probe(c, 1, "^not ready: hand is finished", "ready", "hand")
    expect_probe(c, 1, "^not ready: night is scheduled$", "ready", "night")
  end)

  it("names what it does not know", function()
    local c = container.start { script = script_of(WEB) }
    expect_probe(c, 0, "^ready", "ready")
    local code, _, err = control.run(c, "ready", "wbe")
    assert.are.equal(3, code)
    assert.are.equal("reaperctl: there is no service 'wbe'; did you mean 'web'?\n", err)
  end)

  it("waits for COMMAND beside services", function()
    local c = container.start {
      script = script_of [[ {
        name = "db", command = { "sleep", "1000" },
        ready = { exec = { "test", "-e", "{folder}/go" }, interval = 0.05 },
      } ]],
      command = { "sleep", "1000" },
    }
    expect_probe(c, 1, "^not ready: db is starting", "ready")
    expect_probe(c, 1, "^not ready: main is waiting", "ready", "main")
    io.open(c:file "go", "w"):close()
    expect_probe(c, 0, "^ready: 2 services$", "ready")
  end)

  it("sees that --restart waits to start COMMAND again", function()
    local c = container.start { raw = { "--restart", "always", "--", "sh", "-c", "exit 3" } }
    expect_probe(c, 1, "^not ready: main is backoff", "ready")
    assert.are.equal(0, (probe(c, "alive")))
  end)

  it("has nothing to wait for with --pause", function()
    local c = container.start { raw = { "--pause" } }
    expect_probe(c, 0, "^ready: 0 services$", "ready")
  end)
end)
