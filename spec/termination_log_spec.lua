-- --termination-log: why the container ended, in a file that is read when it has.

local uv = require "luv"
local container = require "spec.support.container"
local script_of = require("spec.support.services").script

local ARGS = { "--termination-log", "{folder}/end" }

-- Runs it to its end: what stands in the file, the exit code, stderr.
local function ended(options)
  options.args = options.args or ARGS
  local c = container.start(options)
  c:close_input()
  local code = c:wait()
  local stat = uv.fs_stat(c:file "end") -- to read a FIFO would not end
  return stat and stat.type == "file" and c:read "end", code, c:err(), c
end

describe("the termination log", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("has the exit code, and how COMMAND ended", function()
      assert.are.equal("exit code 3\nCOMMAND: exit 3\nthe stop began with the end of COMMAND\n",
        (ended { mode = mode, command = { "sh", "-c", "exit 3" }, args = { "--termination-log", "{folder}/end" } }))
    end)
  end)

  it("has the mapped code beside COMMAND's own", function()
    assert.are.equal("exit code 0\nCOMMAND: signal SIGKILL\nthe stop began with the end of COMMAND\n", (ended {
      args = { "-e", "137", "--termination-log", "{folder}/end" }, command = { "sh", "-c", "kill -KILL $$" },
    }))
  end)

  it("has the error, with its time, when COMMAND cannot be started", function()
    local text, code = ended { raw = { "--termination-log", "{folder}/end", "--", "/no/such" } }
    assert.are.equal(127, code)
    assert.matches("^exit code 127\nCOMMAND could not be started\nthe stop began with the end of COMMAND\n"
      .. 'the last error: %d+%-%d+%-%d+T[%d:.]+Z cannot run "/no/such": No such file or directory\n$', text)
  end)

  it("has the signal that began the stop", function()
    local c = container.start { args = ARGS, script = "function on_start() print 'up' end" }
    c:expect "up"
    c:kill "TERM"
    c:wait()
    assert.are.equal("exit code 0\nthe stop began with SIGTERM\n", c:read "end")
  end)

  it("has the service that failed for good, and why", function()
    local text, code = ended {
      script = script_of '{ name = "web", command = { "sh", "-c", "exit 4" }, restart = "never" }',
    }
    assert.are.equal(4, code)
    assert.matches("^exit code 4\nthe stop was asked for by the script\n"
      .. "the script: web: .*exit 4: it is not to be started again\n$", text)
  end)

  it("has why the script does not load, with its traceback", function()
    local text, code = ended { script = "local function f() error('böse') end\nf()" }
    assert.are.equal(125, code)
    assert.matches("^exit code 125\nthe script: the script does not load: [^\n]*hooks.lua:1: böse\n"
      .. "  stack traceback:\n    ", text)
  end)

  it("has why --restart gave up", function()
    local text = ended { raw = { "--termination-log", "{folder}/end", "--restart", "on-failure:1", "--", "false" } }
    assert.matches("\nthe script: COMMAND ended %(exit 1%) and stays so: ", text)
  end)

  it("has nothing of a successor that does not load", function()
    local c = container.start {
      args = ARGS, script = [[
        if io.open "{folder}/bad" then error "broken" end
        function on_start() print "up" end
      ]],
    }
    c:expect "up"
    io.open(c:file "bad", "w"):close()
    c:kill "HUP"
    c:until_true(function() return c:err():find "broken" end)
    c:kill "TERM"
    c:wait()
    assert.is_falsy(c:read("end"):find("the script:", 1, true))
  end)

  it("is set by the script, too", function()
    assert.matches("^exit code 0\nCOMMAND: exit 0\n", (ended {
      args = {}, script = "reaper.configure{ termination_log = '{folder}/end' }", command = { "true" },
    }))
  end)

  it("has at most 4,096 bytes, cut between characters, and nothing that a terminal obeys", function()
    local text = ended { script = "error('\\27[31m' .. ('ü'):rep(100000), 0)" }
    assert.is_true(#text <= 4096)
    assert.is_truthy(utf8.len(text))
    assert.is_truthy(text:find("\\x1b[31müüü", 1, true))
    text = ended {
      script = [[function on_stop() require "reaper.core".give_reason(("\27"):rep(2000)) end]],
      command = { "/no/such/" .. ("ü"):rep(600) },
    }
    assert.is_true(#text > 4000 and #text <= 4096)
    assert.matches("\nthe script: \\x1b[^\n]*…\n$", text)
    assert.is_truthy(utf8.len(text))
  end)

  it("replaces what the file had, and does not replace the file", function()
    local c = container.start { args = ARGS, files = { ["end"] = ("old\n"):rep(2000) }, command = { "true" },
      script = "" }
    local before = uv.fs_stat(c:file "end").ino
    c:wait()
    assert.matches("^exit code 0\n", c:read "end")
    assert.is_falsy(c:read("end"):find "old")
    assert.are.equal(before, uv.fs_stat(c:file "end").ino)
  end)

  it("is made with mode 644", function()
    local _, _, _, c = ended { command = { "true" }, script = "" }
    assert.are.equal(tonumber("644", 8), uv.fs_stat(c:file "end").mode & tonumber("777", 8) | tonumber("044", 8))
  end)

  it("is not touched before the end, nor by one that is killed", function()
    local c = container.start { args = ARGS, files = { ["end"] = "old" },
      script = "function on_start() print 'up' end" }
    c:expect "up"
    assert.are.equal("old", c:read "end")
    c:kill "KILL"
    c:wait()
    assert.are.equal("old", c:read "end")
  end)

  describe("that cannot be written is a warning, and the end is as ever:", function()
    local cases = {
      ["a symbolic link"] = { "ln -s target {folder}/end", "Too many levels of symbolic links" },
      ["a FIFO that nobody reads"] = { "mkfifo {folder}/end", "No such device or address" },
      ["a device"] = { "mknod {folder}/end c 1 3", "it is no regular file" },
      ["a directory"] = { "mkdir {folder}/end", "Is a directory" },
      ["a directory that is not there"] = { ":", "No such file or directory", "{folder}/none/end" },
    }
    for what, case in pairs(cases) do
      it(what, function()
        local _, code, err, c = ended {
          wrap = { "/bin/sh", "-c", case[1] .. '; exec "$@"', "sh" },
          args = { "--termination-log", case[3] or "{folder}/end" }, command = { "sh", "-c", "exit 5" },
        }
        assert.are.equal(5, code)
        assert.are.equal(("reaper-lua: warning: the termination log %s is not written: %s\n"):format(
          (case[3] or "{folder}/end"):gsub("{folder}", c.folder), case[2]), err)
      end)
    end
  end)

  it("is an absolute path that is not too long", function()
    for _, path in ipairs { "end", "", "./x", "/" .. ("x"):rep(95) } do
      local code, _, err = container.run { raw = { "--termination-log", path, "--", "true" } }
      assert.are.equal(125, code)
      assert.are.equal(('reaper-lua: --termination-log: "%s" is not an absolute path of at most 95 bytes\n')
        :format(path), err)
    end
    local _, err = ended { args = {}, script = "reaper.configure{ termination_log = 'end' }", command = { "true" } }
    assert.are.equal(125, err)
  end)
end)
