-- Where the kernel or a sandbox refuses what spawning is built on, the older ways do.

local container = require "spec.support.container"

local sandbox = container.helper:gsub("spec%-helper$", "spec-sandbox")

local SCRIPT = [[
function on_start(_, again)
  if again then
    return
  end
  local child, message = reaper.spawn{ "sh", "-c", "sleep 0.1; exit 7", name = "short" }
  print("spawned", message or child.name)
  print("waited", child:wait())
  print("failed", select(2, reaper.spawn{ "/does/not/exist" }))
  local long = reaper.spawn{ "sleep", "1000", name = "long" }
  print("parent", io.open("/proc/" .. long.pid .. "/stat"):read("a"):match("%) %a (%d+)"), long:alive())
  print("killed", long:kill("TERM"))
  print("ended", tostring(long:wait()))
  print("again", select(3, long:kill("TERM")), long:alive())
  for i = 1, 20 do
    local status = reaper.run{ "sh", "-c", "exit " .. i }
    if status.code ~= i then print("wrong", i, status) end
  end
  print("done")
end
function on_reap(pid, status, _, info) print("reaped", info.name, tostring(status), info.orphan) end
]]

describe("spawning", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    for what, promise in pairs {
      ["clone-parent"] = "works by a double fork where CLONE_PARENT is refused",
      pidfd = "works without pidfds",
    } do
      it(promise, function()
        local c = container.start { mode = mode, wrap = { sandbox, what, "--" }, script = SCRIPT,
          command = { "sleep", "1000" } }
        c:expect("\ndone\n")
        local out = c:out()
        assert.truthy(out:find("spawned\tshort\n", 1, true), out)
        assert.truthy(out:find("reaped\tshort\texit 7\tfalse\n", 1, true), out)
        assert.truthy(out:find("waited\texit 7\t", 1, true), out)
        assert.truthy(out:find('failed\tcannot run "/does/not/exist": No such file', 1, true), out)
        assert.truthy(out:find("parent\t" .. c.nspid .. "\ttrue\n", 1, true), out)
        assert.truthy(out:find("killed\ttrue\n", 1, true), out)
        assert.truthy(out:find("ended\tsignal SIGTERM\n", 1, true), out)
        assert.truthy(out:find("again\t3\tfalse\n", 1, true), out)
        assert.is_nil(out:find("wrong", 1, true), out)
        assert.is_nil(out:find("exit 127", 1, true), "a child whose exec failed is not told")
        c:kill("TERM")
        assert.equal(143, c:wait())
      end)
    end
  end)
end)
