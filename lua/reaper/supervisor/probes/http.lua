--- HTTP as far as a probe needs it: the question, and the first line of the answer (RFC 9112).

local core = require "reaper.core"
local text = require "reaper.supervisor.probes.text"

local http = {}

--- A first line that is longer is none.
http.LINE_MAX = 4096

local SHOWN = 60 -- bytes of what is no answer

--- What is sent for an address of address.http.
function http.request(target)
  local lines = {
    ("GET %s HTTP/1.1"):format(target.path), "Host: " .. target.host_header, "User-Agent: reaper-lua/" .. core.version,
    "Accept: */*", "Connection: close", "", "",
  }
  return table.concat(lines, "\r\n")
end

--- Reads what a server has sent so far: nothing as long as its first line is not there; else true when that says that
-- all is well (2xx, 3xx), or false and what it says. `is_over`: no more will come.
function http.read(given, is_over)
  local line = given:sub(1, http.LINE_MAX):match "^([^\n]*)\n"
  local start = "HTTP/1."
  if not line and not is_over and #given < http.LINE_MAX and given:sub(1, #start) == start:sub(1, #given) then
    return nil
  end
  local code, reason = (line or ""):gsub("\r$", ""):match "^HTTP/1%.[01] ([1-5]%d%d)(.*)$"
  if not code or not reason:find "^ " and reason ~= "" or reason:find "[\0-\8\10-\31\127]" then
    local shown = text.clean(given:match "^[^\r\n]*", SHOWN)
    return false, shown == "" and "no HTTP answer" or ("no HTTP answer, but \"%s\""):format(shown)
  end
  return code:find "^[23]" ~= nil, text.clean((code .. reason):match "^(.-) *$")
end

return http
