-- Which processes belong to which service (src/common/members.h), and signals that reach no other one. What is made up
-- in members_cases.c is tried with real processes here.

local container = require "spec.support.container"
local members = require "spec.support.members"
local program = require "spec.support.program"

describe("the rules of members", function()
  for promise, case in pairs {
    ["each find somebody"] = "each_rule",
    ["have an order"] = "order_of_rules",
    ["take nobody who belongs to nobody"] = "nobody",
    ["go on below an environment that cannot be read"] = "unreadable",
    ["take only descendants of a subreaper"] = "subreaper",
    ["do not hold for a number that is used again"] = "number_is_used_again",
    ["hold while the leader is a zombie"] = "zombie_is_the_leader",
    ["know in which sessions a leader's group can be"] = "group_in_another_session",
    ["take no parent that began later"] = "parent_is_younger",
    ["end where parents go round in a circle"] = "circle",
    ["need no stack for a long chain of parents"] = "long_chain",
  } do
    it(promise, function()
      local pipe = io.popen(("timeout 60 build/members-cases %s 2>&1"):format(case))
      local text = pipe:read "a"
      assert.are.same({ "", true }, { text, (pipe:close()) })
    end)
  end
end)

local SANDBOX = container.helper:gsub("spec%-helper$", "spec-sandbox")

-- Another reaper-lua with services of the same names. It tells what it sees in the file `seen`.
local INNER = [[
local core = require "reaper.core"
function on_start()
  local a = reaper.spawn{ "two", "hold", name = "a" }
  reaper.spawn{ "one", "hold", name = "b" }
  local text
  repeat
    local lists = core.members { { name = "a", leader = a.pid, alive = true }, { name = "b" } }
    text = "a:"
    for _, process in ipairs(lists.a) do text = text .. " " .. process.comm end
    text = text .. ", b:"
    for _, process in ipairs(lists.b) do text = text .. " " .. process.comm end
  until text == "a: two, b: one" or reaper.sleep(0.005)
  local file = io.open("{folder}/unseen", "w")
  file:write(text):close()
  os.rename("{folder}/unseen", "{folder}/seen")
  reaper.sleep(1000)
end
]]

container.each_mode(function(mode)
  local function assert_printed(expected, body, options)
    local all = { mode = mode }
    for key, value in pairs(options or {}) do
      all[key] = value
    end
    assert.are.equal(expected .. "\n", (members.printed(body, all):gsub("^daemon %d+\n", "daemon N\n")))
  end

  describe("members of a service", function()
    after_each(container.close_all)

    it("are a wrapper and what it runs", function()
      assert_printed("a: one sh", [[
        await("a: one sh", { service("a", "one hold & wait") })
      ]])
    end)

    it("are found by group and by REAPER_NAME when their parents have ended", function()
      assert_printed("a: one sh two", [[
        await("a: one sh two", { service("a", "(setsid one hold &); (env -i {folder}/two hold &); read line <pipe",
          { cwd = "{folder}" }) })
      ]])
    end)

    it("are found by the session of a leader that has ended", function()
      assert_printed("a: one two", [[
        local a = service("a", "set -m; env -i {folder}/one hold & env -i {folder}/two hold &",
          { "bash", session = true })
        wait(a)
        await("a: one two", { a })
      ]])
    end)

    it("are found by descent without environment, group and session, and then since they are known", function()
      assert_printed("a: loner sh\na: loner\na: \na: loner one", [[
        local a = service("a", "env -i setsid {folder}/loner & wait")
        await("a: loner sh", { a })
        local known = remember { a }
        kill(a)
        await("a: loner", { a }, known)
        await("a: ", { a })
        io.open("{folder}/pipe", "w"):close()
        await("a: loner one", { a }, known)
      ]], { files = { loner = "#!/bin/sh\nread line <{folder}/pipe\n{folder}/one hold\n" } })
    end)

    it("are found without their first thread", function()
      assert_printed("daemon N\na: spec-daemon", [[
        local a = service("a", "one daemon --leaderless")
        wait(a)
        await("a: spec-daemon", { a })
      ]])
    end)

    it("are those of their own service among others that look alike", function()
      assert_printed("a: sh twin twin, b: sh twin twin\ntrue", [[
        local text = "(setsid twin hold &); twin hold & wait"
        local a, b = service("a", text), service("b", text)
        await("a: sh twin twin, b: sh twin twin", { a, b })
        local right = true
        for name, list in pairs((core.members { a, b })) do
          for _, process in ipairs(list) do
            local environ = io.open("/proc/" .. process.pid .. "/environ"):read "a"
            right = right and environ:find("REAPER_NAME=" .. name .. "\0", 1, true) ~= nil
          end
        end
        print(right)
      ]])
    end)

    it("do not become another's by the name that they give their children", function()
      assert_printed("a: one sh, b: two", [[
        local a, b = service("a", "REAPER_NAME=b setsid one hold & wait"), service("b", "exec two hold")
        await("a: one sh, b: two", { a, b })
      ]])
    end)

    it("are found behind a large environment", function()
      assert_printed("a: one, b: ", [[
        local big = { PATH = "{folder}:" .. os.getenv "PATH" }
        for i = 1, 10 do
          big["BIG" .. i] = ("x"):rep(9000) .. "\nREAPER_NAME=b"
        end
        local a = service("a", "setsid one hold &", { env = big })
        wait(a)
        await("a: one, b: ", { a, { name = "b" } })
      ]])
    end)

    it("are those of a reaper-lua in it, too, which sees its own only", function()
      assert_printed("inner a: two, b: one\na: one " .. container.comm .. " reaper-script sh two, b: three", [[
        local a = service("a", "REAPER_LUA {folder}/inner.lua & wait")
        local b = service("b", "(setsid three hold &)")
        wait(b)
        until_true(function() return io.open "{folder}/seen" end)
        print("inner " .. io.open("{folder}/seen"):read "a")
        await("a: one " .. "COMM" .. " reaper-script sh two, b: three", { a, b })
      ]], { files = { ["inner.lua"] = INNER } })
    end)

    it("are not those of a reaper-lua beside it", function()
      assert_printed("a: , b: three", [[
        os.execute "PATH={folder}:$PATH REAPER_LUA {folder}/inner.lua &"
        local b = service("b", "(setsid three hold &)")
        wait(b)
        until_true(function() return io.open "{folder}/seen" end)
        await("a: , b: three", { { name = "a" }, b })
      ]], { files = { ["inner.lua"] = INNER } })
    end)

    it("are not who inherits the name of the service that reaper-lua is", function()
      assert_printed("a: sh two", [[
        os.execute "(setsid {folder}/one hold &)"
        local a = service("a", "two hold & wait")
        until_true(function()
          local orphans = 0
          for _, process in ipairs(core.processes()) do
            orphans = orphans + (process.comm == "one" and 1 or 0)
          end
          return orphans == 2
        end)
        await("a: sh two", { a })
      ]], { env = { REAPER_NAME = "a" }, command = { "sh", "-c", "(setsid {folder}/one hold &); exec sleep 1000" } })
    end)
  end)

  describe("a pid that is used again", function()
    after_each(container.close_all)

    it("is nobody's, though it was a leader's or a known process's, and gets no signal", function()
      local ENDED = "nil the process has ended 3\n"
      assert_printed("a: one\na: \na: \n" .. ENDED .. ENDED .. "true\nsignal SIGTERM", [[
        local a = service("a", "exec one hold")
        await("a: one", { a })
        local known = remember { a }
        local before = known[1].start
        kill(a)
        local again, start
        until_true(function()
          local file = assert(io.open("/proc/sys/kernel/ns_last_pid", "w"))
          file:write(a.leader - 1)
          file:close()
          again = assert(reaper.spawn{ "sh", "-c", "{folder}/two hold & wait" })
          start = remember { { name = "x", leader = again.pid, alive = true } }[1].start
          if again.pid == a.leader and start ~= before then
            return true
          end
          until_true(function() -- who is left in its group would keep the number
            return not core.kill(nil, -again.pid, 9)
          end)
        end)
        until_true(function()
          return see { { name = "x", leader = again.pid, alive = true } } == "x: sh two"
        end)
        await("a: ", { a })
        await("a: ", { a }, known)
        print(failure(core.kill_member(again.pid, before, 15)))
        print(failure(core.pidfd(again.pid, before)))
        print(again:alive() and core.kill_member(again.pid, start, 15))
        print((again:wait()))
      ]])
    end)
  end)

  describe("a member", function()
    after_each(container.close_all)

    it("has pid, start time, parent and name", function()
      assert_printed("true\ttrue\tinteger\tsh\tone\ttrue", [[
        local a = service("a", "one hold & wait")
        until_true(function()
          return see { a } == "a: one sh"
        end)
        local list = core.members({ a }).a
        local sh, one = list[1], list[2]
        print(sh.pid == a.leader, one.ppid == sh.pid, math.type(sh.start), sh.comm, one.comm, sh.start <= one.start)
      ]])
    end)

    it("has a descriptor that says when it has ended", function()
      assert_printed("a: one\nended\nnil the process has ended 3", [[
        local loop = require "reaper.runtime.loop"
        local a = service("a", "(setsid one hold &)")
        wait(a)
        await("a: one", { a })
        local one = core.members({ a }).a[1]
        local fd = core.pidfd(one.pid, one.start)
        local ended = false
        loop.watch(fd, "r", function()
          ended = true
          loop.unwatch(fd)
        end)
        assert(core.kill_member(one.pid, one.start, 15))
        until_true(function() return ended end)
        core.close(fd)
        print(ended and "ended")
        print(failure(core.pidfd(one.pid, one.start)))
      ]])
    end)

    for _, refused in ipairs { "pidfd", "pidfd_open=EPERM", "pidfd_send_signal=EACCES", "pidfd_send_signal=ENOSYS" } do
      it("gets signals where a sandbox refuses " .. refused, function()
        assert_printed("a: one\nnil the process has ended 3\ntrue\nnil the process has ended 3", [[
          local a = service("a", "(setsid one hold &)")
          wait(a)
          await("a: one", { a })
          local one = core.members({ a }).a[1]
          print(failure(core.kill_member(one.pid, one.start + 1, 15)))
          print(core.kill_member(one.pid, one.start, 15))
          until_true(function()
            return not core.kill_member(one.pid, one.start, 0)
          end)
          print(failure(core.kill_member(one.pid, one.start, 15)))
        ]], { wrap = { SANDBOX, refused, "--" } })
      end)
    end
  end)

  describe("without CAP_SYS_PTRACE", function()
    after_each(container.close_all)

    local function without(capabilities)
      return { "setpriv", "--bounding-set", capabilities, "--inh-caps", capabilities, "--" }
    end
    local UNABLE = without "-sys_ptrace,-sys_admin,-perfmon" -- new kernels let the others read, too

    it("members of another user are found by their environment, and nothing stays changed by that", function()
      assert_printed("a: one\nfalse\ttrue\ttrue", [[
        local function capabilities()
          return io.open("/proc/self/status"):read("a"):match "CapPrm.-CapBnd"
        end
        local before = capabilities()
        os.execute "chmod 755 {folder}"
        local a = service("a", "(setsid one hold &)", { user = "65534:65533" })
        wait(a)
        await("a: one", { a })
        local one = core.members({ a }).a[1]
        print(io.open("/proc/" .. one.pid .. "/environ") ~= nil, capabilities() == before,
          (os.execute "cat /proc/$PPID/environ >/dev/null"))
      ]], { wrap = UNABLE })
    end)

    it("one that has become undumpable is found when it is known", function()
      assert_printed("daemon N\na: spec-daemon two\na: two\na: spec-daemon", [[
        local a = service("a", "one daemon --undumpable; exec two hold", { cwd = "{folder}" })
        local daemon
        until_true(function()
          for _, process in ipairs(core.processes()) do
            daemon = process.comm == "spec-daemon" and process.pid or daemon
          end
          return daemon and see { a } == "a: two"
        end)
        local start = remember { { name = "x", leader = daemon, alive = true } }[1].start
        local known = { { pid = daemon, start = start, name = "a" } }
        await("a: spec-daemon two", { a }, known)
        await("a: two", { a })
        kill(a)
        await("a: spec-daemon", { a }, known)
      ]], { wrap = UNABLE })
    end)

    it("a /proc that hides what the engine has adopted makes it incomplete", function()
      assert_printed("a: sh\tfalse\na: sh\ttrue", [[
        os.execute "chmod 755 {folder}; mount -o remount,hidepid=2,gid=65532 /proc"
        local a = service("a", "read line <pipe; (setsid setpriv --reuid 65534 two hold &); read line <pipe",
          { cwd = "{folder}" })
        local seen, incomplete = see { a }
        print(seen, incomplete)
        io.open("{folder}/pipe", "w"):close()
        until_true(function()
          seen, incomplete = see { a }
          return incomplete
        end)
        print(seen, incomplete)
      ]], { wrap = without "-sys_ptrace" })
    end)

    it("a /proc that hides processes makes it incomplete", function()
      assert_printed("a: \ttrue\ttrue\na: \ttrue\nnil", [[
        os.execute "chmod 755 {folder}; chmod 666 {folder}/pipe; mount -o remount,hidepid=2,gid=65532 /proc"
        local a = service("a", "one hold & echo >pipe; exec two hold", { user = "65534", cwd = "{folder}" })
        io.open("{folder}/pipe"):read()
        local seen, incomplete, lists = see { a }
        print(seen, incomplete, lists.a[1].pid == a.leader and lists.a[1].start == nil)
        kill(a)
        seen, incomplete, lists = see { a }
        print(seen, incomplete)
        print(lists.a[1])
      ]], { wrap = without "-sys_ptrace" })
    end)
  end)

  describe("without /proc", function()
    if container.sanitized then
      pending "is not tried: sanitizers themselves need it"
      return
    end
    after_each(container.close_all)

    it("only leaders are listed, and groups told", function()
      assert_printed("a: , b: \ttrue\ttrue\ttrue\tnil\na: , b: \ttrue\ttrue\tnil\nnil", [[
        local a, b = service("a", "one hold & echo >{folder}/pipe; exec two hold"), service("b", "exec two hold")
        io.open("{folder}/pipe"):read()
        local seen, incomplete, lists = see { a, b }
        print(seen, incomplete, lists.a[1].pid == a.leader, lists.b[1].pid == b.leader, lists.a[1].start)
        kill(a)
        seen, incomplete, lists = see { a, b }
        print(seen, incomplete, lists.a.group == a.leader, lists.a[1])
        print(lists.b.group)
      ]], { no_proc = true })
    end)
  end)
end)

describe("core.members", function()
  after_each(container.close_all)

  it("is for programs, too, from reaper.start on", function()
    assert.are.equal("nil\tthe engine: Transport endpoint is not connected\t107\n1\ttrue\tfalse\n", program.printed [[
      local reaper, core = require "reaper", require "reaper.core"
      print(core.members {})
      reaper.start()
      local child = reaper.spawn{ "sleep", "1000", name = "a" }
      local lists, incomplete = core.members { { name = "a" }, { name = "b" } }
      print(#lists.a, lists.a[1].pid == child.pid, incomplete)
      os.exit(0)
    ]])
  end)

  it("raises for what is no list of services", function()
    assert.are.equal("false\ttrue\nfalse\ttrue\nfalse\ttrue\n", members.printed [[
      for _, wrong in ipairs { 7, { 7 }, { { leader = 3 } } } do
        local ok, message = pcall(core.members, wrong)
        print(ok, message:find "expected, got " ~= nil)
      end
    ]])
  end)
end)

describe("a look at 2,000 processes of nobody", function()
  after_each(container.close_all)

  it("takes little time, and none of them", function()
    local text = members.printed([[
      local many = assert(reaper.spawn{ "HELPER", "orphans", "--alive", "600", "--parallel", "30000", "2000" })
      many:wait()
      local a = service("a", "one hold & wait")
      await("a: one sh", { a })
      local least = math.huge
      for _ = 1, 5 do
        local before = os.clock()
        core.members { a }
        least = math.min(least, os.clock() - before)
      end
      print(least)
    ]])
    local least = tonumber(text:match "^made 2000\na: one sh\n(%S+)\n$")
    assert.is_true(least < 0.2 * container.slow, text) -- 0.05 on an idle machine
  end)
end)
