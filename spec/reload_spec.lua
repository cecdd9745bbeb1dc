-- A reload, or the death of the script process, changes the script and nothing else: children and their output live on.

local container = require "spec.support.container"
local script = require "spec.support.script"

local replace = script.replace

local function script_pid(c)
  return c:until_true(function()
    return c:find("reaper-script")
  end, 5, "a script process").nspid
end

local SCRIPT = [[
  local version = "%s"
  function on_start(pid, again)
    print(version, "start", pid, again)
    if not again then
      reaper.spawn{ "sleep", "1000", name = "first" }
      reaper.spawn{ "sleep", "1000", name = "second" }
    end
    for _, child in ipairs(reaper.children()) do print(version, "child", child.name, child.pid, child:alive()) end
    print(version, "listed")
  end
  function on_reload() print(version, "reload") end
  function on_signal(name) if name == "SIGUSR1" then reaper.reload() return false end end
  function on_reap(pid, status) print(version, "reaped", pid, status) end
]]

describe("a reload", function()
  after_each(container.close_all)

  local function children(c, version)
    return { c:out():match(version .. "\tchild\tfirst\t(%d+)\ttrue\n" .. version .. "\tchild\tsecond\t(%d+)\ttrue\n") }
  end

  local ways = {
    { "by reaper.reload(), with COMMAND", "USR1", { "sleep", "1000" } },
    { "by HUP, without COMMAND", "HUP", nil },
  }
  container.each_mode(function(mode)
    for _, way in ipairs(ways) do
      it(way[1] .. ": the new script in a new script process, the children untouched", function()
        local c = script.start(SCRIPT:format("old"), { mode = mode, command = way[3] })
        c:expect("old\tlisted\n")
        local before, pids = script_pid(c), children(c, "old")
        replace(c, SCRIPT:format("new"))
        c:kill(way[2])
        local main = c:expect("old\treload\n.*new\tstart\t(%w+)\treload\n.*new\tlisted\n")
        assert.are.equal(way[3] and tostring(c:find("sleep").nspid) or "nil", main)
        assert.are.equal(2, #pids)
        assert.are.same(pids, children(c, "new"))
        c:until_true(function() return script_pid(c) ~= before end, 5, "the old script process's end")
        c:kill("KILL", c:find("sleep").pid)
        if not way[3] then
          c:expect(("new\treaped\t%s\tsignal SIGKILL\n"):format(pids[1]))
        end
      end)
    end
  end)

  it("is not what HUP means with a COMMAND: there it is forwarded", function()
    local c = script.start(SCRIPT:format("old"), { command = { container.helper, "signals" } })
    c:expect("ready\n")
    c:kill("HUP")
    c:expect("got 1\n")
    assert.is_nil(c:out():find("reload", 1, true))
  end)

  it("waits for an on_reload that waits", function()
    local c = script.start([[
      function on_start(_, again) print("start", again) end
      function on_reload() reaper.sleep(0.4) print("old is ready") end
    ]], { args = { "--hook-timeout", "0.1" } })
    c:expect("start\tnil\n")
    c:kill("HUP")
    c:expect("old is ready\nstart\treload\n")
  end)

  it("that is asked for while one is under way follows it: the script may have changed since it was read", function()
    local c = script.start([[
      function on_start() print("old") end
      function on_reload() print("asked") while not io.open("{folder}/go") do reaper.sleep(0.01) end end
    ]], { args = { "-v" } })
    c:expect("old\n")
    replace(c, "function on_start() print('second') end")
    c:kill("HUP")
    c:expect("asked\n")
    replace(c, "function on_start() print('third') end")
    c:kill("HUP")
    c:err_expect("another one follows\n")
    io.open(c.folder .. "/go", "w"):close()
    c:expect("third\n") -- the second may be replaced before it is told its start
  end)

  it("that a script asks for while it is being loaded is ignored, and that is said", function()
    local c = script.start("function on_start() print('old') end")
    c:expect("old\n")
    replace(c, "reaper.reload() function on_start() print('new') end")
    c:kill("HUP")
    c:expect("new\n")
    c:err_expect("warning: a reload that the script asks for while it is being loaded is ignored\n"
      .. "reaper%-lua: the script was reloaded\n")
  end)

  it("that a script asks for while it is being loaded is ignored after a crash, too", function()
    local c = script.start("function on_start() print('old') end", { args = { "-v" } })
    c:expect("old\n")
    replace(c, "reaper.reload() function on_start(_, again) print('new', again) end")
    script.kill_script(c)
    c:expect("new\tcrash\n")
    c:err_expect("a reload that the script asks for while it is being loaded is ignored\n")
    assert.is_nil(c:err():find("loading the script anew", 1, true))
  end)

  it("that is asked for while one is under way follows it, although the script process is lost meanwhile", function()
    local c = script.start("function on_start() print('old') end", { args = { "-v" } })
    c:expect("old\n")
    replace(c, [[
      print("loading")
      while not io.open("{folder}/go") do reaper.sleep(0.01) end
      function on_start() print("second") end]])
    c:kill("HUP")
    c:expect("loading\n")
    replace(c, "function on_start(_, again) print('third', again) end")
    c:kill("HUP")
    c:err_expect("another one follows\n")
    local _, processes = c:find("reaper-script")
    table.sort(processes, function(a, b) return a.nspid < b.nspid end)
    c:kill("KILL", processes[1].pid)
    c:expect("third\tcrash\n")
    io.open(c.folder .. "/go", "w"):close()
    c:expect("third\treload\n")
  end)

  for how, wait in pairs { waits = "reaper.sleep(0.05)", blocks = "os.execute('sleep 0.05')" } do
    it("by an on_signal that then " .. how .. " begins when that has answered, and is one", function()
      local c = script.start([[
        function on_start(_, again) print("start", again) end
        function on_signal(name)
          if name == "SIGUSR2" then return end
          reaper.reload()
          ]] .. wait .. [[
          print("answered")
          return false
        end]], { command = { container.helper, "signals" } })
      c:expect("start\tnil\n")
      c:kill("USR1")
      c:expect("answered\nstart\treload\n")
      c:kill("USR2")
      c:expect("got 12\n")
      assert.are.equal(1, select(2, c:out():gsub("answered", "")), c:out())
    end)
  end

  it("does not follow another into a stop", function()
    local c = script.start([[
      function on_start() print("old") end
      function on_stop() print("old stops") reaper.sleep(100) end
    ]], { args = { "-v" } })
    c:expect("old\n")
    replace(c, [[
      print("loading")
      while not io.open("{folder}/go") do reaper.sleep(0.01) end
      function on_stop() print("new stops") end
    ]])
    c:kill("HUP")
    c:expect("loading\n")
    c:kill("HUP")
    c:err_expect("another one follows\n")
    c:kill("TERM")
    c:expect("old stops\n")
    io.open(c.folder .. "/go", "w"):close()
    c:expect("new stops\n")
    assert.are.equal(0, c:wait())
    assert.are.equal(1, select(2, c:err():gsub("loading the script anew", "")), c:err())
  end)

  it("goes on when on_reload fails or does not answer", function()
    for _, body in ipairs { "error('oops')", "os.execute('sleep 5')" } do
      local c = script.start(([[
        function on_start(_, again) print("start", again) end
        function on_reload() %s end
      ]]):format(body), { args = { "--hook-timeout", "0.2" } })
      c:expect("start\tnil\n")
      c:kill("HUP")
      c:expect("start\treload\n", 4)
      c:close()
    end
  end)

  local broken = {
    { "has a syntax error", "function on_start(", "hooks.lua:1:" },
    { "raises", "error('broken on purpose')", "broken on purpose" },
    { "has a hook that is no function", "on_reap = 1", "the hook 'on_reap' is a number, not a function" },
    { "is there no more", nil, "cannot open the script" },
  }
  for _, row in ipairs(broken) do
    it("to a script that " .. row[1] .. " leaves the old one in place", function()
      local c = script.start([[
        local state = 0
        function on_start(_, again) print("start", again) reaper.spawn{ "sleep", "1000" } end
        function on_reload() print("reload") end
        function on_signal(name) state = state + 1 print("state", name, state) end
      ]])
      c:expect("start\tnil\n")
      local script_process = script_pid(c)
      c:kill("USR1")
      c:expect("state\tSIGUSR1\t1\n")
      if row[2] then
        replace(c, row[2])
      else
        assert(os.remove(c:file("hooks.lua")))
      end
      c:kill("HUP")
      c:err_expect(row[3]:gsub("%p", "%%%0") .. ".*the old script stays")
      c:kill("USR1")
      c:expect("state\tSIGUSR1\t3\n")
      assert.are.equal(script_process, script_pid(c))
      assert.is_nil(c:out():find("reload", 1, true))
    end)
  end

  it("forgets what the old script configured, its listeners and its timers", function()
    local c = script.start([[
      reaper.configure{ rewrite = { USR1 = "USR2" } }
      local version = "old"
      reaper.every(0.02, function() print(version .. " tick") end)
      function on_signal(name) if name == "SIGHUP" then reaper.reload() return false end end
    ]], { command = { container.helper, "signals" } })
    c:expect("ready\n.*old tick\n")
    c:kill("USR1")
    c:expect("got 12\n")
    replace(c, [[function on_start(_, again) print("start", again) end]])
    c:kill("HUP")
    c:expect("start\treload\n")
    c:kill("USR1")
    c:expect("got 10\n")
    c:until_true(function()
      local _, all = c:find("reaper-script")
      return #all == 1
    end, 5, "the old script process's end")
    local ticks = select(2, c:out():gsub("tick", ""))
    c:kill("USR1")
    c:expect("got 10\n.*got 10\n")
    assert.are.equal(ticks, select(2, c:out():gsub("tick", "")))
  end)

  it("loses no death and tells none twice", function()
    local c = script.start([[
      function on_reap(_, status) print("reaped", status.code) end
      function on_start(_, again) print("start", again) end
      function on_signal(name) if name == "SIGUSR1" then reaper.reload() return false end end
    ]], {
      command = { "sh", "-c", "read go; $0 orphans 1500 --sequence --parallel 20; exec sleep 1000", container.helper },
    })
    c:expect("start\tnil\n")
    c:write("go\n")
    for round = 1, 5 do
      c:expect(("reaped\t%d\n"):format(40 * round))
      c:kill("USR1")
    end
    c:expect("made 1500\n", 30)
    c:until_true(function()
      return select(2, c:out():gsub("reaped\t", "")) >= 1500
    end, 10, "all deaths")
    c:kill("TERM")
    c:wait()
    assert.are.equal(1501, select(2, c:out():gsub("reaped\t", "")))
    assert.matches("start\treload\n", c:out())
  end)
end)

describe("a child's output", function()
  after_each(container.close_all)

  -- Numbered lines without end.
  local WRITER = [[i=0; while :; do i=$((i+1)); echo $i; sleep 0.002; done]]

  local OLD = ([[
    function on_start(_, again)
      if not again then
        local p = reaper.spawn{ "sh", "-c", %q, name = "writer", stdout = %%s }
        print("writer", p.pid)
        %%s
        return
      end
      print("start", again)
      for _, child in ipairs(reaper.children()) do
        if child.name == "writer" then
          print("found", child.pid)
          for line in child.stdout:lines() do print("new", line) end
        end
      end
    end
    function on_signal(name) if name == "SIGUSR1" then reaper.reload() return false end end
  ]]):format(WRITER)

  local forms = {
    { "\"pipe\"", "'pipe'", "for line in p.stdout:lines() do print('old', line) end" },
    { "a function", "function(line) print('old', line) end", "" },
  }
  for _, form in ipairs(forms) do
    it("through " .. form[1] .. " goes to the new script after a reload, and no line is lost", function()
      local c = script.start(OLD:format(form[2], form[3]), { command = { "sleep", "1000" } })
      local pid = c:expect("writer\t(%d+)\n")
      c:expect("old\t30\n")
      c:kill("USR1")
      assert.are.equal(pid, (c:expect("start\treload\nfound\t(%d+)\n")))
      local first = c:expect("new\t(%d+)\n")
      c:expect(("new\t%d\n"):format(first + 50))
      local seen = {}
      for reader, line in c:out():gmatch("(%a+)\t(%d+)\n") do
        if reader == "old" or reader == "new" then
          seen[tonumber(line)] = (seen[tonumber(line)] or 0) + 1
        end
      end
      for number = 1, first + 50 do
        assert.are.equal(1, seen[number], "line " .. number)
      end
    end)

    it("through " .. form[1] .. " goes to the next script process after a crash", function()
      local c = script.start(OLD:format(form[2], form[3]), { command = { "sleep", "1000" } })
      local pid = c:expect("writer\t(%d+)\n")
      c:expect("old\t30\n")
      for round = 1, 2 do
        script.kill_script(c)
        c:until_true(function()
          local _, starts = c:out():gsub("start\tcrash\n", "")
          local mark = c:out():match(".*()found\t" .. pid .. "\n")
          return starts == round and select(2, c:out():sub(mark or 1):gsub("new\t%d+\n", "")) > 20
        end, 10, "lines in the next script process")
      end
      assert.matches("start\tcrash\n.*start\tcrash\n", c:out())
    end)
  end

  it("that nobody asks for any more passes on to reaper-lua's own stdout and stderr", function()
    for _, signal in ipairs { "USR1", "crash" } do
      local c = script.start([[
        function on_start(_, again)
          print("start", again)
          if not again then
            local p = reaper.spawn{ "sh", "-c", "while read line; do echo out $line; echo err $line >&2; done",
              name = "echo", stdout = "pipe", stderr = "pipe", stdin = "inherit" }
            reaper.after(0, function() for line in p.stdout:lines() do print("read", line) end end)
            p.stderr:read()
          end
        end
        function on_signal(name) reaper.reload() return false end
      ]], { command = { "sleep", "1000" } })
      c:write("1\n")
      c:expect("read\tout 1\n")
      if signal == "crash" then
        script.kill_script(c)
        c:expect("start\tcrash\n")
      else
        c:kill(signal)
        c:expect("start\treload\n")
      end
      c:write("2\n3\n")
      c:expect("\nout 2\nout 3\n")
      c:err_expect("err 2\nerr 3\n")
      c:close()
    end
  end)

  it("of a child that wrote and ended while there was no script process is not lost", function()
    local c = script.start([[
      function on_start(_, again)
        print("start", again)
        if not again then
          reaper.spawn{ "sh", "-c", "read line; echo last words $line; exit 9", stdout = "pipe", stdin = "inherit" }
          print("spawned")
        end
      end
      function on_reap(_, status) print("reaped", status) end
    ]], { command = { "sleep", "1000" } })
    c:expect("spawned\n")
    c:kill("STOP", c:find("reaper-script").pid)
    c:write("x\n")
    c:until_true(function() return not c:find("sh") end, 5, "the child's end")
    script.kill_script(c)
    c:expect("start\tcrash\n.*last words x\n")
    c:expect("reaped\texit 9\n")
    assert.are.equal(1, select(2, c:out():gsub("reaped", "")))
  end)
end)
