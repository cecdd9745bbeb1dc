-- COMMAND: what it finds when it starts, as whom it runs, and how its end becomes the exit code.

local uv = require "luv"
local container = require "spec.support.container"

local helper = container.helper

-- The lines of `spec-helper state` as a table; those of the environment below "env".
local function parse_state(text)
  local state = { env = {} }
  for key, value in text:gmatch("(%S+) ?([^\n]*)\n") do
    if key == "env" then
      local name, content = value:match("^([^=]+)=(.*)$")
      state.env[name] = content
    else
      state[key] = value
    end
  end
  return state
end

local function state_of(options)
  options.command = options.command or { helper, "state" }
  local code, out, err = container.run(options)
  assert.are.same({ 0, "" }, { code, err })
  return parse_state(out)
end

-- With and without a script: the engine starts COMMAND at another moment.
local function each_door(define)
  define("without a script", nil)
  define("with a script", "function on_reap() end\n")
end

-- Where the open descriptors of a process lead to.
local function descriptors(pid)
  local list = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(("/proc/%d/fd"):format(pid))) do
    list[#list + 1] = uv.fs_readlink(("/proc/%d/fd/%s"):format(pid, name)) or ""
  end
  return table.concat(list, "\n")
end

-- Words before the program that open descriptors 5 and 7 on a file.
local function with_descriptors()
  return { "/bin/sh", "-c", 'exec 5>{folder}/inherited 7>&5; exec "$@"', "sh" }
end

describe("COMMAND", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    each_door(function(door, script)
      describe(door, function()
        it("has a process group of its own and is a child of the engine", function()
          local state = state_of{ mode = mode, script = script }
          assert.are.equal(state.pid, state.pgrp)
          assert.are.equal(mode == "init" and "1" or "2", state.ppid)
          assert.are_not.equal(state.pid, state.sid)
        end)

        it("keeps the folder, which the engine leaves", function()
          local c = container.start{ mode = mode, script = script, cwd = "/usr/lib",
            command = { "/bin/sh", "-c", "echo in $(pwd); exec sleep 60" } }
          c:expect("in /usr/lib\n")
          assert.are.equal("/", uv.fs_readlink("/proc/" .. c.pid .. "/cwd"))
        end)

        it("keeps a folder that its user may not enter, when it is started again, too", function()
          local c = container.start{ mode = mode, args = { "-u", "4999:4999" }, cwd = "{folder}",
            script = script and "function on_reap(_, _, _, info) if info.main and not again then again = true "
              .. "assert(reaper.main:start()) end end",
            command = { "/bin/sh", "-c", "readlink /proc/self/cwd" } }
          assert.are.equal(0, c:wait())
          assert.are.same({ (c.folder .. "\n"):rep(script and 2 or 1), "" }, { c:out(), c:err() })
        end)

        it("stays in a folder that reaper-lua's own user may not enter", function()
          local c = container.start{ mode = mode, cwd = "{folder}",
            args = script and { "-x", "function on_reap() end" },
            program = { "setpriv", "--reuid=4999", "--regid=4999", "--clear-groups", container.binary },
            command = { "/bin/sh", "-c", "readlink /proc/self/cwd" } }
          assert.are.same({ 0, c.folder .. "\n", "" }, { c:wait(), c:out(), c:err() })
        end)

        it("gets the inherited descriptors, which the engine and the script process close", function()
          local c = container.start{ mode = mode, script = script, wrap = with_descriptors(),
            command = { "/bin/sh", "-c", "echo five >&5; echo seven >&7; echo done; exec sleep 60" } }
          c:expect("done\n")
          assert.are.equal("five\nseven\n", c:read("inherited"))
          c:until_true(function()
            return not descriptors(c.pid):find("inherited", 1, true)
          end, 5, "the engine to close what it has inherited")
          c:until_true(function() return c:find("sleep") end, 5, "the sleep to have its name")
          assert.matches("inherited", descriptors(c:find("sleep").pid), 1, true)
          local script_process = c:find("reaper-script")
          assert.are.equal(script ~= nil, script_process ~= nil)
          assert.not_matches("inherited", script_process and descriptors(script_process.pid) or "", 1, true)
        end)

        it("gets no descriptor of the engine's", function()
          assert.are.equal("0 1 2", state_of{ mode = mode, script = script }.fds)
        end)

        it("reads stdin", function()
          local c = container.start{ mode = mode, script = script, command = { "/bin/cat" } }
          c:write("a line\n")
          c:close_input()
          assert.are.same({ 0, "a line\n" }, { c:wait(), c:out() })
        end)

        it("gets LISTEN_PID when it is meant for reaper-lua, and the sockets", function()
          local state = state_of{ mode = mode, script = script, wrap = with_descriptors(),
            env = { LISTEN_PID = mode == "init" and "1" or "2", LISTEN_FDS = "5", LISTEN_FDNAMES = "a" } }
          assert.are.equal(state.pid, state.env.LISTEN_PID)
          assert.are.same({ "5", "a" }, { state.env.LISTEN_FDS, state.env.LISTEN_FDNAMES })
          assert.are.equal("0 1 2 5 7", state.fds)
        end)

        it("is named by the variables that named reaper-lua", function()
          local state = state_of{ mode = mode, script = script, program = { helper, "named", "--", container.binary } }
          local env = state.env
          assert.are.same({ state.pid, state.pid, state.pid, state.pidfd_inode },
            { env.LISTEN_PID, env.WATCHDOG_PID, env.SYSTEMD_EXEC_PID, env.LISTEN_PIDFDID })
        end)

        it("keeps variables that name another process", function()
          local given = { LISTEN_PID = "4711", LISTEN_PIDFDID = "4712", WATCHDOG_PID = "4713", SYSTEMD_EXEC_PID = "x",
            LISTEN_FDS = "1" }
          local env = state_of{ mode = mode, script = script, env = given }.env
          for name, value in pairs(given) do
            assert.are.equal(value, env[name])
          end
        end)

        it("keeps the environment", function()
          local state = state_of{ mode = mode, script = script, clear_env = true, env = { A = "b c", EMPTY = "" } }
          assert.are.same({ A = "b c", EMPTY = "" }, state.env)
        end)
      end)
    end)

    it("has its orphans adopted by reaper-lua", function()
      local code, out, err = container.run{ mode = mode, report_left = mode == "subreaper", args = { "-w" },
        command = { helper, "orphans", 3, "--code", 9 } }
      assert.are.same({ 0, "made 3\n" }, { code, out })
      assert.matches("orphan %d+ %(spec%-orphan%): exit 9\n.+: exit 9\n.+: exit 9\n", err)
      assert.not_matches("host: adopted", err, 1, true)
    end)
  end)
end)

describe("the exit code", function()
  after_each(container.close_all)

  local ends = {
    { "0", { helper, "exit", 0 }, 0 },
    { "1", { helper, "exit", 1 }, 1 },
    { "255", { helper, "exit", 255 }, 255 },
    { "128 + TERM", { "/bin/sh", "-c", "kill -TERM $$" }, 143 },
    { "128 + KILL", { helper, "crash", "kill" }, 137 },
    { "128 + SEGV", { helper, "crash", "segv" }, 139 },
    { "128 + ABRT", { helper, "crash", "abort" }, 134 },
    { "128 + RTMAX", { "/bin/sh", "-c", "kill -64 $$" }, 192 },
    { "127 for a name that is not found", { "no-such-command" }, 127 },
    { "127 for a path that is not found", { "/no/such/command" }, 127 },
    { "127 for an empty name", { "" }, 127 },
    { "126 for a file that may not be run", { "/etc/passwd" }, 126 },
    { "126 for a folder", { "/etc" }, 126 },
  }

  container.each_mode(function(mode)
    for _, row in ipairs(ends) do
      it("is " .. row[1], function()
        assert.are.equal(row[3], (container.run{ mode = mode, command = row[2] }))
      end)

      it("is " .. row[1] .. ", with a script", function()
        assert.are.equal(row[3], (container.run{ mode = mode, command = row[2], script = "function on_reap() end" }))
      end)
    end
  end)

  it("is mapped by -e for a signal, too", function()
    local command = { "/bin/sh", "-c", "kill -TERM $$" }
    assert.are.equal(0, (container.run{ args = { "-e143" }, command = command }))
    assert.are.equal(7, (container.run{ args = { "-e", "143:7" }, command = command }))
    assert.are.equal(143, (container.run{ args = { "-e", "15" }, command = command }))
  end)

  it("is mapped once only", function()
    assert.are.equal(4, (container.run{ args = { "-e", "3:4", "-e", "4:5" }, command = { helper, "exit", 3 } }))
  end)

  it("is 0 when a script without COMMAND is stopped", function()
    for _, name in ipairs { "TERM", "INT", "QUIT" } do
      local c = container.start{ script = "function on_start() print('started') end" }
      c:expect("started")
      c:kill(name)
      assert.are.equal(0, c:wait())
    end
  end)
end)

describe("--user", function()
  after_each(container.close_all)

  -- Users and groups of the container's own, in its mount namespace.
  local OWN_USERS = [[
    printf 'root:x:0:0::/root:/bin/sh\nalice:x:4000:4001::/home/alice:/bin/sh\n4000:x:5000:5000::/:/bin/sh\n' \
      >{folder}/passwd
    printf 'lost:x:4294967295:4001::/:/bin/sh\n' >>{folder}/passwd
    printf 'root:x:0:\nalice:x:4001:\nvideo:x:4002:bob,alice\naudio:x:4003:alice\nstaff:x:4004:bob\n' >{folder}/group
    printf 'nothing:x:4294967295:alice\n' >>{folder}/group
    mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/group /etc/group && exec "$@"
  ]]

  local function state_as(user, more)
    local options = { args = user and { "-u", user } or {}, wrap = { "/bin/sh", "-c", OWN_USERS, "sh" },
      env = { HOME = "/before", USER = "before", LOGNAME = "before" } }
    for key, value in pairs(more or {}) do
      options[key] = value
    end
    local state = state_of(options)
    return { state.uid, state.gid, state.groups, state.env.HOME, state.env.USER, state.env.LOGNAME }
  end

  local rows = {
    { "alice", "4000", "4001", "4001 4002 4003", "/home/alice", "alice", "alice" },
    { "4000", "4000", "4001", "4001 4002 4003", "/home/alice", "alice", "alice" },
    { "alice:staff", "4000", "4004", "4004", "/home/alice", "alice", "alice" },
    { "alice:4777", "4000", "4777", "4777", "/home/alice", "alice", "alice" },
    { "4999", "4999", "0", "0", "/", "before", "before" },
    { "4999:video", "4999", "4002", "4002", "/", "before", "before" },
    { "4999:4888", "4999", "4888", "4888", "/", "before", "before" },
    { "root", "0", "0", "0", "/root", "root", "root" },
    { "65536:65537", "65536", "65537", "65537", "/", "before", "before" }, -- to calls with 16 bits, 0 and 1
    { "4294967294:4294967293", "4294967294", "4294967293", "4294967293", "/", "before", "before" },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      assert.are.same(table.move(row, 2, 7, 1, {}), state_as(row[1]))
    end)
  end

  -- To the kernel it means that nothing is to be changed: COMMAND would run as root.
  for _, user in ipairs { "lost", "alice:nothing" } do
    it("refuses an entry with the number -1: " .. user, function()
      local code, out, err = container.run { args = { "-u", user }, wrap = { "/bin/sh", "-c", OWN_USERS, "sh" },
        command = { "/bin/echo", "COMMAND ran" } }
      assert.are.same({ 125, "" }, { code, out })
      assert.matches('"' .. user:match("[^:]+$") .. '"', err, 1, true)
    end)
  end

  -- A list that cannot be read may have an entry: without it COMMAND would get other groups, group 0 for one.
  local unreadable = {
    { "chmod 0 {folder}/LIST && mount --bind {folder}/LIST /etc/LIST", "cannot open /etc/LIST: Permission denied" },
    { "mount --bind /proc/$$/mem /etc/LIST", "cannot read /etc/LIST: I[%a/]+ error" },
  }
  for _, row in ipairs(unreadable) do
    for list, users in pairs { passwd = { "4000", "alice", "4999:4888" }, group = { "alice", "alice:staff" } } do
      for _, user in ipairs(users) do
        local reason = row[2]:gsub("LIST", list)

        it(("is refused for %s: %s"):format(user, reason), function()
          local setup = OWN_USERS:gsub("exec .*", "") .. row[1]:gsub("LIST", list)
            .. " && exec setpriv --bounding-set=-dac_override,-dac_read_search"
            .. ' --inh-caps=-dac_override,-dac_read_search "$@"'
          local code, out, err = container.run { program = { "/bin/sh", "-c", setup, "sh", container.binary },
            args = { "-u", user }, command = { "/bin/echo", "COMMAND ran" } }
          assert.are.same({ 125, "" }, { code, out })
          assert.matches("^reaper%-lua: %-%-user: " .. reason .. "\n$", err)
        end)
      end
    end
  end

  it("is also a setting of the script, and COMMAND's alone", function()
    local script = [[
      reaper.configure{ user = "alice:staff" }
      function on_start()
        local file = assert(io.open("/proc/self/status"))
        io.stderr:write(file:read("a"):match("Uid:%s+%d+"), "\n")
      end
    ]]
    local c = container.start{ script = script, wrap = { "/bin/sh", "-c", OWN_USERS, "sh" },
      command = { helper, "hold" } }
    c:expect("Uid:%s+0\n")
    local main = c:find("spec-helper")
    local file = assert(io.open("/proc/" .. main.pid .. "/status"))
    local text = file:read("a")
    file:close()
    assert.matches("\nUid:\t4000\t4000\t4000\t4000\n", text, 1, true)
    assert.matches("\nGid:\t4004\t4004\t4004\t4004\n", text, 1, true)
  end)

  for _, user in ipairs { "nobody-here", "alice:no-such-group", ":staff", "alice:", "-1", "0x10", "4294967295" } do
    it("is refused when there is no such user or group: " .. user, function()
      local code, out, err = container.run{ args = { "--user=" .. user }, wrap = { "/bin/sh", "-c", OWN_USERS, "sh" },
        command = { "/bin/echo", "started" } }
      assert.are.same({ 125, "" }, { code, out })
      assert.matches("^reaper%-lua: %-%-user: [^\n]+\n$", err)
    end)
  end
end)
