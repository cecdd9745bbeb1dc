--- Whose code it is: errors of wrong use, and tracebacks, speak of the caller's lines and not of ours.

local caller = {}

-- "@/usr/share/lua/5.4/reaper/" as a rock, whose init.lua is reaper.lua beside it; "=reaper/" in the binary, and "=?"
-- in one that is stripped.
local own = debug.getinfo(1, "S").source:gsub("runtime/caller%.lua$", "")
local init = own:gsub("/$", "") .. ".lua"

local function is_ours(source)
  return source:sub(1, #own) == own or source == init
end

--- Raises where a public function was called: in the first Lua function that is not ours.
function caller.raise(message)
  local level = 1
  local info
  repeat
    level = level + 1
    info = debug.getinfo(level, "S")
  until not info or (info.what ~= "C" and not is_ours(info.source))
  error(message, level)
end

-- The same for a path as messages show it: without the sign in front, and without the beginning of a long path.
local function is_our_path(path)
  local tail = path:match "^%.%.%.(.+)$"
  if not tail then
    return is_ours(own:sub(1, 1) .. path)
  end
  local directory = tail:match "^.*/reaper/" or tail
  return own:sub(-#directory) == directory or init:sub(-#tail) == tail
end

-- The place of a frame: "path:line", "[C]", or nil for what belongs to the frame before.
local function place_of(line)
  return line:match "^\t(.-): in "
end

local function is_our_frame(line)
  local place = line and place_of(line)
  return place ~= nil and is_our_path((place:gsub(":%d+$", "")))
end

--- A message with a traceback, without our own frames and the C functions that those called.
function caller.traceback(text)
  local message, frames = text:match "^(.*)\nstack traceback:\n(.*)$"
  if not message then
    return text
  end
  local lines, shown = {}, {}
  for line in frames:gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  local left_out = false
  for i, line in ipairs(lines) do
    if place_of(line) then
      left_out = is_our_frame(line) or place_of(line) == "[C]" and is_our_frame(lines[i + 1])
    end
    shown[#shown + 1] = not left_out and line or nil
  end
  return #shown > 0 and message .. "\nstack traceback:\n" .. table.concat(shown, "\n") or message
end

return caller
