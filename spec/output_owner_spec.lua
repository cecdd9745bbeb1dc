-- Who owns the outputs of a process that runs as another user: whether it can open /dev/stdout and its like.

local container = require "spec.support.container"
local script = require "spec.support.script"

describe("the pipes of a child of another user", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("can be opened by it", function()
      assert.equal("out\nerr\n", script.printed([[
        local child = assert(reaper.spawn { "sh", "-c", "echo out >/dev/stdout; read line </dev/stdin; echo $line >&2",
          user = 65534, stdin = "pipe", stdout = "pipe", stderr = function(line) print(line) end })
        print(child.stdout:read())
        child.stdin:write("err\n")
        child:wait()
        reaper.sleep(0.01)
      ]], { mode = mode }))
    end)
  end)

  it("can be opened by a service of another user, for both outputs", function()
    local out, err = script.run([[require "reaper.supervisor".run { {
      name = "a", command = { "sh", "-c", "echo 1 >/dev/stdout; echo 2 >/dev/stderr" }, user = "65534:65534",
      restart = "no", stdout = reaper.log.lines "a", stderr = reaper.log.lines("a", "stderr") } }]])
    assert.same({ "a: 1\n", "a: 2\n" }, { out, err })
  end)

  it("are the only ones that change their owner: what is inherited keeps it", function()
    local _, err, code = script.run(script.on_start([[
      local function owner(options)
        local _, _, output = reaper.run { "stat", "-L", "-c", "%u", options.path, user = options.user,
          fds = { [3] = 1 }, capture = true }
        return output
      end
      reaper.run { "true", user = 65534 }
      assert(owner { path = "/dev/fd/1", user = 65534 } == "65534\n")
      assert(owner { path = "/dev/fd/1", user = 0 } == "0\n")
      assert(owner { path = "/dev/fd/3", user = 65534 } == "0\n")
    ]]), { wrap = { "/bin/bash", "-c", 'exec "$@" > >(exec cat >{folder}/got)', "bash" } })
    assert.same({ "", 0 }, { err, code })
  end)

  it("are used without them where this is not permitted", function()
    assert.equal("one\n", script.printed([[
      reaper.run { "echo", "one", user = 65534, stdout = print }
      reaper.sleep(0.01)
    ]], { wrap = { "setpriv", "--bounding-set", "-chown", "--" } }))
  end)
end)

describe("COMMAND of another user", function()
  after_each(container.close_all)

  -- What it wrote into the pipe that its stdout is, after it has tried to open that.
  local function written(mode, sink)
    local c = container.start { mode = mode, args = { "-u", "65534" },
      wrap = { "/bin/bash", "-c", ('cd {folder}; %s'):format(sink), "bash" },
      command = { "/bin/sh", "-c", "echo opened >/dev/stdout; echo end; exec sleep 1000" } }
    return c:until_true(function()
      return (c:read("got") or ""):match "^(.*)end\n$"
    end, nil, "what COMMAND has written")
  end

  local PIPE = 'exec "$@" > >(exec cat >got)'

  it("can open the pipes that process 1 has inherited", function()
    assert.equal("opened\n", written("init", PIPE))
  end)

  it("cannot open those of a reaper-lua that is not process 1, since they are others', too", function()
    assert.equal("", written("subreaper", PIPE))
  end)

  it("cannot open a FIFO with a name, which keeps its owner", function()
    assert.equal("", written("init", 'mkfifo -m 600 fifo; cat fifo >got & exec "$@" >fifo'))
  end)
end)
