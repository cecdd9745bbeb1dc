--- Checks how the files of src/ stand to each other:  layers.lua DIRECTORY-OF-OBJECTS
--
-- A file includes only headers of its own directory and of common/; main.c and library.c, which know both processes,
-- include all. And no two files of the engine or of the script process call each other in a circle, directly or by way
-- of others, as nm tells of their objects: who reads one file has to read only those that stand below it.
-- Ends with 1 after it has named what is wrong.

local directory = arg[1]
local failed = false

local function complain(...)
  io.stderr:write(string.format(...), "\n")
  failed = true
end

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  assert(pipe:close(), command)
  return lines
end

local sources = lines_of("find src -name '*.[ch]' | sort")
assert(#sources > 0, "there is no file in src/")

for _, path in ipairs(sources) do
  local home = path:match "^src/(.-)/" -- nil for main.c and library.c
  for line in io.lines(path) do
    local included = line:match '^#include "(.-)"'
    local from = included and included:match "^(.-)/"
    if included and not from then
      complain('%s: "%s" is included without its directory', path, included)
    elseif home and from and from ~= home and from ~= "common" then
      complain("%s: a file of %s/ may not include %s", path, home, included)
    end
  end
end

-- Names that are defined in each object, and those that it uses.
local home_of, uses = {}, {}
for _, path in ipairs(sources) do
  local object = path:match "^src/(.*)%.c$"
  local file = object and ("%s/%s.o"):format(directory, object)
  local exists = file and io.open(file)
  if exists then
    exists:close()
    uses[object] = {}
    for _, line in ipairs(lines_of("nm " .. file)) do
      local kind, name = line:match "(%a) ([%w_]+)$"
      if kind == "U" then
        table.insert(uses[object], name)
      elseif kind and kind:find "[TDBRV]" then
        home_of[name] = object
      end
    end
  end
end
assert(next(uses), "there is no object in " .. directory)

local calls = {}
for object, names in pairs(uses) do
  calls[object] = {}
  for _, name in ipairs(names) do
    local to = home_of[name]
    if to and to ~= object then
      calls[object][to] = calls[object][to] or name
    end
  end
end

-- The circles are the strongly connected parts (Tarjan, "Depth-first search and linear graph algorithms", 1972).
local index, lowest, on_stack, stack, count = {}, {}, {}, {}, 0

local function visit(object)
  count = count + 1
  index[object], lowest[object] = count, count
  stack[#stack + 1] = object
  on_stack[object] = true
  for to in pairs(calls[object]) do
    if not index[to] then
      visit(to)
      lowest[object] = math.min(lowest[object], lowest[to])
    elseif on_stack[to] then
      lowest[object] = math.min(lowest[object], index[to])
    end
  end
  if lowest[object] < index[object] then
    return
  end
  local circle = {}
  repeat
    local member = table.remove(stack)
    on_stack[member] = nil
    circle[#circle + 1] = member
  until member == object
  if #circle > 1 then
    table.sort(circle)
    complain("these %d files call each other in a circle: %s", #circle, table.concat(circle, ", "))
    for _, from in ipairs(circle) do
      for _, to in ipairs(circle) do
        if calls[from][to] then
          complain("    %s calls %s of %s", from, calls[from][to], to)
        end
      end
    end
  end
end

local all = {}
for object in pairs(calls) do
  all[#all + 1] = object
end
table.sort(all)
for _, object in ipairs(all) do
  if not index[object] then
    visit(object)
  end
end

os.exit(not failed)
