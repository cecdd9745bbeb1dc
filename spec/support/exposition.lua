-- A strict reader of Prometheus' text exposition format 0.0.4: what it does not take, Prometheus may not take either,
-- and what is bad practice raises, too.

local exposition = {}

local NAME, LABEL = "^[%a_:][%w_:]*$", "^[%a_][%w_]*$"
local types = { counter = true, gauge = true }

local function value_of(text)
  local special = { ["+Inf"] = math.huge, ["-Inf"] = -math.huge, NaN = 0 / 0 }
  return special[text] or (text:find "^[-+]?%d" and tonumber(text)) or error("no value: " .. text)
end

-- The value of a label and what stands behind its closing quote.
local function read_quoted(text)
  local parts, at = {}, 1
  while true do
    local c = text:sub(at, at)
    if c == '"' then
      return table.concat(parts), text:sub(at + 1)
    elseif c == "\\" then
      c = ({ ["\\"] = "\\", ['"'] = '"', n = "\n" })[text:sub(at + 1, at + 1)] or error("escape: " .. text)
      at = at + 1
    elseif c == "" then
      error("no end of a label's value: " .. text)
    end
    parts[#parts + 1], at = c, at + 1
  end
end

local function read_labels(text)
  local labels, rest = {}, text
  while rest ~= "" do
    local name, quoted = rest:match '^([^=]*)="(.*)$'
    assert(name and name:find(LABEL), "no label: " .. rest)
    assert(labels[name] == nil, "twice: " .. name)
    labels[name], rest = read_quoted(quoted)
    assert(rest == "" or rest:find "^,.", "behind a label: " .. rest)
    rest = rest:sub(2)
  end
  return labels
end

local function key_of(name, labels)
  local list = {}
  for label, value in pairs(labels) do
    list[#list + 1] = ("%s=%q"):format(label, value)
  end
  table.sort(list)
  return name .. "{" .. table.concat(list, ",") .. "}"
end

-- A family begins with HELP and TYPE, in this order, and has a sample.
local function begin_family(families, name, help)
  assert(name:find(NAME), name)
  assert(not families[name], "a second family " .. name)
  assert(help ~= "", "no help of " .. name)
  assert(not help:gsub("\\[\\n]", ""):find("\\", 1, true), "escape in " .. help)
  families[name] = { name = name, help = help, samples = {} }
  return families[name]
end

local function add_sample(family, line, seen)
  local name, labels, value = line:match "^([^{ ]+){(.*)} ([^ ]+)$"
  if not name then
    name, value = line:match "^([^{ ]+) ([^ ]+)$"
  end
  assert(name == family.name and family.type, "a sample outside of its family: " .. line)
  local sample = { labels = read_labels(labels or ""), value = value_of(value) }
  local key = key_of(name, sample.labels)
  assert(not seen[key], "twice: " .. key)
  assert(family.type ~= "counter" or sample.value >= 0, line)
  seen[key] = sample.value
  table.insert(family.samples, sample)
end

--- Families by name: type, help, samples = { { labels, value }, … }; and the values by their series, such as
-- 'reaper_state{state="running"}', with labels in the order of their names.
function exposition.read(text)
  assert(text:sub(-1) == "\n", "the last line has an end")
  assert(utf8.len(text), "it is UTF-8")
  local families, seen, family = {}, {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    local help_of, help = line:match "^# HELP (%S+) (.*)$"
    local type_of, kind = line:match "^# TYPE (%S+) (%S+)$"
    if help_of then
      assert(not family or family.samples[1], "an empty family before " .. line)
      family = begin_family(families, help_of, help)
    elseif type_of then
      assert(family and family.name == type_of and not family.type, "TYPE without its HELP: " .. line)
      assert(types[kind], line)
      assert((kind == "counter") == (type_of:find "_total$" ~= nil), "counters end in _total: " .. line)
      family.type = kind
    else
      add_sample(assert(family, line), line, seen)
    end
  end
  assert(not family or family.samples[1], "an empty family at the end")
  return families, seen
end

return exposition
