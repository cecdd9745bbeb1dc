--- What `http` and `tcp` of a probe say: which server is asked, and for what. Nothing is looked up by name, since that
-- can take long and may ask another machine.

local core = require "reaper.core"

local address = {}

local URL_MAX = 2000 -- bytes

local FORM = "http://HOST[:PORT][/PATH] expected, such as http://127.0.0.1:8080/healthz"

-- Where a host can be found. A server may listen at one of the two addresses of localhost only.
local function hosts_of(host)
  if host:lower() == "localhost" then
    return { "127.0.0.1", "::1" }
  end
  local number = host:match "^%[(.*)%]$"
  local family = number and 6 or 4
  number = number or host
  return core.address_family(number) == family and { number } or nil
end

-- "HOST" or "HOST:PORT": { host =, hosts =, port = }; or nil and what would be right.
local function read_place(place, default_port)
  local host, rest = place:match "^(%[[^%]]*%])(.*)$"
  if not host then
    host, rest = place:match "^([^:]*)(.*)$"
  end
  local hosts = hosts_of(host)
  if not hosts then
    return nil, ("the host is a number (127.0.0.1, [::1]) or localhost, not \"%s\""):format(host)
  end
  local port = rest == "" and default_port or tonumber(rest:match "^:(%d%d?%d?%d?%d?)$")
  if not port or port < 1 or port > 65535 then
    return nil, ("\"%s:\" and a port from 1 to 65535 expected"):format(host)
  end
  return { host = host, hosts = hosts, port = port }
end

--- "HOST:PORT" of a server that takes connections: { hosts =, port =, label = }; or nil and what would be right.
function address.tcp(given)
  if given:find "://" then
    return nil, "HOST:PORT expected, such as 127.0.0.1:5432"
  end
  local found, why = read_place(given)
  if not found then
    return nil, why
  end
  found.label = given
  return found
end

-- What is wrong with the parts of a URL, or nil.
local function fault_of_url(place, path)
  if place:find "@" then
    return "a user and a password cannot be given"
  elseif path:find "#" then
    return "what follows \"#\" is never sent; a URL without it expected"
  elseif path:find "[^!-~]" then
    return "spaces, control characters and what is not ASCII have to stand as %XX"
  end
end

--- A URL: { hosts =, port =, path =, host_header =, label = }; or nil and what would be right. The label has no query,
-- which may hold a password.
function address.http(url)
  local scheme = url:match "^(%a[%w+.-]*)://"
  if scheme and scheme:lower() == "https" then
    return nil, "plain HTTP only, without TLS; http:// or a command (exec) that speaks TLS expected"
  elseif not scheme or scheme:lower() ~= "http" then
    return nil, FORM
  elseif #url > URL_MAX then
    return nil, ("at most %d bytes expected"):format(URL_MAX)
  end
  local place, path = url:match "^%a+://([^/?#]*)(.*)$"
  local why = fault_of_url(place, path)
  if why then
    return nil, why
  end
  local found
  found, why = read_place(place, 80)
  if not found then
    return nil, why
  end
  found.path = path:sub(1, 1) == "/" and path or "/" .. path
  found.host_header = found.port == 80 and found.host or ("%s:%d"):format(found.host, found.port)
  found.label = url:match "^[^?]*"
  return found
end

return address
