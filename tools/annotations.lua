--- Reads types files: the part of LuaLS's annotations that those of lua/reaper/types/ use.
-- All else is an error with its line, and so are a type that nothing declares, a @param that is not the function's, and
-- a missing description. LuaLS itself says less: it takes what it does not know for a comment.

local annotations = {}

-- `page` is what has been read so far: page.block since the last blank line or line of code, page.rest what is left of
-- the line.

local builtin = {}
for name in ("any nil boolean true false string number integer function table file*"):gmatch("%S+") do
  builtin[name] = true
end

local function fail(page, why, ...)
  error(("%s:%d: %s"):format(page.file, page.line, why:format(...)), 0)
end

-- Takes the pattern from what is left of the line, if it comes next; `what` says that it has to.
local function take(page, pattern, what)
  local taken, rest = page.rest:match("^%s*(" .. pattern .. ")(.*)$")
  if not taken and what then
    fail(page, "%s expected at '%s'", what, page.rest)
  end
  page.rest = rest or page.rest
  return taken
end

local function take_list(page, take_one)
  repeat
    take_one(page)
  until not take(page, ",")
end

local function take_rest(page)
  return (take(page, ".*"):gsub("%s+$", ""))
end

-- Types.

local take_type

local function take_parameter(page)
  take(page, "[%a_][%w_]*%??%s*:", "a parameter with its type")
  take_type(page)
end

local function take_function(page)
  if not take(page, "%(%s*%)") then
    take(page, "%(", "'('")
    take_list(page, take_parameter)
    take(page, "%)", "')'")
  end
  if take(page, ":") then
    take_list(page, take_type)
  end
end

local function take_name(page)
  local name = take(page, "[%a_][%w_.*-]*", "a type")
  if name == "fun" or name == "async" and take(page, "fun", "'fun'") then
    return take_function(page)
  end
  table.insert(page.uses, { name = name, file = page.file, line = page.line })
  if take(page, "<") then
    take_list(page, take_type)
    take(page, ">", "'>'")
  end
end

function take_type(page)
  local before = page.rest
  repeat
    if not take(page, '"[^"]*"') then
      take_name(page)
    end
    take(page, "%[%]")
  until not take(page, "|")
  take(page, "%?")
  return before:sub(1, #before - #page.rest):match("^%s*(.*)$")
end

-- What is declared.

-- The comment lines that wait for what they describe.
local function take_text(page)
  local text = table.concat(page.block.text, "\n")
  page.block.text = {}
  return text:find("%S") and text or fail(page, "a description is missing")
end

local function declare(page, kind, name, item)
  if page.items[name] then
    fail(page, "'%s' is declared twice", name)
  end
  item.kind, item.name = kind, name
  page.items[name] = item
  table.insert((page.section or fail(page, "no section has begun")).items, item)
  return item
end

-- Name, type and text of a field or parameter.
local function take_value(page)
  local name = take(page, "%.%.%.") or take(page, "%[?[%a_][%w_]*%]?", "a name")
  return { name = name, optional = take(page, "%?") ~= nil, type = take_type(page), text = take_rest(page) }
end

local tags = {}

function tags.meta(page)
  page.module = take_rest(page)
end

function tags.class(page)
  local name = take(page, "[%a_][%w_.]*", "a name")
  local class = declare(page, "class", name, { text = take_text(page), fields = {}, parents = {}, methods = {} })
  page.block.class = class
  if take(page, ":") then
    take_list(page, function()
      table.insert(class.parents, take_type(page))
    end)
  end
end

-- The text of a field may stand above it.
function tags.field(page)
  local class, field = page.block.class or fail(page, "a field without a class"), take_value(page)
  field.text = field.text ~= "" and field.text or take_text(page)
  table.insert(class.fields, field)
end

function tags.alias(page)
  local name = take(page, "[%a_][%w_.]*", "a name")
  declare(page, "alias", name, { text = take_text(page), type = take_type(page) })
end

function tags.param(page)
  local param = take_value(page)
  table.insert(page.block.params, param.text ~= "" and param or fail(page, "a description is missing"))
end

tags["return"] = function(page)
  table.insert(page.block.returns,
    { type = take_type(page), name = take(page, "[%a_][%w_]*", "a name"), text = take_rest(page) })
end

function tags.overload(page)
  table.insert(page.block.overloads, take_type(page))
end

function tags.async(page)
  page.block.async = true
end

function tags.type(page)
  page.block.type = take_type(page)
end

-- Lines.

local function end_block(page)
  local left = page.block
  if left and (left.text[1] or left.params[1] or left.returns[1] or left.overloads[1] or left.async or left.type) then
    fail(page, "what stands above describes nothing")
  end
  page.block = { text = {}, params = {}, returns = {}, overloads = {} }
end

local function read_function(page, name, words)
  local block, given = page.block, {}
  for i, param in ipairs(block.params) do
    given[i] = param.name
  end
  if table.concat(given, ", ") ~= words then
    fail(page, "the parameters are (%s), but @param says (%s)", words, table.concat(given, ", "))
  end
  block.text = take_text(page)
  declare(page, "function", name, block)
  local variable, method = name:match("^([%w_]+):([%w_]+)$")
  if variable then
    local class = page.variables[variable] or fail(page, "'%s' is no class", variable)
    class.methods[method] = block
  end
  page.block = nil
end

-- What a line of code declares is described by the block above it.
local function read_code(page, line)
  local block = page.block
  local name, words = line:match("^function ([%w_.:]+)%(([%w_, .]*)%) end$")
  local constant, value = line:match("^([%w_]+%.[%w_]+) = (%w+)$")
  local variable = line:match("^local ([%w_]+) = {}$") or line:match("^([%w_]+) = {}$")
  if name then
    read_function(page, name, words)
  elseif constant and block.type then
    declare(page, "constant", constant, { type = block.type, value = tonumber(value), text = take_text(page) })
    page.block = nil
  elseif variable and block.class then
    page.variables[variable] = block.class
  elseif line ~= "return " .. tostring(page.module):match("[%w_]+$") then
    fail(page, "this line declares nothing that can be described")
  end
end

-- "-- # Title" begins a section; the comment below it is its text.
local function read_comment(page, line)
  local marks, title = line:match("^%-%- (#+) (.+)$")
  if marks then
    page.section = { title = title, level = #marks, text = {}, items = {} }
    table.insert(page.sections, page.section)
  elseif page.in_title and line ~= "" then
    table.insert(page.section.text, (line:gsub("^%-%- ?", "")))
  end
  page.in_title = line ~= "" and (marks or page.in_title)
end

local function read_line(page, line)
  local tag, rest = line:match("^%-%-%-@([%a_]*)(.*)$")
  if tag then
    page.rest = rest
    local read = tags[tag] or fail(page, "unknown annotation '@%s'", tag)
    read(page)
    return page.rest:find("%S") and fail(page, "'%s' is too much", page.rest:match("^%s*(.*)$"))
  elseif line:find("^%-%-%-") then
    return table.insert(page.block.text, (line:gsub("^%-%-%-%s?", "")))
  elseif line == "" or line:find("^%-%-") then
    read_comment(page, line)
  else
    read_code(page, line)
  end
  end_block(page)
end

local function read_file(page, text, file)
  page.file, page.line, page.section, page.variables = file, 0, nil, {}
  end_block(page)
  for line in text:gmatch("([^\n]*)\n") do
    page.line = page.line + 1
    read_line(page, line)
  end
  end_block(page)
end

-- Each type that is used has to be declared, in whatever file.
local function check_uses(page)
  for _, use in ipairs(page.uses) do
    local item = page.items[use.name]
    if not builtin[use.name] and not (item and (item.kind == "class" or item.kind == "alias")) then
      page.file, page.line = use.file, use.line
      fail(page, "there is no type '%s'", use.name)
    end
  end
end

--- Reads the texts of types files, each { text, file's name }; raises "file:line: why".
-- Gives the `sections` of all and, by their names, their `items`.
function annotations.read(...)
  local page = { sections = {}, items = {}, uses = {} }
  for _, one in ipairs { ... } do
    read_file(page, one[1], one[2])
  end
  check_uses(page)
  return page
end

return annotations
