-- Sums up what lcov has captured:  coverage.lua INFO LEAST UNCOVERED
-- Prints the lines and branches of each file of src/ that were run, the worst first, and writes FILE:LINE-LINE of what
-- was not run, with its text, to UNCOVERED. Ends with 1 when less than LEAST percent of the lines were run.

local info, least, uncovered = arg[1], tonumber(arg[2]), arg[3]

-- A file stands in the capture once for each object that it was compiled into. What ran in one of them has run.
local function read_info(path)
  local files, file = {}, nil
  for line in io.lines(path) do
    local key, value = line:match "^(%u+):(.*)$"
    if key == "SF" then
      local name = value:match "/(src/.+)$" -- not the system's headers
      files[name or 0] = files[name or 0] or { name = name, lines = {}, branches = {} }
      file = files[name or 0]
    elseif key == "DA" then
      local number, count = value:match "^(%d+),(%d+)"
      number = math.tointeger(number)
      file.lines[number] = file.lines[number] or count ~= "0"
    elseif key == "BRDA" then
      local branch, taken = value:match "^(.*),(.-)$"
      file.branches[branch] = file.branches[branch] or (taken ~= "-" and taken ~= "0")
    end
  end
  files[0] = nil
  return files
end

local function percent(part, whole)
  return whole == 0 and 100 or 100 * part / whole
end

local function count(flags)
  local all, set = 0, 0
  for _, flag in pairs(flags) do
    all, set = all + 1, set + (flag and 1 or 0)
  end
  return all, set
end

local function row_of(file)
  local lines, lines_run = count(file.lines)
  local branches, branches_run = count(file.branches)
  return { name = file.name, lines = lines, lines_run = lines_run, branches = branches, branches_run = branches_run }
end

local function print_row(row)
  print(("%-20s lines %5.1f %% (%4d of %4d)   branches %5.1f %% (%4d of %4d)"):format(row.name,
    percent(row.lines_run, row.lines), row.lines_run, row.lines,
    percent(row.branches_run, row.branches), row.branches_run, row.branches))
end

-- Lines without code between two that were not run belong to their range.
local function write_uncovered(output, file)
  local text, first, last = {}, nil, nil
  local function write_range()
    if first then
      output:write(file.name, ":", first, last > first and "-" .. last or "", "\n")
      output:write("    ", table.concat(text, "\n    ", first, last), "\n")
    end
    first = nil
  end
  for line in io.lines(file.name) do
    text[#text + 1] = line
    local run = file.lines[#text]
    if run then
      write_range()
    elseif run == false then
      first, last = first or #text, #text
    end
  end
  write_range()
end

local rows, total = {}, { name = "all", lines = 0, lines_run = 0, branches = 0, branches_run = 0 }
local output = assert(io.open(uncovered, "w"))
for _, file in pairs(read_info(info)) do
  local row = row_of(file)
  row.file = file
  rows[#rows + 1] = row
  for _, key in ipairs { "lines", "lines_run", "branches", "branches_run" } do
    total[key] = total[key] + row[key]
  end
end
table.sort(rows, function(a, b)
  local of_a, of_b = percent(a.lines_run, a.lines), percent(b.lines_run, b.lines)
  return of_a < of_b or (of_a == of_b and a.name < b.name)
end)
for _, row in ipairs(rows) do
  print_row(row)
  write_uncovered(output, row.file)
end
output:close()
print_row(total)
print("what was not run: " .. uncovered)
local reached = percent(total.lines_run, total.lines)
if reached < least then
  print(("%.1f %% of the lines were run, at least %g %% are asked for"):format(reached, least))
  os.exit(1)
end
