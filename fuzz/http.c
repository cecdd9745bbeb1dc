/*
 * Requests of HTTP as the porter reads them: what comes out does not depend on the pieces in which they come. Input:
 * how many sizes of pieces follow, these, and the request. The most that a request may have is made small, so that
 * inputs come there.
 */
#include "lua_script.h"

static const char script[] =
    "local parser = require 'reaper.control.porter.parser'\n"
    "parser.MAX = 300\n"
    "local known = { [400] = true, [413] = true, [414] = true, [431] = true, [505] = true }\n"
    "local function check_text(text)\n"
    "  assert(type(text) == 'string' and not text:find '[\\0-\\31\\127]', 'a control character')\n"
    "  return ('%q'):format(text)\n"
    "end\n"
    "local function told(result)\n"
    "  if not result then\n"
    "    return 'more'\n"
    "  elseif result.status then\n"
    "    assert(known[result.status] and type(result.why) == 'string', 'an unknown status')\n"
    "    return result.status .. result.why\n"
    "  end\n"
    "  local parts = { check_text(result.method), tostring(result.is_old) }\n"
    "  for _, segment in ipairs(result.path) do\n"
    "    parts[#parts + 1] = check_text(segment)\n"
    "  end\n"
    "  local pairs_of_query = {}\n"
    "  for key, value in pairs(result.query) do\n"
    "    table.insert(pairs_of_query, check_text(key) .. '=' .. check_text(value))\n"
    "  end\n"
    "  table.sort(pairs_of_query)\n"
    "  return table.concat(parts, ' ') .. '?' .. table.concat(pairs_of_query, '&')\n"
    "end\n"
    "local function read(bytes, sizes)\n"
    "  local reader, at, n, result = parser.new(), 1, 0, nil\n"
    "  while at <= #bytes and not result do\n"
    "    local size = math.max(sizes:byte(n % #sizes + 1), 1)\n"
    "    result, at, n = reader:feed(bytes:sub(at, at + size - 1)), at + size, n + 1\n"
    "  end\n"
    "  return told(result)\n"
    "end\n"
    "local sizes, bytes = ...\n"
    "local single = read(bytes, '\\1')\n"
    "assert(read(bytes, sizes) == single, 'it depends on the pieces')\n"
    "assert(told(parser.new():feed(bytes)) == single, 'as a whole it is another one')\n"
    "assert(single ~= 'more' or #bytes <= 300, 'too long')\n";

static int run_script(lua_State *L)
{
    struct input *const input = lua_touserdata(L, 1);
    size_t left = (size_t)(input->end - input->at);
    const size_t wanted = left > 0 ? 1U + input->at[0] % 8U : 1;
    const size_t sizes = wanted < left ? wanted : left;

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushlstring(L, left > 0 ? (const char *)input->at : "\1", left > 0 ? sizes : 1);
    lua_pushlstring(L, (const char *)input->at + sizes, left - (left > 0 ? sizes : 0)); // script sizes bytes
    lua_call(L, 2, 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return run_input(script, run_script, bytes, size);
}
