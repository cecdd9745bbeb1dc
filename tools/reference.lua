--- Prints the reference page that types files make, in their order:
--   lua5.4 tools/reference.lua TYPES… > doc/REFERENCE.md

local annotations = dofile((arg[0]:gsub("reference%.lua$", "annotations.lua")))

local page -- what the types file says
local home = {} -- item → its section
local lines = {}

local function put(...)
  lines[#lines + 1] = table.concat { ... }
end

-- Pieces of Markdown.

local function code(text)
  return "`" .. text .. "`"
end

-- GitHub's name for a heading.
local function anchor(heading)
  return "#" .. heading:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-")
end

-- A type, with a link to the first class or alias in it. Aliases have no heading of their own.
local function type_text(text)
  for name in text:gmatch("[%a_][%w_.]*") do
    local item = page.items[name]
    if item and (item.kind == "class" or item.kind == "alias") then
      return ("[%s](%s)"):format(code(text), anchor(item.kind == "class" and name or home[item].title))
    end
  end
  return code(text)
end

-- "a, b[, c[, d]]"
local function parameters(params)
  local text, open = "", 0
  for i, param in ipairs(params) do
    local comma = i > 1 and ", " or ""
    open = open + (param.optional and 1 or 0)
    text = text .. (param.optional and "[" or "") .. comma .. param.name
  end
  return text .. ("]"):rep(open)
end

-- A row of a table: no newline and no bar.
local function put_row(...)
  local cells = table.pack(...)
  for i = 1, cells.n do
    cells[i] = cells[i]:gsub("\n", " "):gsub("|", "\\|")
  end
  put("| ", table.concat(cells, " | "), " |")
end

local function put_head(...)
  put_row(...)
  put("|", (" --- |"):rep(select("#", ...)))
end

local function name_text(value)
  return code(value.name .. (value.optional and "?" or ""))
end

-- Items.

local function title_of(item)
  if item.kind ~= "function" then
    return item.name
  end
  return ("%s(%s)"):format(item.name, parameters(item.params))
end

local put_item = {}

put_item["function"] = function(item)
  put("### ", code(title_of(item)), "\n\n", item.text, item.async and " *Waits.*" or "", "\n")
  for _, param in ipairs(item.params) do
    put("* ", name_text(param), " ", type_text(param.type), ": ", param.text)
  end
  local results = {}
  for i, result in ipairs(item.returns) do
    results[i] = name_text(result) .. " " .. type_text(result.type)
      .. (result.text ~= "" and " (" .. result.text .. ")" or "")
  end
  if results[1] then
    put("* gives ", table.concat(results, ", "))
  end
  if item.params[1] or results[1] then
    put()
  end
end

function put_item.class(item)
  local parents = {}
  for i, parent in ipairs(item.parents) do
    parents[i] = type_text(parent)
  end
  put("### ", code(item.name), "\n\n", item.text, "\n")
  if parents[1] then
    put("All of ", table.concat(parents, " and "), item.fields[1] and ", and:" or ".", "\n")
  end
  if item.fields[1] then
    put_head("field", "type", "")
    for _, field in ipairs(item.fields) do
      put_row(name_text(field), type_text(field.type), field.text)
    end
    put()
  end
end

-- Those of which several make one table: the head of its first column.
local column = { alias = "name", constant = "constant" }

function put_item.alias(item)
  put_row(code(item.name), code(item.type), item.text)
end

function put_item.constant(item)
  put_row(code(item.name), code(("%#x"):format(item.value)), item.text)
end

local function put_items(items)
  for i, item in ipairs(items) do
    local head = column[item.kind]
    if head and (i == 1 or items[i - 1].kind ~= item.kind) then
      put_head(head, item.kind == "alias" and "type" or "value", "")
    end
    put_item[item.kind](item)
    if head and (i == #items or items[i + 1].kind ~= item.kind) then
      put()
    end
  end
end

-- The page.

local function put_contents()
  put("Sections:\n")
  for _, section in ipairs(page.sections) do
    local names = {}
    for i, item in ipairs(section.items) do
      names[i] = code(item.name)
    end
    if names[1] then
      put(("* [%s](%s): %s"):format(section.title, anchor(section.title), table.concat(names, ", ")))
    end
  end
  put()
end

local function put_section(section)
  put(("#"):rep(section.level), " ", section.title)
  put(table.concat(section.text, "\n"), section.text[1] and "\n" or "")
  put_items(section.items)
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local function main(...)
  local files = {}
  for i, path in ipairs { ... } do
    files[i] = { read(path), path }
  end
  page = annotations.read(table.unpack(files))
  for _, section in ipairs(page.sections) do
    for _, item in ipairs(section.items) do
      home[item] = section
    end
  end
  for i, section in ipairs(page.sections) do
    put_section(section)
    if i == 1 then
      put_contents()
    end
  end
  io.write((table.concat(lines, "\n"):gsub("\n*$", "\n")))
end

local ok, message = pcall(main, ...)
if not ok then
  io.stderr:write(message, "\n")
  os.exit(1)
end
