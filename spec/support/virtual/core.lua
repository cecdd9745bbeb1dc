-- reaper.core for one script process of a virtual container. What is pure comes from the library; the rest speaks with
-- the machine and the model of the engine. It gives what src/script/lua_*.c give.

local event_of = require "spec.support.virtual.event"
local files = require "spec.support.virtual.files"
local members = require "spec.support.virtual.members"

package.cpath = "build/?.so;" .. package.cpath -- never the sanitized one: it cannot be loaded here
local real = require "reaper.core"

local core = {}

local EBADF, EAGAIN, EPIPE, ENOTCONN, ESRCH, ENOENT = 9, 11, 32, 107, 3, 2
-- ---- Waiting, events and orders. ----

local function receive(process)
  table.move(process.queue, 1, #process.queue, #process.inbox + 1, process.inbox)
  process.queue = {}
end

-- True when the journal has something for it.
function core.has_event(process)
  local engine = process.engine
  if not process.has_started then
    return process.ahead < #engine.journal
  end
  return engine.reader == process and engine.read < #engine.journal
end

-- Before the start only the ends of spawned children, before their turn.
local function look_ahead(process)
  local journal = process.engine.journal
  while process.ahead < #journal do
    process.ahead = process.ahead + 1
    local event = event_of.copy(journal[process.ahead])
    if event[1] == real.EVENT_REAP and event[7] & real.FLAG_SPAWNED ~= 0 then
      event[7] = event[7] | real.FLAG_AHEAD
      return event
    end
  end
end

-- What it deals with is lost with it, and nothing else.
local function read_event(process)
  local engine = process.engine
  process.has_read = process.has_read ~= "an end" and process.has_read or nil
  if not process.has_started then
    return look_ahead(process)
  elseif not core.has_event(process) then
    return nil
  end
  engine.read = engine.read + 1
  process.busy = engine.read
  local event = event_of.copy(engine.journal[engine.read])
  if event[1] == real.EVENT_REAP then
    process.has_read = process.has_read or "an end"
    event[7] = engine.read <= process.ahead and event[7] | real.FLAG_KNOWN or event[7]
  end
  return event
end

local function ready_descriptors(process)
  local list = {}
  for fd, mode in pairs(process.watched) do
    local open = process.descriptors:get(fd)
    if open and (mode == "w" or open.readable()) then
      list[#list + 1] = fd
    end
  end
  table.sort(list)
  return list
end

local visible, silent = {}, {} -- functions(process, …), by name: only the visible ones are moments of their own

-- When the first of the watched clocks comes to its time.
local function next_alarm(process)
  local nearest = math.maxinteger
  for fd in pairs(process.watched) do
    local open = process.descriptors:get(fd)
    nearest = open and open.moment and math.min(nearest, open.moment()) or nearest
  end
  return nearest
end

function visible.poll(process, timeout)
  process.has_read, process.busy = nil, nil
  process:wait(math.min(timeout and process.machine:after(timeout) or math.maxinteger, next_alarm(process)))
  receive(process)
  if process.is_closed and not process.is_closed_told and not process.inbox[1]
    and not core.has_event(process) then
    process.is_closed_told = true
    return false
  end
  local list = ready_descriptors(process)
  return list[1] and list or true
end

function silent.watch(process, fd, mode)
  process.watched[fd] = mode
end

function silent.set_timer() end

local function install(process, open)
  return open and process:add(open)
end

-- Messages come first; but before it begins, a process looks at all ends that the old one was told (src/script/link.c).
local function next_event(process)
  local message = process.inbox[1]
  local is_start = message and message[1] == real.EVENT_START and not process.has_started
  return is_start and look_ahead(process) or table.remove(process.inbox, 1) or read_event(process)
end

-- The descriptors of an event stand in its `open`, by the index of the value.
function silent.next(process)
  local event = next_event(process)
  if not event then
    process.busy = nil
    return
  end
  process.has_started = process.has_started or event[1] == real.EVENT_START
  local values = table.move(event, 1, event.n, 1, {})
  if event[1] == real.EVENT_REAP and process.ignores_info then
    values[5] = nil
  end
  for index, open in pairs(event.open or {}) do
    values[index] = install(process, open)
    open:drop()
  end
  return table.unpack(values, 1, event.n)
end

-- What reaperctl reads concerns nobody here.
function silent.take_page() end

function silent.show_services() end

function silent.show_service() end

function silent.show_event() end

function silent.show_reply() end

function silent.inbox() end

function silent.is_connected(process)
  return not process.is_closed, true
end

function silent.read_deaths() end

function silent.has_read_all(process)
  if process.engine.reader ~= process then
    return nil
  end
  return not process.inbox[1] and not process.queue[1] and not core.has_event(process)
end

function silent.want_info(process, wants)
  process.ignores_info = not wants
end

function visible.order(process, kind, ask, pid, number, flags)
  process.engine:order(process, kind, { ask = ask or 0, pid = pid or 0, number = number or 0, flags = flags or 0 })
end

function silent.give_reason() end

function visible.request(process, kind)
  if process.is_closed then
    return nil, "the engine: Transport endpoint is not connected", ENOTCONN
  end
  local reply = process.engine:request(process, kind)
  if reply.pidfd then
    return reply[1], process:add(reply.pidfd)
  end
  return table.unpack(reply, 1, 3)
end

function silent.configure(process, key, text)
  local ok, why = real.check_setting(key, text)
  if not ok then
    return nil, why
  end
  process.settings[key] = tonumber(text) or process.settings[key]
  return true
end

function silent.change_variable() end

-- ---- Processes. ----

local function environment_of(list)
  local environment = {}
  for _, line in ipairs(list) do
    local name, value = line:match "^([^=]+)=(.*)$"
    environment[name] = value
  end
  return environment
end

local function descriptors_of(process, list)
  local descriptors = files.new_table()
  for i = 1, #list, 2 do
    descriptors:set(list[i], process.descriptors:get(list[i + 1]))
  end
  return descriptors
end

function visible.spawn(process, request)
  if process.is_closed then
    return nil, "the engine: Transport endpoint is not connected", ENOTCONN
  end
  local child, message, errno = process.machine:spawn {
    argv = request.argv, environment = environment_of(request.env), cwd = request.cwd,
    descriptors = descriptors_of(process, request.fds),
  }
  if not child then
    return nil, message, errno
  end
  process.engine:spawned(child, request.name, {
    process.descriptors:get(request.tell_stdout), process.descriptors:get(request.tell_stderr),
    process.descriptors:get(request.tell_ready),
  })
  return child.pid, process:add(files.pidfd(child))
end

function silent.take_terminal() end

function silent.find_user(_, text)
  return real.find_user(text)
end

function visible.kill(process, pidfd, pid, number)
  local open = pidfd and process.descriptors:get(pidfd)
  if open then
    pid = not open.process.gone and open.process.pid
  end
  if not pid then
    return nil, "the process has ended", ESRCH
  elseif not process.machine:kill(pid, number) then
    return nil, "No such process", ESRCH
  end
  return true
end

function silent.engine()
  return 1, 1
end

function silent.is_alive(process, pidfd, pid)
  local open = pidfd and process.descriptors:get(pidfd)
  if open then
    return not open.process.gone
  end
  return process.machine.processes[pid] ~= nil
end

function silent.processes(process)
  local list = {}
  for _, other in ipairs(process.machine.order) do
    list[#list + 1] = {
      pid = other.pid, ppid = other.parent and other.parent.pid or 1, pgrp = other.group, session = other.group,
      state = "S", comm = other.comm, lifetime = (process.machine.now - other.started) / 1e9,
      start_time = other.started // 10000000,
    }
  end
  return list
end

silent.members, visible.kill_member, silent.pidfd = members.members, members.kill_member, members.pidfd

function silent.status(_, raw)
  return real.status(raw)
end

-- ---- The store and notifications. ----

function visible.store(process, text)
  process.engine.stored = text
  return true
end

function silent.stored(process)
  return process.engine.stored
end

function visible.notify_open(process)
  local machine = process.machine
  machine.last_socket = (machine.last_socket or 0) + 1
  local name = "@reaper-lua/" .. machine.last_socket
  machine.sockets[name] = files.notify(name)
  return process:add(machine.sockets[name]), name
end

function visible.notify_read(process, fd)
  local message = process.descriptors:get(fd):read()
  process.has_read = process.has_read or message
  if message then
    return message.text, message.pid, 0
  end
end

function silent.sender(process, pid)
  local found = process.machine.processes[pid]
  if found then
    return found.comm, 0, found.gone or false
  end
end

-- ---- Servers, of which there are none. ----

local ECONNREFUSED = 111

function silent.address_family(_, host)
  return real.address_family(host)
end

function visible.connect()
  return nil, "Connection refused", ECONNREFUSED
end

function silent.connected()
  return nil, "Connection refused", ECONNREFUSED
end

-- ---- Log, clock and values. ----

local LEVELS = { error = 0, warning = 1, info = 2, debug = 3, trace = 4 }

function visible.log(process, level, message, fields)
  if LEVELS[level] <= process.engine.threshold then
    if not fields then -- a traceback
      message = message:gsub("\n", "\n  "):gsub("\n  \t", "\n    ")
    end
    process.engine:log(level, message .. (fields or ""))
  end
end

function silent.log_form()
  return false, false
end

function silent.now(process)
  return process.machine:seconds()
end

function silent.wall_clock(process, time)
  return process:add(files.wall_clock(process.machine, time))
end

function silent.time(process)
  return process.machine.wall + process.machine:seconds()
end

function silent.signal(_, value)
  return real.signal(value)
end

function silent.check_setting(_, key, text)
  return real.check_setting(key, text)
end

function silent.nearest(_, word, list)
  return real.nearest(word, list)
end

function silent.environment(process)
  local list = {}
  for name, value in pairs(process.machine.environment) do
    list[#list + 1] = name .. "=" .. value
  end
  return list
end

-- ---- Descriptors. ----

function visible.pipe(process)
  local reader, writer = files.pipe()
  return process:add(reader), process:add(writer)
end

function visible.open(process, path, mode)
  local machine = process.machine
  if path == "/dev/null" then
    return process:add(files.null())
  elseif path:sub(1, 1) ~= "/" then
    path = machine.folder .. "/" .. path
  end
  if mode == "r" and not machine.texts[path] then
    return nil, path .. ": No such file or directory", ENOENT
  end
  return process:add(files.file(machine.texts, path, mode))
end

function visible.read(process, fd)
  local open = process.descriptors:get(fd)
  if not open then
    return nil, "read: Bad file descriptor", EBADF
  end
  local text = open:read()
  process.has_read = process.has_read or text
  if not text then
    return nil, "read: Resource temporarily unavailable", EAGAIN
  end
  return text
end

function visible.write(process, fd, text)
  local open = process.descriptors:get(fd)
  if not open then
    return nil, "write: Bad file descriptor", EBADF
  elseif not open:write(text) then
    return nil, "write: Broken pipe", EPIPE
  end
  return #text
end

function visible.put(process, fd, text, at)
  return visible.write(process, fd, text:sub(at))
end

function visible.close(process, fd)
  process.watched[fd] = nil
  process.descriptors:close(fd)
end

function silent.fileno() end

function silent.identity() end

function silent.dup(process, fd)
  local open = process.descriptors:get(fd)
  if not open then
    return nil, "Bad file descriptor", EBADF
  end
  open:hold()
  return process:add(open)
end

function silent.is_same(process, fd, other)
  local open = process.descriptors:get(fd)
  return open ~= nil and open == process.descriptors:get(other)
end

-- ---- The table. ----

-- reaper.core for a script process.
function core.new(process)
  local library = {}
  for key, value in pairs(real) do
    if type(value) ~= "function" then
      library[key] = value
    end
  end
  library.has_command, library.restart = process.options.has_command, process.options.restart
  for name, f in pairs(silent) do
    library[name] = function(...)
      if not process.gone then
        return f(process, ...)
      end
    end
  end
  for name, f in pairs(visible) do
    library[name] = function(...)
      if not process.gone then
        process:before_call(name, ...)
        return f(process, ...)
      end
    end
  end
  return library
end

core.real = real

return core
