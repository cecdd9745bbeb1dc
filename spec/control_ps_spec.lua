-- reaperctl ps: the processes, by service.

local container = require "spec.support.container"
local control = require "spec.support.control"
local services = require "spec.support.services"

local _, start = services.below 'local supervisor = require "reaper.supervisor"\n'

-- The words of each line of the table, without the headings, and the headings.
local function table_of(out)
  local rows, headings = {}, nil
  for line in out:gmatch "[^\n]+" do
    local words = {}
    for word in line:gmatch "%S+" do
      words[#words + 1] = word
    end
    if not headings then
      headings = words
    else
      local row = {}
      for i, heading in ipairs(headings) do
        row[heading] = words[i]
      end
      rows[#rows + 1] = row
    end
  end
  return rows, headings
end

-- A container that has just begun has not shown itself yet.
local function rows_of(c, wrap)
  local code, out, err
  c:until_true(function()
    code, out, err = control.inside(c, wrap or {}, "ps")
    return code == 0
  end, nil, "reaperctl ps")
  assert.equal("", err)
  assert.equal(0, code)
  return table_of(out)
end

-- "service command" of each row but for what looks, in their order.
local function summary(rows)
  local list = {}
  for _, row in ipairs(rows) do
    local is_own = row.COMMAND == container.comm and row.SERVICE == "-" or row.COMMAND == "reaperctl"
    list[#list + 1] = not is_own and row.SERVICE .. " " .. row.COMMAND or nil
  end
  return list
end

-- Waits until the table says that.
local function until_summary(c, wanted)
  local seen
  c:until_true(function()
    seen = table.concat(summary(rows_of(c)), "\n")
    return seen == table.concat(wanted, "\n")
  end, 10, table.concat(wanted, ", "))
end

local function find(rows, service, command)
  for _, row in ipairs(rows) do
    if row.SERVICE == service and row.COMMAND == command then
      return row
    end
  end
end

describe("reaperctl ps", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("shows whose each process is", function()
      local c = start(
        services.shell("web", "sleep 100 & setsid sleep 101 & exec env -u REAPER_NAME sleep 102")
          .. services.shell("work", "(setsid sleep 103 &); exec sleep 104"),
        { mode = mode, command = { "/bin/sh", "-c", "sleep 105; true" } })
      until_summary(c, {
        "web sleep", "web sleep", "web sleep", "work sleep", "work sleep", "main sh", "main sleep",
        "(engine) " .. container.comm, "(script) reaper-script",
      })
      local rows, headings = rows_of(c)
      assert.same({ "SERVICE", "PID", "PPID", "USER", "STATE", "CPU", "MEM", "AGE", "COMMAND" }, headings)
      local engine, main, child = find(rows, "(engine)", container.comm), find(rows, "main", "sh"),
        find(rows, "main", "sleep")
      assert.equal(tostring(c.nspid), engine.PID)
      assert.equal(engine.PID, main.PPID)
      assert.equal(main.PID, child.PPID)
      assert.equal("S", child.STATE)
      assert.equal("root", child.USER)
      assert.truthy(child.MEM:find "^[%d.]+[KM]$")
    end)

    it("shows what belongs to nobody, and what a service leaves behind", function()
      local c = start(services.shell("once", "sleep 100 & exit 0", 'oneshot = true, stop = { rest = "leave" }'), {
        mode = mode, command = { "sleep", "101" },
      })
      local entered = assert(io.popen(("exec nsenter -t %d -p -m sleep 102"):format(c.pid)))
      c:until_true(function()
        local rows = rows_of(c)
        local orphan, shell = find(rows, "once", "sleep") or find(rows, "-", "sleep"), nil
        for _, row in ipairs(rows) do
          shell = row.SERVICE == "-" and row.PPID == "0" and row.COMMAND == "sleep" and row or shell
        end
        return orphan and (mode == "subreaper" or shell)
      end, 10, "an orphan, and a process that came from outside")
      c:close()
      entered:close()
    end)
  end)

  it("shows the processes of a service of that name also when it is called from one of them", function()
    local c = start(services.sleeper "web", { command = { "sleep", "101" } })
    until_summary(c, { "web sleep", "main sleep", "(engine) " .. container.comm, "(script) reaper-script" })
    local rows = rows_of(c, { "env", "REAPER_NAME=web" })
    assert.truthy(find(rows, "web", "sleep"))
  end)

  it("counts what has been computed", function()
    local c = start(services.shell("busy", "while :; do :; done"))
    c:until_true(function()
      local row = find(rows_of(c), "busy", "sh")
      return row and tonumber(row.CPU) and tonumber(row.CPU) > 0.1 and row.STATE == "R"
    end, 10, "CPU time")
  end)

  it("shows zombies, and no command lines", function()
    local c = container.start{ command = { "sh", "-c", "sleep 0 & exec sleep 103" } }
    c:until_true(function()
      local row = find(rows_of(c), "-", "sleep")
      return row and row.STATE == "Z"
    end, 10, "a zombie")
    local _, out = control.inside(c, {}, "ps", "--json")
    assert.falsy(out:find("103", 1, true))
    assert.truthy(out:find '^{"v":1,"processes":%[{"service":"main","pid":%d+,"ppid":%d+,"uid":0,"state":"S",')
    assert.truthy(out:find('"role":"engine","pid":' .. c.nspid, 1, true))
  end)

  it("has to be called inside of the container", function()
    local c = container.start{ command = { "sleep", "103" } }
    local code, out, err
    control.see(c, "", "status")
    code, out, err = control.run(c, "ps")
    assert.equal(3, code)
    assert.equal("", out)
    assert.equal("reaperctl: ps: its processes are those of another PID namespace: call reaperctl inside of the "
      .. "container\n", err)
  end)
end)
