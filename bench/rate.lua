-- How fast on_reap is called once the events are there: BENCH_COUNT of them wait while on_start blocks.
local total = tonumber(os.getenv "BENCH_COUNT")
local count, first, sum = 0, nil, 0

function on_start()
  os.execute 'while [ ! -e "$BENCH_GO" ]; do sleep 0.05; done'
end

function on_reap(_, status, rusage)
  first = first or reaper.now()
  count = count + 1
  sum = sum + status.exit_code + rusage.utime + rusage.maxrss
  if count == total then
    print(("calls_per_s %.0f"):format(total / (reaper.now() - first)))
    os.remove(os.getenv "BENCH_GO")
  end
end
