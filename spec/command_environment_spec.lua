-- reaper.configure{ env = … }: the environment of COMMAND, which the engine holds.

local container = require "spec.support.container"
local program = require "spec.support.program"
local script = require "spec.support.script"

local SHOW = { "sh", "-c", "echo A=${A-none} B=${B-none} C=${C-none}" }
local OUTSIDE = { A = "outside", C = "from outside" }

describe("COMMAND's environment", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("has what the script sets, and lacks what it takes away", function()
      local out, err, code = script.run([[
        reaper.configure { env = { A = "a=1 \n2", B = 5, C = false, GONE = false } }
      ]], { mode = mode, env = OUTSIDE, command = { "sh", "-c", 'echo "A=$A B=$B C=${C-none}"; env | grep -c ^A=' } })
      assert.same({ "A=a=1 \n2 B=5 C=none\n1\n", "", 0 }, { out, err, code })
    end)
  end)

  it("is that of the script at each start, while the last word on a name counts", function()
    local out = script.run([[
      reaper.configure { env = { A = "first", B = "first" } }
      reaper.configure { env = { A = "second" } }
      function on_reap(_, status, _, info)
        if info.main and not again then
          again = true
          reaper.configure { env = { B = false, A = "third" } }
          assert(reaper.main:start())
        end
      end
    ]], { env = OUTSIDE, command = SHOW })
    assert.equal("A=second B=first C=from outside\nA=third B=none C=from outside\n", out)
  end)

  it("is searched for PATH, and goes before what --user sets", function()
    local out, err = script.run([[ reaper.configure { env = { PATH = "{folder}", HOME = "/elsewhere" } } ]],
      { files = { mine = "#!/bin/sh\necho home=$HOME user=$USER\n" }, args = { "-u", "nobody" }, command = { "mine" },
        wrap = { "/bin/sh", "-c", 'chmod 755 {folder} {folder}/mine; exec "$@"', "sh" } })
    assert.same({ "home=/elsewhere user=nobody\n", "" }, { out, err })
  end)

  it("can have variables of any length, up to a limit for all", function()
    local out, err, code = script.run([[
      for length = 100, 400 do reaper.configure { env = { LONG = ("x"):rep(length) } } end
      reaper.configure { env = { LONG = ("x"):rep(100000), SHORT = ("y"):rep(31000) } }
      local ok, why = pcall(reaper.configure, { env = { MORE = ("z"):rep(100) } })
      print(ok, (why:gsub("^.-: ", "")))
      reaper.configure { env = { LONG = false } }
      reaper.configure { env = { MORE = ("z"):rep(100) } }
    ]], { command = { "sh", "-c", "echo ${#LONG} ${#SHORT} ${#MORE}" } })
    assert.same({ "false\tbad argument 'env.MORE' to 'reaper.configure' (all variables together are longer than 131072 "
      .. "bytes)\n0 31000 100\n", "", 0 }, { out, err, code })
  end)

  it("is the new script's after a reload, and the old one's where that does not load", function()
    local text = [[
      reaper.configure { env = { A = "%s" } }
      function on_start(pid, again) print("%s", again) end
      function on_signal(name) if name == "SIGUSR1" then reaper.main:kill() return false end end
      function on_reap(_, _, _, info)
        if info.main then runs = (runs or 0) + 1 if runs < 3 then assert(reaper.main:start()) end end
      end
    ]]
    local c = script.start(text:format("old", "old"), { env = OUTSIDE,
      command = { "sh", "-c", SHOW[3] .. "; exec sleep 100" } })
    c:expect "A=old"
    c:until_true(function() return c:find "sleep" end, nil, "COMMAND")
    script.replace(c, "reaper.configure { env = { A = 'broken' } } error 'oops'")
    c:kill("KILL", c:find("reaper-script").pid)
    c:err_expect "oops"
    script.replace(c, text:format("new", "new"))
    c:expect "new\tcrash\n"
    c:kill "USR1"
    c:expect "A=new B=none"
  end)

  it("names what is wrong", function()
    local out = script.run(script.on_start [[
      for _, env in ipairs {
        5, { "A=1" }, { A = {} }, { [""] = "x" }, { ["A=B"] = "x" }, { A = "x\0y" }, { A = true },
      } do
        print((select(2, pcall(reaper.configure, { env = env })):gsub("^.-: ", "")))
      end
    ]], { command = { "sleep", "100" } })
    assert.equal(table.concat({
      "bad argument 'env' to 'reaper.configure' (table expected, got number)",
      "bad argument 'env' to 'reaper.configure' (NAME = value expected, such as { HOME = \"/\" }, got [1] = \"A=1\")",
      "bad argument 'env.A' to 'reaper.configure' (string expected, got table)",
      "bad argument 'env' to 'reaper.configure' ('' is not a name of a variable)",
      "bad argument 'env' to 'reaper.configure' ('A=B' is not a name of a variable)",
      "bad argument 'env.A' to 'reaper.configure' (it contains a zero byte)",
      "bad argument 'env.A' to 'reaper.configure' (string expected, got boolean)",
    }, "\n") .. "\n", out)
  end)

  it("is refused without COMMAND, and in a program", function()
    local _, err, code = script.run("reaper.configure { env = { A = 'x' } }")
    assert.matches("it is the environment of COMMAND, and there is none", err)
    assert.equal(125, code)
    local out = program.printed([[
      local reaper = require "reaper"
      print(select(2, pcall(reaper.start, { env = {} })))
      assert(reaper.start { enable_child_subreaper = true })
      print(select(2, pcall(reaper.configure, { env = {} })))
      os.exit(0, true)
    ]])
    assert.equal(2, select(2, out:gsub("it is the environment of COMMAND, and this program runs already", "")))
  end)

  it("leaves LISTEN_PID to the script, when that sets it", function()
    local out = script.run([[ reaper.configure { env = { LISTEN_PID = "7", LISTEN_FDS = false } } ]], {
      wrap = { "/bin/sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "sh" },
      command = { "sh", "-c", "echo $LISTEN_PID ${LISTEN_FDS-none}" } })
    assert.equal("7 none\n", out)
  end)
end)
