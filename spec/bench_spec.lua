-- bench/run.lua with a launcher that measures nothing: what becomes of the figures, and of runs that have none.

-- What it prints, its exit code, and what it says on stderr; `launcher` (sh) takes the place of build/bench/start.
local function bench(scenarios, launcher)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local file = assert(io.open(folder .. "/start", "w"))
  file:write("#!/bin/sh\n", launcher)
  file:close()
  local pipe = io.popen(("chmod +x %s/start; BENCH_ROUNDS=2 lua5.4 bench/run.lua %s README.md %s 2>%s/err"):format(
    folder, folder, scenarios, folder))
  local out = pipe:read("a")
  local _, _, code = pipe:close()
  local err = io.open(folder .. "/err"):read("a")
  os.execute("rm -r " .. folder)
  return out, code, err
end

-- Each line of JSON is one table of names, whose values are texts and numbers.
local function check_json(out)
  local lines = 0
  for line in out:gmatch("\n({[^\n]*)") do
    local rest = line:gsub('"[%w_]+":"[^"]*"', "x"):gsub('"[%w_]+":%-?%d+%.%d+', "x")
    assert.matches("^{x[,x]*x}$", rest)
    assert.is_nil(rest:find(",[,}]"), line)
    lines = lines + 1
  end
  assert.is_true(lines > 0)
end

describe("the benchmark", function()
  it("misses a target that compares with peers where none has a figure, and tells each run without one", function()
    local out, code, err = bench("burst", [[
      case "$*" in *README.md*) echo "burst_ms 9.0" ;; *) echo "it is broken"; exit 1 ;; esac]])
    assert.matches("burst: burst, ratio to the best peer *none <= *1  MISSED", out)
    assert.matches("bare loop, burst 10000: no result: it is broken\n", err, 1, true)
    assert.are.equal(1, code)
    assert.matches('{"scenario":"burst","init":"bare loop"}\n', out, 1, true)
    check_json(out)
  end)

  it("shows the figures of the rounds that have some, though they have no ratio", function()
    local out = bench("burst", [[
      case "$*" in
        *limit*) mkdir "$0.limit" 2>/dev/null && exit 1; echo "burst_ms 5.0" ;;
        *README.md*) mkdir "$0.$#" 2>/dev/null || exit 1; echo "burst_ms 9.0" ;;
      esac]])
    assert.matches("\n    bare loop +5  x 1.00\n    reaper%-lua +9\n", out)
    assert.matches('{"scenario":"burst","init":"bare loop","burst_ms":5.000}\n', out, 1, true)
    check_json(out)
  end)
end)
