/*
 * Restart policies as text (--restart, "restart" of a service) and what they say of ends; settings and signals as a
 * script gives them. Input: a text up to a zero byte, then numbers for the ends.
 */
#include "lua_script.h"

/* The event of each end is as past.ended makes it. */
static const char script[] =
    "local core, restart, past = require 'reaper.core', require 'reaper.restart', require 'reaper.restart.past'\n"
    "local text, numbers = ...\n"
    "local script, why = restart.parse(text)\n"
    "assert(script and type(script) == 'function' or type(why) == 'string')\n"
    "assert(not (script and text:find ':' and not text:find '^on%-failure:%d+$'), 'a number that means nothing')\n"
    "if script then\n"
    "  local of_main, now = past.new(0), 0\n"
    "  for _, number in ipairs(numbers) do\n"
    "    now = now + number / 64\n"
    "    local delay, reason = past.ended(of_main, script, 'main', core.status(number << 8), {}, now)\n"
    "    assert(delay == nil and type(reason) == 'string' and not reason:find 'has r[ae]' or\n"
    "      type(delay) == 'number' and delay == delay and delay < math.huge, reason)\n"
    "    if delay then\n"
    "      assert(restart.text(delay))\n"
    "      now = now + math.max(delay, 0)\n"
    "      past.started(of_main, now)\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local max = text:match '^on%-failure:(%d+)$'\n"
    "if max then\n"
    "  local failed = { name = 'main', status = core.status(256), lifetime = 0, restarts = math.maxinteger,\n"
    "    history = {}, lifetimes = {}, now = 0 }\n"
    "  assert(math.tointeger(max) == 0 or not script(failed), 'a limit that is none')\n"
    "end\n"
    "local key, value = text:match '^([^=]*)=(.*)$'\n"
    "if key then\n"
    "  local ok, message = core.check_setting(key, value)\n"
    "  assert(ok == true or type(message) == 'string')\n"
    "end\n"
    "local number, name = core.signal(text)\n"
    "assert(number and number == core.signal(name) or type(name) == 'string')\n";

static int run_script(lua_State *L)
{
    const struct input *const input = lua_touserdata(L, 1);
    const uint8_t *const zero = memchr(input->at, '\0', (size_t)(input->end - input->at));
    const size_t length = (size_t)((zero ? zero : input->end) - input->at);

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushlstring(L, (const char *)input->at, length);
    lua_newtable(L); // script text numbers
    for (const uint8_t *at = input->at + length; at < input->end; at++) {
        lua_pushinteger(L, *at);
        lua_rawseti(L, -2, at - (input->at + length) + 1);
    }
    lua_call(L, 2, 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return run_input(script, run_script, bytes, size);
}
