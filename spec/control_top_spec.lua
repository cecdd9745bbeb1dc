-- reaperctl top: what it shows, its keys, and the terminal after it.

local container = require "spec.support.container"
local control = require "spec.support.control"
local screen = require "spec.support.screen"
local services = require "spec.support.services"

local _, start_services = services.below 'local supervisor = require "reaper.supervisor"\n'

local TOP = container.binary .. " --ctl top"
local ENTER, LEAVE = "\27[?1049h", "\27[0m\27[?7h\27[?25h\27[?1049l"
local WEB = services.sleeper "web"

-- After top the shell shows its exit code, and the settings of the terminal again and again.
local SHELL = TOP .. [[ %s; echo "code $?"; while :; do stty -a; sleep 0.1; done]]

-- A container with a terminal, on which top runs as COMMAND's child. `options`: words, env, mode.
local function start(list, options, more)
  options = options or {}
  return start_services(list, {
    tty = true, mode = options.mode, env = options.env, command = { "sh", "-c", SHELL:format(options.words or "") },
  }, more)
end

-- The last frame, as lines without what the terminal obeys.
local function frame_of(c)
  local frame = c:out():gsub("\27%[%?[%d]+[hl]", ""):match ".*\27%[H(.-)\27%[J"
  local lines = {}
  for line in (frame or ""):gsub("\27%[[%d;]*[A-Za-z]", ""):gmatch "[^\r\n]+" do
    lines[#lines + 1] = line
  end
  return lines
end

-- Waits until a line of the frame has that pattern, and gives the line and the frame.
local function see_line(c, pattern)
  local found, frame
  c:until_true(function()
    frame = frame_of(c)
    for _, line in ipairs(frame) do
      found = line:find(pattern) and line or found
    end
    return found
  end, nil, pattern)
  return found, frame
end

local function see_after(c, text)
  screen.see(c, text)
end

-- The terminal is as it was found, and what the shell says is seen.
local function expect_sane(c, code)
  c:until_true(function() -- in either order, where it is the one that is killed for which the shell waits
    return c:out():find(LEAVE, 1, true) and c:out():find("code " .. code .. "\r\n", 1, true)
  end, nil, "code " .. code)
  c:until_true(function()
    local settings = c:out():match ".*speed(.-)\r\n[^\r]*\r\n$" or c:out():match ".*speed(.*)"
    return settings and settings:find "%f[%S]icanon" and settings:find "%f[%S]echo%f[%s]" and settings:find "%f[%S]isig"
      and settings:find "%f[%S]ixon" and settings:find "%f[%S]icrnl"
  end, nil, "the settings of before")
  assert.equal(1, select(2, c:out():gsub("%?1049l", "")))
end

-- The process that keeps the terminal, and the one that draws.
local function both(c)
  local list = {}
  c:until_true(function()
    list = {}
    for _, process in ipairs(c:processes()) do
      list[#list + 1] = process.comm == "reaperctl" and process or nil
    end
    return #list == 2
  end, nil, "two processes")
  if list[1].ppid == list[2].nspid then
    list[1], list[2] = list[2], list[1]
  end
  return list[1], list[2]
end

local function resize(c, columns, rows)
  local _, drawing = both(c)
  assert.is_true(os.execute(("stty -F /proc/%d/fd/0 cols %d rows %d"):format(drawing.pid, columns, rows)))
end

describe("reaperctl top", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("shows the services, and q ends it", function()
      local c = start(WEB .. services.shell("work", "sleep 100 & exec sleep 101"), { mode = mode })
      local _, frame = see_line(c, "^ work +running +%d+ +%S+ +0 +0 +%d+%.%d +[%d.]+[KM] +2$")
      assert.truthy(frame[1]:find(("^reaper%%-lua %%S+  pid %d  running "):format(c.nspid)))
      assert.truthy(frame[2]:find "^script %S+  pid %d+  working")
      assert.truthy(frame[3]:find "^ SERVICE%* +STATE +PID +FOR +RESTARTS +10MIN +CPU%% +MEM +PROCS +LAST END +DETAIL$")
      assert.truthy(frame[4]:find "^ main +running")
      assert.truthy(frame[5]:find "^ web +running")
      c:write "q"
      expect_sane(c, 0)
    end)
  end)

  it("leaves the columns in their places, whatever names there are", function()
    local c = start(WEB .. services.sleeper("数据库") .. services.sleeper(("x"):rep(50)))
    resize(c, 80, 24)
    local line = see_line(c, "^ x+… running ")
    assert.are.equal(20, utf8.len(line:match "^ (x+…)"))
    line = see_line(c, "^ 数据库 +running ") -- three characters of two columns each
    assert.are.equal(20 - 6 + 1, #line:match "^ 数据库( +)running")
    c:write "?"
    see_line(c, "^q quit .* %^Z suspend$")
  end)

  it("gives the terminal back after Ctrl-C", function()
    local c = start(WEB)
    see_line(c, "^ web")
    c:write "\3"
    expect_sane(c, 130)
  end)

  for _, signal in ipairs { "TERM", "KILL", "SEGV" } do
    for _, which in ipairs { "draws", "keeps the terminal" } do
      it(("gives the terminal back after %s of the process that %s"):format(signal, which), function()
        local c = start(WEB)
        see_line(c, "^ web")
        local guard, drawing = both(c)
        c:kill(signal, (which == "draws" and drawing or guard).pid)
        expect_sane(c, 128 + container.signal_number(signal))
        c:until_true(function() return not c:find "reaperctl" end, nil, "the end of the other one")
      end)
    end
  end

  it("is suspended by Ctrl-Z, and goes on in the foreground", function()
    local c = start_services(WEB, { tty = true, env = screen.environment, command = { "/bin/bash", "--norc",
      "--noprofile", "-i" } })
    screen.see(c, screen.prompt)
    screen.type_line(c, TOP)
    see_after(c, ENTER)
    see_line(c, "^ web")
    c:write(screen.ctrl_z)
    see_after(c, LEAVE)
    see_after(c, screen.prompt)
    screen.type_line(c, "echo shell$((1+1))")
    see_after(c, "shell2")
    see_after(c, screen.prompt)
    screen.type_line(c, "bg")
    see_after(c, screen.prompt)
    local guard, drawing = both(c)
    c:until_true(function()
      return c.view:find(guard.nspid).state == "T" and c.view:find(drawing.nspid).state == "T"
    end, nil, "both to be stopped in the background")
    screen.type_line(c, "fg")
    see_after(c, ENTER)
    see_after(c, "web")
    c:write "q"
    see_after(c, LEAVE)
    see_after(c, screen.prompt)
    screen.type_line(c, "echo code$?$((1+1))")
    see_after(c, "code02")
  end)

  it("fits the terminal, also when that gets another size", function()
    local list = {}
    for i = 1, 30 do
      list[i] = services.sleeper(("s%02d"):format(i))
    end
    local c = start(table.concat(list), { words = "-d 100" })
    see_line(c, "^ s18 ")
    for columns, rows in pairs { [30] = 9, [50] = 40 } do
      resize(c, columns, rows)
      local frame
      c:until_true(function()
        frame = frame_of(c)
        return #frame == math.min(rows - 1, 34) and #frame[1] == columns
      end, nil, ("%d columns and %d rows"):format(columns, rows))
      for _, line in ipairs(frame) do
        assert.is_true(utf8.len(line) <= columns, line)
      end
    end
    resize(c, 60, 9)
    c:write(("j"):rep(25))
    see_line(c, "^>s24 ")
    c:write "\27[A\27OA"
    see_line(c, "^>s22 ")
  end)

  it("sorts, and shows the processes of a service", function()
    local c = start(services.shell("busy", "sleep 100 & while :; do :; done") .. services.sleeper "able", {
      words = "-d 0.3",
    })
    see_line(c, "^ busy.* 2$")
    local function order()
      local names = {}
      for i, line in ipairs(frame_of(c)) do
        names[#names + 1] = i > 3 and line:match "^[ >](%l+) " or nil
      end
      return table.concat(names, " ")
    end
    assert.equal("able busy main", order())
    c:write "<<"
    see_line(c, "CPU%%%*")
    c:until_true(function() return order():find "^busy" end, nil, "the busy one in front")
    c:write ">s"
    see_line(c, "SERVICE%*")
    assert.equal("able busy main", order())
    c:write "\27[B\27[Bp"
    see_line(c, "^>busy ")
    see_line(c, "^ +%d+ R +[%d.]+ +[%d.]+[KM] +%S+ sh$")
    see_line(c, "^ +%d+ S +0.00 +[%d.]+[KM] +%S+ sleep$")
    c:write "?"
    see_line(c, "^q quit ")
    c:write "q"
    expect_sane(c, 0)
  end)

  it("has no colours with NO_COLOR", function()
    local c = start(WEB)
    c:write "j"
    see_line(c, "^>main")
    assert.truthy(c:out():find("\27[7m>main", 1, true))
    c:close()
    c = start(WEB, { env = { NO_COLOR = "1" } })
    c:write "j"
    see_line(c, "^>main")
    assert.falsy(c:out():gsub("\27%[0m\27%[%?7h", ""):find "\27%[%d*m")
  end)

  it("restarts and stops the selected service, when it is meant", function()
    local c = start(WEB, { words = "-d 0.3" })
    local pid = see_line(c, "^ web +running"):match "running +(%d+)"
    c:write "r"
    see_line(c, "^no service is selected")
    c:write "jr"
    see_line(c, "^main is COMMAND")
    c:write "jr"
    see_line(c, "^restart web%? y/n")
    c:write "n"
    c:write "r"
    see_line(c, "^restart web%? y/n")
    c:write "y"
    see_line(c, "^restart web: done")
    c:until_true(function()
      local now = see_line(c, "^>web"):match "running +(%d+)"
      return now and now ~= pid
    end, nil, "another process")
    c:write "x"
    see_line(c, "^stop web%? y/n")
    c:write "y"
    see_line(c, "^stop web: done")
    see_line(c, "^>web +finished +%- .* SIGTERM$")
    c:write "q"
    expect_sane(c, 0)
  end)

  it("does not wait for a script that is blocked", function()
    local c = start(WEB, { words = "-d 0.3" }, 'reaper.after(0.1, function() os.execute "sleep 100" end)')
    see_line(c, "^script .*BLOCKED")
    c:write "jjx"
    see_line(c, "^stop web%? y/n")
    c:write "y"
    see_line(c, "^stop web …")
    c:write "s"
    see_line(c, "STATE%*")
    c:write "q"
    expect_sane(c, 0)
  end)

  it("prints frames where there is no terminal", function()
    local c = start_services(WEB, { command = { "sleep", "100" } })
    control.see(c, "web +running", "status")
    local code, out, err = control.inside(c, {}, "top", "-n", "2", "-d", "0.2")
    assert.same({ 0, "" }, { code, err })
    assert.equal(2, select(2, out:gsub("\n web +running +%d+ +%S+ +0 +0 +0%.0 +[%d.]+[KM] +1\n", "")))
    assert.falsy(out:find "\27")
    assert.equal(1, select(2, out:gsub("\n\n", "")))
    code, out, err = control.inside(c, {}, "top")
    assert.same({ 2, "" }, { code, out })
    assert.equal("reaperctl: top: stdin and stdout have to be a terminal; --once, or -n COUNT, prints it elsewhere\n",
      err)
    code, out = control.run(c, "top", "--once") -- from another namespace
    assert.equal(0, code)
    assert.truthy(out:find "\n web +running +%d+ +%S+ +0 +0 +%- +%- +%-\n")
  end)

  it("ends with the reaper-lua", function()
    local c = start_services(WEB, { command = { "sleep", "100" } })
    control.see(c, "", "status")
    local pipe = assert(io.popen(("%s --ctl --pid %d top -n 1000 -d 0.1 2>&1 >%s; echo $?"):format(
      container.binary, c.pid, c:file "frames")))
    c:until_true(function() return (c:read "frames" or "") ~= "" end)
    c:kill "TERM"
    assert.equal("reaperctl: top: the reaper-lua has ended\n3\n", pipe:read "a")
    pipe:close()
  end)
end)
