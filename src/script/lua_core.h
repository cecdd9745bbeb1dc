/*
 * lua_core.h: the functions of reaper.core, by the file that holds them. A comment above each function in its file says
 * what it takes and gives.
 */
#ifndef REAPER_SCRIPT_LUA_CORE_H
#define REAPER_SCRIPT_LUA_CORE_H

#include <lua.h>

struct script;

/* Replaces the struct script on top (a full or light userdata, which outlives the module) by the module's table. */
void open_core(lua_State *L);

/* Adds the functions that only a script process has to the table of the module on top (lua_script.c). */
void open_script_core(lua_State *L, struct script *script);

/* lua_link.c */
int core_next(lua_State *L);
int core_order(lua_State *L);
int core_give_reason(lua_State *L);
int core_is_connected(lua_State *L);
int core_request(lua_State *L);
int core_want_info(lua_State *L);
int core_read_deaths(lua_State *L);
int core_has_read_all(lua_State *L);
int core_read_deaths(lua_State *L);
int core_has_read_all(lua_State *L);

/* lua_poll.c */
int core_poll(lua_State *L);
int core_watch(lua_State *L);
int core_set_timer(lua_State *L);
int core_fd(lua_State *L);

/* lua_spawn.c */
int core_spawn(lua_State *L);
int core_take_terminal(lua_State *L);

/* lua_process.c */
int core_kill(lua_State *L);
int core_engine(lua_State *L);
int core_is_alive(lua_State *L);
int core_processes(lua_State *L);
int core_wait4(lua_State *L);
int core_status(lua_State *L);
int core_set_child_subreaper(lua_State *L);

/* lua_members.c */
int core_members(lua_State *L);
int core_kill_member(lua_State *L);
int core_pidfd(lua_State *L);

/* lua_notify.c */
int core_notify_open(lua_State *L);
int core_notify_read(lua_State *L);
int core_sender(lua_State *L);

/* lua_socket.c */
int core_address_family(lua_State *L);
int core_connect(lua_State *L);
int core_connected(lua_State *L);

/* lua_store.c */
int core_store(lua_State *L);
int core_stored(lua_State *L);

/* lua_settings.c */
int core_configure(lua_State *L);
int core_change_variable(lua_State *L);
int core_check_setting(lua_State *L);

/* lua_descriptors.c */
int core_pipe(lua_State *L);
int core_open(lua_State *L);
int core_can_execute(lua_State *L);
int core_read(lua_State *L);
int core_write(lua_State *L);
int core_put(lua_State *L);
int core_close(lua_State *L);
int core_fileno(lua_State *L);
int core_identity(lua_State *L);
int core_dup(lua_State *L);
int core_is_same(lua_State *L);

/* lua_log_file.c */
int core_log_path(lua_State *L);
int core_log_open(lua_State *L);
int core_log_size(lua_State *L);

/* lua_system.c */
int core_log(lua_State *L);
int core_log_form(lua_State *L);
int core_signal(lua_State *L);
int core_now(lua_State *L);
int core_time(lua_State *L);
int core_wall_clock(lua_State *L);
int core_nearest(lua_State *L);
int core_environment(lua_State *L);
int core_find_user(lua_State *L);

#endif
