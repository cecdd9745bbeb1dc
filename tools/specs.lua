-- Runs spec files, so many at once, each in a process of its own:  specs.lua JOBS BUSTED FILE-OR-FOLDER…
-- What a file has printed is shown when it is over; the last line sums up. Ends with 0 when all have passed.

local uv = require "luv"

local jobs, busted = math.tointeger(tonumber(arg[1])) or 1, arg[2]

local function spec_files(paths)
  local files = {}
  for _, path in ipairs(paths) do
    local folder = uv.fs_scandir(path)
    local name = folder and uv.fs_scandir_next(folder)
    if not folder then
      files[#files + 1] = path
    end
    while name do
      files[#files + 1] = name:find "_spec%.lua$" and path .. "/" .. name or nil
      name = uv.fs_scandir_next(folder)
    end
  end
  return files
end

-- What measures time is run when nothing else is.
local function is_alone(file)
  return file:find "flat_spec%.lua$" ~= nil
end

-- The longest first, so that none is left alone at the end. Long files mostly take long.
local function by_size(files)
  local size = {}
  for _, file in ipairs(files) do
    size[file] = (uv.fs_stat(file) or { size = 0 }).size
  end
  table.sort(files, function(a, b)
    if is_alone(a) ~= is_alone(b) then
      return is_alone(b)
    end
    return size[a] > size[b]
  end)
  return files
end

local waiting = by_size(spec_files(table.move(arg, 3, #arg, 1, {})))
local passed, failed, pending, running = 0, 0, 0, 0

local start

local function ended(file, text, code)
  local body, good, bad = text:match "^(.-)\n*(%d+) passed, (%d+) failed\n*$"
  if body then
    passed, failed = passed + good, failed + bad
    pending = pending + (body:match "\n(%d+) pending$" or 0)
  end
  if not body or (code ~= 0) ~= (bad ~= "0") then
    body, failed = ("%s\n%s ended with %d before its end"):format(text, file, code), failed + 1
  end
  io.stdout:write(body, "\n")
  io.stdout:flush()
  running = running - 1
  start()
end

function start()
  local file = waiting[1]
  if not file or (is_alone(file) and running > 0) then
    return
  end
  table.remove(waiting, 1)
  running = running + 1
  local ends, pipe, parts, open, code = uv.pipe(), uv.new_pipe(), {}, 2, nil
  local function closed()
    open = open - 1
    if open == 0 then
      pipe:close()
      ended(file, table.concat(parts), code)
    end
  end
  assert(uv.spawn("lua5.4", { args = { busted, file }, stdio = { 0, ends.write, ends.write } }, function(status, signal)
    code = signal ~= 0 and 128 + signal or status
    closed()
  end))
  uv.fs_close(ends.write)
  pipe:open(ends.read)
  pipe:read_start(function(_, bytes)
    parts[#parts + 1] = bytes
    if not bytes then
      closed()
    end
  end)
end

for _ = 1, jobs do
  start()
end
uv.run()

print(pending > 0 and ("\n%d pending"):format(pending) or "")
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0)
