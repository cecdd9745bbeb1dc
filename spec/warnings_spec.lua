-- What will make the container fail before long is said once: the limit of processes is near, zombies pile up.

local container = require "spec.support.container"
local control = require "spec.support.control"

local function count(text, plain)
  local found, at = 0, text:find(plain, 1, true)
  while at do
    found, at = found + 1, text:find(plain, at + 1, true)
  end
  return found
end

local function make(folder, files)
  for path, text in pairs(files) do
    assert(os.execute(("mkdir -p %s"):format((folder .. path):match "^(.*)/")))
    local file <close> = assert(io.open(folder .. path, "w"))
    file:write(text)
  end
end

describe("the limit of processes", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
  end)

  after_each(function()
    os.execute("rm -rf " .. folder)
  end)

  -- The steps in which it was said, and with which numbers.
  local function told(files, current, ...)
    make(folder, files)
    local pipe = io.popen(("build/warnings-cases %s %s%s %s 2>&1"):format(folder, folder, current,
      table.concat({ ... }, " ")))
    local said, found = nil, {}
    for line in pipe:lines() do
      local used, limit = line:match
        "^reaper%-lua: warning: the cgroup has (%d+) of the (%d+) processes and threads that it may have %(pids.max%)$"
      if used then
        said = used .. "/" .. limit
      else
        assert.is_truthy(line:find "^%w+:", line)
        found[#found + 1] = said and line .. " " .. said or nil
        said = nil
      end
    end
    assert(pipe:close())
    return found
  end

  local V2 = { ["/proc/self/cgroup"] = "0::/g\n", ["/sys/fs/cgroup/g/pids.max"] = "100\n" }

  it("is looked at after five seconds, then once a minute, and said once", function()
    assert.are.same({ "66:90 90/100" },
      told(V2, "/sys/fs/cgroup/g/pids.current", "0:99", "5:89", "6:99", "64:99", "66:90", "150:99", "300:100"))
  end)

  it("is said again only after it was well below", function()
    assert.are.same({ "5:95 95/100", "500:91 91/100" },
      told(V2, "/sys/fs/cgroup/g/pids.current", "5:95", "100:80", "200:92", "300:75", "400:74", "500:91", "600:95"))
  end)

  it("is looked at when no process was to be had", function()
    assert.are.same({ "shortage:100 100/100" },
      told(V2, "/sys/fs/cgroup/g/pids.current", "5:10", "2:100", "shortage:100", "shortage:100"))
  end)

  it("is found in version 1, also where the group is the root that is to be seen", function()
    assert.are.same({ "5:10 10/10" }, told({
      ["/proc/self/cgroup"] = "9:memory:/pids\n8:cpu,pids:/docker/1\n0::/\n", ["/sys/fs/cgroup/pids/pids.max"] = "10\n",
    }, "/sys/fs/cgroup/pids/pids.current", "5:10"))
  end)

  it("is nothing to be said of where there is none, or nonsense", function()
    for _, limit in ipairs { "max", "", "-1", "0", "many" } do
      assert.are.same({}, told({ ["/proc/self/cgroup"] = "0::/g\n", ["/sys/fs/cgroup/g/pids.max"] = limit .. "\n" },
        "/sys/fs/cgroup/g/pids.current", "5:1000000", "100:9223372036854775807"), limit)
    end
    assert.are.same({}, told({ ["/proc/self/cgroup"] = "x", ["/sys/fs/cgroup/g/y"] = "" },
      "/sys/fs/cgroup/g/pids.current", "5:1000000"))
  end)
end)

-- A group is bound over /sys/fs/cgroup in the container's own mount namespace.
local function start_below(limit, used, options)
  options.files = { ["pids.max"] = limit .. "\n", ["pids.current"] = used .. "\n" }
  options.wrap = { "/bin/sh", "-c", [[
    set -e
    mkdir {folder}/cgroup {folder}/cgroup/pids
    cp {folder}/pids.max {folder}/pids.current {folder}/cgroup
    cp {folder}/pids.max {folder}/pids.current {folder}/cgroup/pids
    mount --make-rprivate /
    mount --bind {folder}/cgroup /sys/fs/cgroup
    exec "$@"
  ]], "sh" }
  return container.start(options)
end

-- Turns that happen anyway, until it was said.
local function expect_said(c, text)
  c:until_true(function()
    c:kill "WINCH"
    return c:err():find(text, 1, true)
  end, nil, text)
end


describe("process 1", function()
  after_each(container.close_all)

  it("says that the limit is near, and shows it", function()
    local c = start_below(100, 95, { raw = { "--", "sleep", "1000" } })
    expect_said(c, "the cgroup has 95 of the 100 processes and threads that it may have (pids.max)\n")
    local _, out = control.inside(c, {}, "metrics")
    assert.is_truthy(out:find("\nreaper_pids_limit 100\n", 1, true))
    for _ = 1, 100 do
      c:kill "WINCH"
    end
    assert.are.equal(1, count(c:err(), "pids.max"))
  end)

  it("says which process does not reap its dead, once", function()
    local c = container.start {
      script = "local list = {} function on_start() for i = 1, 120 do list[i] = io.popen 'exit 0' end print 'up' end",
      command = { "sleep", "1000" },
    }
    c:expect "up"
    local parent = c:find "reaper-script"
    expect_said(c, ("warning: 120 dead processes are not reaped by their parents, such as process %d (%s); ")
      :format(parent.nspid, parent.comm))
    local _, out = control.inside(c, {}, "metrics")
    assert.is_truthy(out:find("\nreaper_zombies 120\n", 1, true))
    for _ = 1, 100 do
      c:kill "WINCH"
    end
    assert.are.equal(1, count(c:err(), "dead processes"))
  end)

  it("does not wake for that", function()
    local c = container.start { raw = { "--", "sleep", "1000" } }
    c:until_true(function()
      return control.run(c, "ready") == 0
    end)
    local function switches()
      return tonumber(container.read_file(("/proc/%d/status"):format(c.pid)):match "\nvoluntary_ctxt_switches:%s*(%d+)")
    end
    local before = switches()
    os.execute "sleep 5.5" -- it would have looked after five
    assert.are.equal(before, switches())
  end)
end)
