-- reaperctl where containers are tightest: a root that is read-only, a user without capabilities, no tmpfs. "look" is
-- an image of busybox, the helper, reaper-lua and its link reaperctl.

local expect = require "spec.container.expect"
local shell = require "spec.container.shell"

local quote, equal, has, quick = shell.quote, expect.equal, expect.has, expect.quick

local TIGHT = "--read-only --user 1000:1000 --cap-drop ALL --security-opt no-new-privileges "

local SERVICES = [[
  require "reaper.supervisor".run {
    { name = "web", command = { "/helper", "hold" } },
    { name = "say", command = { "/bin/sh", "-c", "echo one; echo two; exec /helper hold" }, log = true },
  }
  function on_signal(name)
    if name == "SIGUSR1" then
      print "blocks"
      os.execute "sleep 1000"
    end
  end
  function on_start() print "up" end]]

return function(engine, check)
  -- Runs reaperctl in the container: exit code, output.
  local function ctl(id, words, options)
    return engine(("exec %s %s reaperctl %s"):format(options or "", id, words))
  end

  local function must(id, words, pattern)
    local code, output = ctl(id, words)
    equal(0, code, output)
    has(output, pattern or "")
  end

  local function await(id, words, pattern, options)
    shell.until_true(pattern, function()
      local _, output = ctl(id, words, options)
      return output:find(pattern), output
    end)
  end

  local function start(options, more)
    local id = engine:start(("%s look /usr/bin/reaper-lua %s -x %s"):format(options, more or "", quote(SERVICES)))
    engine:expect(id, "up\n")
    await(id, "status", "say +running")
    return id
  end

  check("reaperctl, read-only, as a user without capabilities", function()
    local id = start(TIGHT)
    must(id, "alive")
    await(id, "ready", "ready")
    must(id, "ps", "web +%d+")
    must(id, "metrics", 'reaper_service_state{service="web",state="running"} 1\n')
    must(id, "stop web", "web")
    must(id, "status web", "web +finished")
    must(id, "start web", "web")
    must(id, "restart web", "web")
    must(id, "wait web say --for running -t 10")
    must(id, "logs say", "one\ntwo\n")
    must(id, "events", '"type":"service","name":"web","state":"running"')
    local code, output = ctl(id, "status", "--user 2000:2000")
    equal(3, code, output)
    has(output, "may not be looked into")
    must(id, "shutdown 7")
    engine:await(id, "{{.State.Status}} {{.State.ExitCode}}", "exited 7")
  end)

  check("reaperctl while the script is blocked", function()
    local id = start(TIGHT)
    engine:must("kill -s USR1 " .. id)
    engine:expect(id, "blocks")
    await(id, "status", "BLOCKED [%d.]+ s in on_signal; services as of then")
    must(id, "alive")
    local code, output = ctl(id, "stop web -t 1")
    equal(4, code, output)
    engine:stop(id, 20)
  end)

  check("reaperctl for two in one process namespace", function()
    local first = start "--user 1000:1000"
    local second = start(("--user 2000:2000 --pid container:%s"):format(first))
    must(first, "status", "pid 1 ")
    local code, output = ctl(second, "status --pid 1") -- of another user
    equal(3, code, output)
    await(second, "status", "web +running") -- the only one that it may see
    must(first, "stop web")
    must(second, "status web", "web +running")
    quick((engine:stop(second, 20)))
    quick((engine:stop(first, 20)))
  end)

  check("the porter by TCP, read-only, as a user without capabilities", function()
    local id = start(TIGHT, "--http 127.0.0.1:9110")
    local function get(path)
      return engine(("exec %s wget -q -O - http://127.0.0.1:9110%s"):format(id, path))
    end
    shell.until_true("/readyz", function()
      return get "/readyz" == 0
    end)
    local code, output = get "/metrics"
    equal(0, code, output)
    has(output, 'reaper_service_state{service="web",state="running"} 1\n')
    engine:must("kill -s USR1 " .. id)
    engine:expect(id, "blocks")
    equal(0, (get "/livez"))
    engine:stop(id, 20)
  end)

  check("the porter on a socket, which is gone at the end", function()
    local id = start("--volume /run/sockets:/sockets", "--control /sockets/reaper.sock")
    shell.until_true("the socket", function()
      local _, listing = shell.run "ls -l /run/sockets"
      return listing:find "srw%-%-%-%-%-%-%- .* reaper%.sock\n", listing
    end)
    quick((engine:stop(id, 20)))
    equal("", (shell.must "ls /run/sockets"))
  end)
end
