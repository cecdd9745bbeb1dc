/* The registration tables of reaper.core, and nothing else. */
#include "script/lua_core.h"

#include <lauxlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/environment.h"
#include "common/messages.h"
#include "common/variables.h"
#include "script/lua_values.h"
#include "script/script.h"

static const luaL_Reg functions[] = {
    { "poll", core_poll },
    { "watch", core_watch },
    { "set_timer", core_set_timer },
    { "fd", core_fd },
    { "next", core_next },
    { "order", core_order },
    { "give_reason", core_give_reason },
    { "is_connected", core_is_connected },
    { "request", core_request },
    { "want_info", core_want_info },
    { "read_deaths", core_read_deaths },
    { "has_read_all", core_has_read_all },
    { "spawn", core_spawn },
    { "take_terminal", core_take_terminal },
    { "find_user", core_find_user },
    { "kill", core_kill },
    { "engine", core_engine },
    { "is_alive", core_is_alive },
    { "processes", core_processes },
    { "members", core_members },
    { "kill_member", core_kill_member },
    { "pidfd", core_pidfd },
    { "wall_clock", core_wall_clock },
    { "wait4", core_wait4 },
    { "status", core_status },
    { "set_child_subreaper", core_set_child_subreaper },
    { "notify_open", core_notify_open },
    { "notify_read", core_notify_read },
    { "sender", core_sender },
    { "address_family", core_address_family },
    { "connect", core_connect },
    { "connected", core_connected },
    { "log", core_log },
    { "log_form", core_log_form },
    { "signal", core_signal },
    { "configure", core_configure },
    { "change_variable", core_change_variable },
    { "check_setting", core_check_setting },
    { "now", core_now },
    { "nearest", core_nearest },
    { "environment", core_environment },
    { "pipe", core_pipe },
    { "open", core_open },
    { "can_execute", core_can_execute },
    { "read", core_read },
    { "write", core_write },
    { "put", core_put },
    { "time", core_time },
    { "close", core_close },
    { "fileno", core_fileno },
    { "identity", core_identity },
    { "log_path", core_log_path },
    { "log_open", core_log_open },
    { "log_size", core_log_size },
    { "dup", core_dup },
    { "is_same", core_is_same },
    { NULL, NULL },
};

struct constant {
    const char *name;
    lua_Integer value;
};

static const struct constant constants[] = {
    { "EVENT_CHILD", EVENT_CHILD },
    { "EVENT_START", EVENT_START },
    { "EVENT_REAP", EVENT_REAP },
    { "EVENT_OVERFLOW", EVENT_OVERFLOW },
    { "EVENT_SIGNAL", EVENT_SIGNAL },
    { "EVENT_SERVICES", EVENT_SERVICES },
    { "EVENT_STOP", EVENT_STOP },
    { "EVENT_EXIT", EVENT_EXIT },
    { "EVENT_RELOAD", EVENT_RELOAD },
    { "FLAG_MAIN", EVENT_MAIN },
    { "FLAG_SPAWNED", EVENT_SPAWNED },
    { "FLAG_TOLD", EVENT_TOLD },
    { "FLAG_ASKED", EVENT_ASKED },
    { "FLAG_IN_STOP", EVENT_IN_STOP },
    { "FLAG_AHEAD", EVENT_AHEAD },
    { "FLAG_KNOWN", EVENT_KNOWN },
    { "ORDER_READY", ORDER_READY },
    { "ORDER_FAILED", ORDER_FAILED },
    { "ORDER_HOOKS", ORDER_HOOKS },
    { "ORDER_ANSWER", ORDER_ANSWER },
    { "ORDER_WAIT", ORDER_WAIT },
    { "ORDER_OUTPUT_CLOSED", ORDER_OUTPUT_CLOSED },
    { "ORDER_READY_KEPT", ORDER_READY_KEPT },
    { "ORDER_EXIT", ORDER_EXIT },
    { "ORDER_RELOAD", ORDER_RELOAD },
    { "ORDER_MAIN_START", ORDER_MAIN_START },
    { "ORDER_STATS", ORDER_STATS },
    { "ANSWER_DEFAULT", ANSWER_DEFAULT },
    { "ANSWER_DROP", ANSWER_DROP },
    { "ANSWER_SIGNAL", ANSWER_SIGNAL },
    { "ANSWER_CODE", ANSWER_CODE },
    { "HOOK_REAP", HOOK_REAP },
    { "HOOK_REAP_INFO", HOOK_REAP_INFO },
    { "HOOK_SIGNAL", HOOK_SIGNAL },
    { "HOOK_STOP", HOOK_STOP },
    { "HOOK_EXIT", HOOK_EXIT },
    { "HOOK_RELOAD", HOOK_RELOAD },
    { "HOOK_SERVICES", HOOK_SERVICES },
    { "HOOK_STARTS_MAIN", HOOK_STARTS_MAIN },
    { "NAME_SIZE", NAME_SIZE },
    { "VARIABLES_SIZE_MAX", VARIABLES_SIZE_MAX },
    { NULL, 0 },
};

/* The options of wait4(2), under their own names. */
static const struct constant wait_options[] = {
    { "WNOHANG", WNOHANG },
    { "WUNTRACED", WUNTRACED },
    { "WCONTINUED", WCONTINUED },
    { "__WALL", __WALL },
    { "__WCLONE", __WCLONE },
    { "__WNOTHREAD", __WNOTHREAD },
    { NULL, 0 },
};

/* The names of prlimit(1), which are those of getrlimit(2) without RLIMIT_. */
static const struct constant limits[] = {
    { "as", RLIMIT_AS },
    { "core", RLIMIT_CORE },
    { "cpu", RLIMIT_CPU },
    { "data", RLIMIT_DATA },
    { "fsize", RLIMIT_FSIZE },
    { "locks", RLIMIT_LOCKS },
    { "memlock", RLIMIT_MEMLOCK },
    { "msgqueue", RLIMIT_MSGQUEUE },
    { "nice", RLIMIT_NICE },
    { "nofile", RLIMIT_NOFILE },
    { "nproc", RLIMIT_NPROC },
    { "rss", RLIMIT_RSS },
    { "rtprio", RLIMIT_RTPRIO },
    { "rttime", RLIMIT_RTTIME },
    { "sigpending", RLIMIT_SIGPENDING },
    { "stack", RLIMIT_STACK },
    { NULL, 0 },
};

static void set_constants(lua_State *L, const struct constant *list)
{
    for (; list->name; list++) {
        lua_pushinteger(L, list->value);
        lua_setfield(L, -2, list->name);
    }
}

static void set_list(lua_State *L, const char *name, const struct constant *list)
{
    lua_newtable(L);
    set_constants(L, list);
    lua_setfield(L, -2, name);
}

static void set_names(lua_State *L, const char *name, const char *const *list)
{
    lua_newtable(L);
    for (int i = 0; list[i]; i++) {
        lua_pushstring(L, list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, name);
}

void open_core(lua_State *L)
{
    const struct script *const script = lua_touserdata(L, -1);

    register_values(L);
    luaL_newlibtable(L, functions); // script core
    lua_insert(L, -2);
    luaL_setfuncs(L, functions, 1); // core
    set_constants(L, constants);
    set_list(L, "limits", limits);
    set_list(L, "wait_options", wait_options);
    set_names(L, "process_variables", environment_process_variables);
    lua_pushliteral(L, REAPER_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushboolean(L, script->checking);
    lua_setfield(L, -2, "checking");
    lua_pushboolean(L, script->options.command != NULL);
    lua_setfield(L, -2, "has_command");
    lua_pushstring(L, script->options.restart);
    lua_setfield(L, -2, "restart");
}
