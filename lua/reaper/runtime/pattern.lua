--- Lua patterns, read as string.find reads them, which itself raises for a fault only where a text leads it there.

local pattern = {}

local CAPTURES_MAX = 32 -- LUA_MAXCAPTURES

-- The place behind the set that begins at `at` with "[", or nil.
local function behind_set(text, at)
  at = at + 1
  if text:sub(at, at) == "^" then
    at = at + 1
  end
  repeat -- the first character is of the set, also when it is "]"
    if at > #text then
      return nil
    end
    at = at + (text:sub(at, at) == "%" and 2 or 1)
  until text:sub(at, at) == "]"
  return at + 1
end

local function behind_own_set(text, at)
  local behind = behind_set(text, at)
  if behind then
    return behind
  end
  return nil, "a '[' has no ']'"
end

local function is_closed(captures, index)
  return captures[index] == "closed"
end

-- The place behind what begins at `at` with "%", or nil and what is wrong.
local function behind_escape(text, at, captures)
  local letter = text:sub(at + 1, at + 1)
  if letter == "" then
    return nil, "it ends with '%'"
  elseif letter == "b" then
    if at + 3 > #text then
      return nil, "'%b' needs two characters"
    end
    return at + 4
  elseif letter == "f" then
    if text:sub(at + 2, at + 2) ~= "[" then
      return nil, "'%f' needs a set in brackets"
    end
    return behind_own_set(text, at + 2)
  elseif letter:find "%d" and not is_closed(captures, tonumber(letter)) then
    return nil, ("'%%%s' names no capture that has ended before"):format(letter)
  end
  return at + 2
end

local function open_capture(text, at, captures)
  if #captures == CAPTURES_MAX then
    return nil, "it has too many captures"
  elseif text:sub(at + 1, at + 1) == ")" then -- of a position
    captures[#captures + 1] = "closed"
    return at + 2
  end
  captures[#captures + 1] = "open"
  return at + 1
end

local function close_capture(_, at, captures)
  for i = #captures, 1, -1 do
    if captures[i] == "open" then
      captures[i] = "closed"
      return at + 1
    end
  end
  return nil, "a ')' has no '('"
end

local readers = { ["("] = open_capture, [")"] = close_capture, ["%"] = behind_escape, ["["] = behind_own_set }

--- What is wrong with a pattern, or nil.
function pattern.fault(text)
  local at, captures = text:sub(1, 1) == "^" and 2 or 1, {}
  while at <= #text do
    local reader, behind, why = readers[text:sub(at, at)], at + 1, nil
    if reader then
      behind, why = reader(text, at, captures)
    end
    if not behind then
      return why
    end
    at = behind
  end
  for _, state in ipairs(captures) do
    if state == "open" then
      return "a '(' has no ')'"
    end
  end
end

return pattern
