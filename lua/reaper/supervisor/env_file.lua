--- Files of environment variables, as `env_file` of a service takes them: what Docker's --env-file, systemd's
-- EnvironmentFile= and Compose's env_file have in common, with Compose's quotes.
--
--   * One NAME=value in each line. Lines end with LF or CR LF; a UTF-8 byte order mark may stand at the beginning.
--     Empty lines and lines that begin with "#" are skipped. Blanks (spaces and tabs) at the beginning of a line do not
--     count, and "export " may stand before the name.
--   * A name has letters, digits, "_", "." and "-", and begins with a letter or "_". "=" follows it directly. The last
--     one of several equal names counts.
--   * A value without quotes goes to the end of the line, or to a "#" behind a blank. Blanks around it do not count.
--     Backslashes and quotes within it stand for themselves.
--   * A value that begins with ' or " goes to the next such quote, in a later line too. Only a comment may follow.
--     Between '…' \' is a quote. Between "…" \n, \r, \t, \\, \" and \$ are what they are in C and in the shell. All
--     other backslashes stand for themselves.
--   * "$" is nothing special: no variable is put in.
--   * A line without "=", for which Docker takes the value of its own environment, is an error; so is a NUL byte.
--
-- Messages name the path and the line, and hold no text of the file: it may be a secret.

local core = require "reaper.core"
local check = require "reaper.runtime.check"

local env_file = {}

local LARGEST = 1024 * 1024 -- bytes of a file
local EAGAIN = 11

local NAME = "^[A-Za-z_][A-Za-z0-9_.-]*$"
local BLANK = "^[ \t]*$"

local escapes = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ['"'] = '"', ["$"] = "$" }

local unescape = {}

unescape['"'] = function(text)
  return (text:gsub("\\(.)", escapes))
end

unescape["'"] = function(text)
  return (text:gsub("\\'", "'"))
end

-- Where the quote is that ends what begins at `at`, or nil.
local function find_quote(text, at, quote)
  while true do
    at = text:find("[\\" .. quote .. "]", at)
    if not at or text:sub(at, at) == quote then
      return at
    end
    at = at + 2
  end
end

-- Where a line ends that has a place at `at`: the place of its LF.
local function end_of_line(text, at)
  return text:find("\n", at, true) or #text + 1
end

-- The value, and where its last line ends; or nil, message. `at` is where its quote stands.
local function read_quoted(text, at)
  local quote = text:sub(at, at)
  local closing = find_quote(text, at + 1, quote)
  if not closing then
    return nil, ("the quote %s before the value is not closed"):format(quote)
  end
  local stop = end_of_line(text, closing)
  local rest = text:sub(closing + 1, stop - 1)
  if not rest:find(BLANK) and not rest:find "^[ \t]+#" then
    return nil, ("text follows the quote %s that ends the value; a comment behind a blank, or nothing, expected")
      :format(quote)
  end
  return unescape[quote](text:sub(at + 1, closing - 1)), stop
end

local function read_plain(text, at)
  local stop = end_of_line(text, at)
  local line = text:sub(at, stop - 1)
  local value = line:match "^(.-)[ \t]+#" or line
  return value:match "^[ \t]*(.-)[ \t]*$", stop
end

-- What is wrong with what stands before "=", or nil.
local function wrong_name(name)
  if name == "" then
    return "there is no name before \"=\"; NAME=value expected"
  elseif name:find "[ \t]$" and name:match("^(.-)[ \t]+$"):find(NAME) then
    return "there is a blank before \"=\"; NAME=value expected"
  elseif not name:find(NAME) then
    return "what stands before \"=\" is no name: letters, digits, \"_\", \".\" and \"-\" expected, with a letter or "
      .. "\"_\" at the beginning"
  end
end

-- The name, the value and where its last line ends; or nil, message. `at` is the beginning of a line.
local function read_assignment(text, at)
  local name, value_at = text:match("^[ \t]*([^=\n]*)=()", at)
  if not name then
    return nil, "there is no \"=\"; NAME=value expected"
  end
  name = name:gsub("^export[ \t]+", "")
  local why = wrong_name(name)
  if why then
    return nil, why
  end
  local quote_at = text:match("^[ \t]*()['\"]", value_at)
  local value, stop
  if quote_at then
    value, stop = read_quoted(text, quote_at)
  else
    value, stop = read_plain(text, value_at)
  end
  if not value then
    return nil, stop
  end
  return name, value, stop
end

local function count_lines(text, from, to)
  return select(2, text:sub(from, to):gsub("\n", ""))
end

--- The variables that a text has, name → value; or nil, message with the path and the line.
function env_file.parse(text, path)
  local nul = text:find("\0", 1, true)
  if nul then
    return nil, ("%s:%d: a NUL byte, which no variable can have"):format(path, count_lines(text, 1, nul) + 1)
  end
  text = text:gsub("^\xef\xbb\xbf", ""):gsub("\r\n", "\n"):gsub("\r$", "")
  local values, at, line = {}, 1, 1
  while at <= #text do
    local stop = end_of_line(text, at)
    if text:find("^[ \t]*[^ \t#\n]", at) then
      local name, value, value_stop = read_assignment(text, at)
      if not name then
        return nil, ("%s:%d: %s"):format(path, line, value)
      end
      values[name], stop = value, value_stop
    end
    line = line + count_lines(text, at, stop)
    at = stop + 1
  end
  return values
end

-- The text of a file, or little more than LARGEST bytes of a larger one; or nil, message, errno. Nothing is waited for:
-- what is no file, such as a FIFO, may have nothing to read yet.
local function read_text(path)
  local fd, why, errno = core.open(path, "r")
  if not fd then
    return nil, why, errno
  end
  local parts, size = {}, 0
  repeat
    local bytes
    bytes, why, errno = core.read(fd)
    parts[#parts + 1] = bytes
    size = size + #(bytes or "")
  until not bytes or bytes == "" or size > LARGEST
  core.close(fd)
  if errno == EAGAIN then
    return nil, path .. ": it is no file, but a FIFO, a terminal or the like; a file expected", errno
  elseif errno then
    return nil, ("%s: %s"):format(path, why:gsub("^read: ", "")), errno
  end
  return table.concat(parts)
end

--- The variables that a file has, name → value; or nil, message[, errno] for one that cannot be read, has more than
-- 1 MiB, or is malformed. Of a larger one little more than that is read.
function env_file.read(path)
  local text, why, errno = read_text(check.text("env_file.read", "path", path))
  if not text then
    return nil, why, errno
  elseif #text > LARGEST then
    return nil, ("%s: it has more than 1 MiB (%d bytes), which is the most that an env_file may have"):format(path,
      LARGEST)
  end
  return env_file.parse(text, path)
end

return env_file
