--- Reads a request of HTTP/1.0 or HTTP/1.1, by the letter of RFC 9112, as its bytes come in whatever pieces.

local parser = {}

--- So many bytes may a request have.
parser.MAX = 8192

local Reader = {}
Reader.__index = Reader

--- A reader for one request.
function parser.new()
  return setmetatable({ pending = "", used = 0, hosts = 0, lengths = 0 }, Reader)
end

local TOKEN = "^[!#$%%&'*+%-.^_`|~%w]+$"
local CONTROL = "[\0-\31\127]"

local function refuse(status, why)
  return { status = status, why = why }
end

-- ---- The target. ----

-- Percent-encoding taken back; nil where it is malformed, or hides a control character.
local function decode(text)
  local malformed = false
  local decoded = text:gsub("%%(.?.?)", function(digits)
    malformed = malformed or not digits:find "^%x%x$"
    return not malformed and string.char(tonumber(digits, 16)) or nil
  end)
  return not malformed and not decoded:find(CONTROL) and decoded or nil
end

-- A path is split before it is decoded: a slash in a name is no separator.
local function read_path(text)
  local segments = {}
  for segment in text:gmatch "/([^/]*)" do
    local decoded = decode(segment)
    if not decoded then
      return nil, "malformed percent-encoding in the path"
    end
    segments[#segments + 1] = decoded
  end
  return segments
end

local function read_query(text)
  local query = {}
  for pair in text:gmatch "[^&]+" do
    local key, value = pair:match "^([^=]*)=?(.*)$"
    key, value = decode(key), decode(value)
    if not key or not value then
      return nil, "malformed percent-encoding in the query"
    elseif query[key] then
      return nil, ("'%s' stands twice in the query"):format(key)
    end
    query[key] = value
  end
  return query
end

-- The path and the query, as they stand there; nil for what is no target of such a method.
local function split(method, target)
  local absolute = target:match "^[hH][tT][tT][pP][sS]?://[^/?]+(.*)$"
  if absolute then
    target = absolute:find "^/" and absolute or "/" .. absolute
  elseif method == "CONNECT" or method == "OPTIONS" and target == "*" then
    return "", ""
  end
  if target:find "[^%w%-._~!$&'()*+,;=:@/?%%]" then
    return nil
  end
  return target:match "^(/[^?]*)%??(.*)$"
end

-- ---- Lines. ----

local function read_request_line(reader, line)
  local method, target, version = line:match "^([^ ]+) ([^ ]+) ([^ ]+)$"
  local major, minor = (version or ""):match "^HTTP/(%d)%.(%d)$"
  if not major or not method:find(TOKEN) then
    return refuse(400, "malformed request line")
  elseif major ~= "1" then
    return refuse(505, "HTTP/1.0 and HTTP/1.1 are spoken here")
  end
  local path, query = split(method, target)
  if not path then
    return refuse(400, "malformed request target")
  end
  local why
  reader.request = { method = method, is_old = minor == "0" }
  reader.request.path, why = read_path(path)
  if not why then
    reader.request.query, why = read_query(query)
  end
  return why and refuse(400, why)
end

local fields = {}

function fields.host(reader, value)
  reader.hosts = reader.hosts + 1
  return value:find "[^%w%-._~!$&'()*+,;=:%%%[%]]" and "malformed Host"
end

fields["content-length"] = function(reader, value)
  reader.lengths = reader.lengths + 1
  reader.has_body = value:find "[^0]" ~= nil
  return (not value:find "^%d+$" or reader.lengths > 1) and "malformed Content-Length"
end

fields["transfer-encoding"] = function(reader)
  reader.is_encoded = true
end

local function read_field(reader, line)
  if line:find "^[ \t]" then
    return refuse(400, "a folded field line")
  end
  local name, value = line:match "^([^:]*):[ \t]*(.-)[ \t]*$"
  if not name or not name:find(TOKEN) or value:gsub("\t", ""):find(CONTROL) then
    return refuse(400, "malformed field line")
  end
  local field = fields[name:lower()]
  local why = field and field(reader, value)
  return why and refuse(400, why)
end

local function finish(reader)
  local is_old = reader.request.is_old
  if reader.hosts > 1 or reader.hosts == 0 and not is_old then
    return refuse(400, "exactly one Host is needed")
  elseif reader.is_encoded and (is_old or reader.lengths > 0) then
    return refuse(400, "Transfer-Encoding beside Content-Length, or in HTTP/1.0")
  elseif reader.is_encoded or reader.has_body then
    return refuse(413, "a request has no body here")
  end
  return reader.request
end

-- Empty lines before a request are passed over, as RFC 9112 (2.2) wants it.
local function read_line(reader, line)
  local text = line:match "^([^\r]*)\r\n$"
  if not text then
    return refuse(400, "a line ends with CR and LF")
  elseif text ~= "" then
    return (reader.request and read_field or read_request_line)(reader, text)
  end
  return reader.request and finish(reader)
end

--- Takes the next bytes: nothing as long as more is needed; else the request (method, path: a list, query: a table), or
-- what is wrong with it (status and why). What follows it is not looked at.
function Reader:feed(bytes)
  self.pending = self.pending .. bytes
  while true do
    local at = self.pending:find("\n", 1, true)
    if (at or #self.pending) > parser.MAX - self.used then
      return refuse(self.request and 431 or 414, ("more than %d bytes"):format(parser.MAX))
    elseif not at then
      return nil
    end
    local result = read_line(self, self.pending:sub(1, at))
    self.pending, self.used = self.pending:sub(at + 1), self.used + at
    if result then
      return result
    end
  end
end

return parser
