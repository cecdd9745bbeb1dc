-- --restart POLICY: COMMAND is started again without any script.

local container = require "spec.support.container"
local script = require "spec.support.script"

local function count(text, word)
  return select(2, text:gsub(word, ""))
end

describe("--restart", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("on-failure:MAX starts COMMAND again as often as that, and ends with its last code", function()
      local code, out, err = container.run { mode = mode, args = { "--restart", "on-failure:2" },
        command = { "sh", "-c", "echo run; exit 3" } }
      assert.same({ 3, "run\nrun\nrun\n" }, { code, out })
      assert.matches("COMMAND ended %(exit 3%): starting it again in 0%.1 s\n.*in 0%.2 s\n", err)
      assert.matches("COMMAND ended %(exit 3%) and stays so: it was started again 2 times\n", err)
    end)

    it("on-failure leaves a COMMAND that ends well alone", function()
      local code, out, err = container.run { mode = mode, args = { "--restart=on-failure" },
        command = { "sh", "-c", "echo run" } }
      assert.same({ 0, "run\n", "" }, { code, out, err })
    end)

    it("always starts it again whatever its end was, until TERM: then the container ends with 0", function()
      local c = container.start { mode = mode, args = { "--restart", "always" },
        command = { "sh", "-c", "echo run; test -e {folder}/stay && exec sleep 100; touch {folder}/stay" } }
      local sleep = c:until_true(function()
        return c:find("sleep")
      end, 10, "the second run")
      assert(c:kill("TERM"))
      assert.equal(0, c:wait())
      assert.equal(2, count(c:out(), "run\n"))
      assert.is_number(sleep.nspid)
    end)

    it("is stopped by TERM while it waits to start COMMAND again", function()
      local c = container.start { mode = mode, args = { "--restart", "kubernetes" }, command = { "false" } }
      c:err_expect("starting it again in 10 s")
      assert(c:kill("TERM"))
      assert.equal("number", type(c:wait(5)))
      assert.is_nil(c:err():find("KILL", 1, true))
    end)

    it("goes on after the loss of the policy, with the same history", function()
      local c = container.start { mode = mode, args = { "--restart", "on-failure:2" },
        command = { "sh", "-c", "echo run; read line < {folder}/fifo; exit 3" } }
      local fifo = c:file("fifo")
      assert(os.execute("mkfifo " .. fifo))
      -- The first run may have met no FIFO yet: it has failed then, which is one restart.
      local function runs()
        return count(c:out(), "run\n")
      end
      c:until_true(function() return runs() >= 1 end, 5, "the first run")
      local before = script.kill_script(c)
      c:until_true(function()
        local policy = c:find("reaper-script")
        return policy and policy.nspid ~= before
      end, 10, "another policy")
      c:until_true(function()
        if not c:ended() and c:find("sh") then
          os.execute("timeout 0.2 sh -c 'echo go > " .. fifo .. "'")
        end
        return c:ended()
      end, 20, "the end")
      assert.equal(3, c:ended())
      assert.equal(3, runs())
    end)
  end)

  it("of a COMMAND that cannot be run ends with 127, without trying again", function()
    local code, _, err = container.run { args = { "--restart", "always" }, command = { "no-such-command" } }
    assert.equal(127, code)
    assert.matches('cannot run "no%-such%-command"', err)
    assert.equal(1, count(err, "\n"))
  end)

  it("no is the default: there is no second process for it", function()
    local c = container.start { args = { "--restart", "no" }, command = { "sleep", "100" } }
    c:until_true(function() return c:find("sleep") end, 5, "COMMAND")
    assert.is_nil((c:find("reaper-script")))
  end)

  it("comes from REAPER_RESTART, too", function()
    local code, out = container.run { env = { REAPER_RESTART = "on-failure:1" },
      command = { "sh", "-c", "echo run; exit 4" } }
    assert.same({ 4, "run\nrun\n" }, { code, out })
  end)

  it("stands beside a script, whose on_reap sees each end", function()
    local code, out = container.run { args = { "--restart", "on-failure:1" }, script = [[
      function on_reap(_, status, _, info) if info.main then print("main", status) end end
    ]], command = { "sh", "-c", "exit 5" } }
    assert.same({ 5, "main\texit 5\nmain\texit 5\n" }, { code, out })
  end)

  it("does not start again what a script's on_signal has not kept from being stopped", function()
    local c = container.start { args = { "--restart", "always" }, script = [[
      function on_start() print("up") end
      function on_signal(name) if name == "SIGINT" then return false end end
    ]], command = { "sleep", "100" } }
    c:expect("up\n")
    assert(c:kill("INT"))
    c:kill("TERM")
    assert.equal(0, c:wait())
  end)

  for _, row in ipairs {
    { { "--restart", "on-failre", "--", "true" }, '%-%-restart: "on%-failre" is no restart policy: one of .*; did you '
      .. "mean 'on%-failure'%?\n$" },
    { { "--restart", "always" }, "%-%-restart needs a command: reaper%-lua %-%-restart always %-%- COMMAND\n$" },
    { { "--restart" }, "option %-%-restart needs an argument: POLICY\n$" },
  } do
    it("says what is wrong with " .. table.concat(row[1], " "), function()
      local code, out, err = container.run { raw = row[1] }
      assert.same({ 125, "" }, { code, out })
      assert.matches(row[2], err)
    end)
  end
end)
