-- on_signal: what each kind of answer does, and what happens when none comes.

local container = require "spec.support.container"
local received = require "spec.support.received"

-- A script whose on_signal does that for USR1 and has no opinion about other signals.
local function script_for(body)
  return ("function on_signal(name, number)\n  if name ~= 'SIGUSR1' then return end\n  %s\nend"):format(body)
end

describe("on_signal", function()
  after_each(container.close_all)

  local rewrite = { "-r", "USR1:USR2", "-r", "HUP:INT" }

  local answers = {
    { "nothing: the default, rewritten", "return", { 12 } },
    { "nil: the default, rewritten", "return nil", { 12 } },
    { "false: it is dropped", "return false", {} },
    { "a name: that instead", "return 'WINCH'", { 28 } },
    { "a name with SIG, in lower case: that instead", "return 'sigwinch'", { 28 } },
    { "a number: that instead", "return 28", { 28 } },
    { "a real-time name: that instead", "return 'RTMIN+4'", { 38 } },
    { "a signal that is rewritten by the table: as it is", "return 'HUP'", { 1 } },
    { "its own name: as it is", "return name", { 10 } },
    { "0: it is dropped", "return 0", {} },
    { "later, past the timeout: waited for", "reaper.sleep(0.5); return 'WINCH'", { 28 } },
    { "later, false: dropped", "reaper.sleep(0.3); return false", {} },
  }

  local faults = {
    { "true", "return true", "on_signal returned" },
    { "a table", "return {}", "on_signal returned" },
    { "an unknown name", "return 'TREM'", "TREM" },
    { "a number that is no signal", "return 65", "65" },
    { "a negative number", "return -1", "-1" },
    { "a fraction", "return 1.5", "1.5" },
    { "an empty string", "return ''", "on_signal returned" },
  }

  container.each_mode(function(mode)
    for _, row in ipairs(answers) do
      it("answers " .. row[1], function()
        local c = received.start(mode, { args = { "--hook-timeout", "0.2", table.unpack(rewrite) },
          script = script_for(row[2]) })
        -- A question that waits does not hold others up, so the end of the wait is the arrival, or a later signal.
        c:kill("USR1")
        if row[3][1] then
          c:expect("got " .. row[3][1] .. "\n")
        end
        c:kill("RTMIN")
        c:expect("got 34\n")
        if row[2]:find("sleep") then
          assert.are.equal("", c:err())
        end
        local list = row[3][1] and { row[3][1], 34 } or { 34 }
        assert.are.same(list, received.numbers(c))
      end)
    end

    for _, row in ipairs(faults) do
      it("answers " .. row[1] .. ": that is reported, and the default follows", function()
        local c = received.start(mode, { args = rewrite, script = script_for(row[2]) })
        assert.are.same({ 12 }, received.of(c, { "USR1" }))
        c:err_expect("^reaper%-lua: on_signal: [^\n]*" .. row[3]:gsub("%p", "%%%0"), 5)
        assert.matches("the default follows", c:err(), 1, true)
      end)
    end

    it("raises: that is reported with a traceback, and the default follows", function()
      local c = received.start(mode, { args = rewrite, script = script_for("error 'no idea'") })
      assert.are.same({ 12 }, received.of(c, { "USR1" }))
      c:err_expect("on_signal: [^\n]*no idea\n  stack traceback:")
    end)

    it("raises after it has waited: reported, and the default follows", function()
      local c = received.start(mode, { args = rewrite, script = script_for("reaper.sleep(0.01) error 'too late'") })
      c:kill("USR1")
      c:expect("got 12\n")
      c:err_expect("too late")
    end)

    for name, row in pairs{
      ["loops for ever"] = { "while true do end", "on_signal: [^\n]*computed for too long" },
      blocks = { "os.execute('sleep 5')", "on_signal has not answered within 0%.3 s: taking the default\n" },
    } do
      it(name .. ": the default follows after the hook timeout, and that is said", function()
        local c = received.start(mode, { args = { "--hook-timeout", "0.3", table.unpack(rewrite) },
          script = script_for(row[1]) })
        c:kill("USR1")
        c:expect("got 12\n", 2)
        c:err_expect(row[2])
        assert.are.same({ 12 }, received.numbers(c))
      end)
    end

    it("keeps a queued signal's value, whatever it answers", function()
      local c = received.start(mode, { script = script_for("return 'RTMAX'") })
      c:queue("USR1", 11)
      c:expect("got 64 value 11\n")
      c:queue("RTMIN", 12)
      c:expect("got 34 value 12\n")
    end)

    it("gives its default while the script process does not answer because it is stopped", function()
      local c = received.start(mode, { args = { "--hook-timeout", "0.3", table.unpack(rewrite) },
        script = script_for("return 'WINCH'") })
      local script_process = assert(c:find("reaper-script"))
      c:kill("STOP", script_process.pid)
      c:kill("USR1")
      c:expect("got 12\n", 2)
      c:kill("CONT", script_process.pid) -- the late answer counts no more
      c:kill("RTMIN")
      c:expect("got 34\n")
      assert.are.same({ 12, 34 }, received.numbers(c))
    end)

    it("is answered by the next script process when the first was killed before it could", function()
      local c = received.start(mode, { args = { "--hook-timeout", "10", table.unpack(rewrite) },
        script = script_for("return 'WINCH'") })
      local script_process = assert(c:find("reaper-script"))
      c:kill("STOP", script_process.pid)
      c:kill("USR1")
      c:kill("KILL", script_process.pid)
      c:expect("got 28\n", 5)
      assert.are.same({ 28 }, received.numbers(c))
    end)
  end)

  it("is told every signal's name and number", function()
    local c = received.start("init", { script = "function on_signal(name, number) print('told', name, number) end",
      command = { container.helper, "signals", "--exit-on", "RTMAX" } })
    for number = 1, 64 do
      if number ~= 9 and number ~= 19 then
        assert(c:kill(number))
        local name = c:expect(("told\t(SIG%%S+)\t%d\n"):format(number))
        assert.are.equal(number, name == "SIG32" and 32 or name == "SIG33" and 33 or container.signal_number(name))
      end
    end
    assert.are.equal(0, c:wait(5))
  end)

  it("is asked about many signals that come at once, and each answer counts once", function()
    local c = received.start("subreaper", { args = { "--hook-timeout", "10" },
      script = "function on_signal(_, number) if number == 35 then return 'RTMIN' end end" })
    assert(c:kill("STOP"))
    for _ = 1, 150 do
      assert(c:kill("RTMIN+1"))
    end
    c:kill("CONT")
    c:until_true(function() return #received.numbers(c) >= 151 end, 10, "all of them")
    local counts = {}
    for _, number in ipairs(received.numbers(c)) do
      counts[number] = (counts[number] or 0) + 1
    end
    assert.are.equal(1, counts[18])
    assert.are.equal(150, (counts[34] or 0) + (counts[35] or 0))
    assert.is_true(counts[34] >= 60) -- so many questions can be open at once, and CONT is one of them
  end)
end)
