-- The script process is killed a hundred times under ten clients that give orders all the time. No order is done twice,
-- each that is told as done was done, and each that is told as not done was not.

local uv = require "luv"
local container = require "spec.support.container"
local control = require "spec.support.control"

local KILLS = 100
local CLIENTS = 10
local SECONDS = 60 -- at most, on a loaded machine; a quiet one needs a quarter of it

-- The first five clients order signals, whose effects are lines of "signals"; the others a command that adds a line to
-- a file of their own.
local function is_signaller(client)
  return client <= CLIENTS // 2
end

local function script_text()
  local list = {
    ([[{ name = "signals", command = { "%s", "signals" }, stdout = "{folder}/signals" }]]):format(container.helper),
  }
  for client = CLIENTS // 2 + 1, CLIENTS do
    list[#list + 1] = ([[{ name = "s%d", command = { "sleep", "1000" },
      reload = { exec = { "sh", "-c", "echo x >>{folder}/effects%d" } } }]]):format(client, client)
  end
  return ([[require "reaper.supervisor".run { %s }]]):format(table.concat(list, ",\n"))
end

-- A client adds a line to its log for each order: the exit code, and what was said. Every third order has little time,
-- so that some are given up.
local CLIENT = [[
n=0
while [ -d {folder} ] && ! [ -e {folder}/end ]; do
  n=$((n + 1))
  time=30
  [ $((n %% 3)) -ne 0 ] || time=0.05
  said=$(%s --ctl --pid %d -t $time %s 2>&1)
  echo "$? $said" >>{folder}/log%d
done
]]

local function order_of(client)
  return is_signaller(client) and ("signal RTMIN+%d signals"):format(client) or "reload s" .. client
end

local function start_clients(c)
  local left = CLIENTS
  for client = 1, CLIENTS do
    local text = CLIENT:gsub("{folder}", (c.folder:gsub("%%", "%%%%")))
    uv.spawn("/bin/sh", {
      args = { "-c", text:format(container.binary, c.pid, order_of(client), client) }, stdio = { nil, nil, 2 },
    }, function(code)
      assert(code == 0)
      left = left - 1
    end)
  end
  return function()
    io.open(c:file "end", "w"):close()
    c:until_true(function()
      uv.run "nowait"
      return left == 0
    end, 40, "the clients to end")
  end
end

local function script_processes(c)
  local list = {}
  for _, process in ipairs(c:processes()) do
    list[#list + 1] = process.comm == "reaper-script" and process or nil
  end
  return list
end

-- HUP loads the script at once where the next start would have to wait.
local function kill_again_and_again(c, deadline)
  local killed, count, naps = {}, 0, 0
  while count < KILLS and uv.hrtime() < deadline do
    for _, process in ipairs(script_processes(c)) do
      if not killed[process.nspid] then
        naps = (naps + 7) % 60 -- it comes to all kinds of moments of its life
        uv.sleep(naps)
        killed[process.nspid] = true
        count = count + 1
        c:kill("KILL", process.pid)
        c:kill "HUP"
      end
    end
    uv.sleep(1)
  end
  return count
end

-- What the client was told: done, not done, unknown.
local function told(c, client)
  local counts = { done = 0, ["not done"] = 0, unknown = 0 }
  for line in (c:read("log" .. client) or ""):gmatch "[^\n]+" do
    local what = line:find "^0 " and "done" or line:find "^4 .*: not known: " and "unknown"
      or line:find "^4 .*: not done: " and "not done" or line:find "^4 .*no script process has shown" and "not done"
    if not what then
      error("client " .. client .. " was told: " .. line)
    end
    counts[what] = counts[what] + 1
  end
  return counts
end

local function count(text, pattern)
  return select(2, (text or ""):gsub(pattern, ""))
end

local function effects(c, client)
  if is_signaller(client) then
    return count(c:read "signals", ("got %d\n"):format(34 + client))
  end
  return count(c:read("effects" .. client), "x\n")
end

describe("orders of ten clients", function()
  after_each(container.close_all)

  it("are done once at most, and as they are told, while the script process is killed a hundred times", function()
    local deadline = uv.hrtime() + SECONDS * container.slow * 1e9
    local c = container.start { script = script_text() }
    c:until_true(function()
      return (c:read "signals" or ""):find "ready"
    end, nil, "the services")
    control.see(c, "^ready", "ready")
    local finish = start_clients(c)
    assert.is_true(kill_again_and_again(c, deadline) >= KILLS)
    uv.sleep(200)
    finish()
    os.execute(("%s --ctl --pid %d signal RTMIN+29 signals >%s"):format(container.binary, c.pid, c:file "last"))
    c:until_true(function() -- all signals that were sent before have come
      return c:read "signals":find("got 63\n", 1, true)
    end, nil, "the last signal")
    local all = { done = 0, ["not done"] = 0, unknown = 0 }
    for client = 1, CLIENTS do
      local counts = told(c, client)
      local seen = effects(c, client)
      local report = ("client %d: %d effects, %d done, %d unknown, %d not done"):format(client, seen, counts.done,
        counts.unknown, counts["not done"])
      assert.is_true(seen >= counts.done and seen <= counts.done + counts.unknown, report)
      for what, number in pairs(counts) do
        all[what] = all[what] + number
      end
    end
    local enough = container.sanitized and 20 or 100 -- clients that are sanitized take long to start
    assert.is_true(all.done > enough, "only " .. all.done .. " orders were done")
  end)
end)
