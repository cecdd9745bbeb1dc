-- Faults in the system calls of one process: strace attaches to the program under test and makes one of them fail.

local uv = require "luv"
local container = require "spec.support.container"

local faults = {}

-- What each call may fail with. Where there is a pattern, only calls whose sort matches it fail so.
local ERRNOS = {
  brk = { "ENOMEM" },
  chdir = { "EACCES", "ENOENT" },
  clone = { "EAGAIN", "ENOMEM", { "EINVAL", "CLONE_PIDFD" } },
  epoll_ctl = { "ENOMEM", "ENOSPC" },
  epoll_pwait = { "EINTR" },
  epoll_wait = { "EINTR" },
  fcntl = { { "EMFILE", "F_DUPFD" }, { "EBADF", "F_GETFD" } },
  getcwd = { "ENOENT", "ENOMEM" },
  getdents64 = { "ENOMEM", "ENOENT" },
  getrandom = { "ENOSYS", "EAGAIN" },
  ioctl = { "ENOTTY", "EINVAL", "EIO" },
  kill = { "EPERM", { "ESRCH", "^kill%(N" } }, -- of -1 it says that nobody is left
  madvise = { "ENOMEM", "EFAULT", "EINVAL", "EPERM" },
  memfd_create = { "ENOSYS", "EMFILE", "ENOMEM" },
  mmap = { "ENOMEM" },
  mprotect = { "ENOMEM" },
  mremap = { "ENOMEM" },
  munmap = { "ENOMEM" },
  openat = { "EMFILE", "ENFILE", "ENOMEM", "EACCES", "ENOENT" },
  pidfd_open = { "EMFILE", "ENFILE", "ENOMEM", "ENOSYS", "EPERM", "EINVAL" },
  pidfd_send_signal = { "EPERM", "ENOSYS" }, -- ESRCH says that it is gone
  pipe2 = { "EMFILE", "ENFILE", "ENOMEM" },
  poll = { "EINTR", "ENOMEM" },
  ppoll = { "EINTR", "ENOMEM" },
  prctl = { "EINVAL", "EPERM" },
  read = { "EINTR", { "EAGAIN", "signalfd" }, { "ENOMEM", "/proc/" }, { "ESRCH", "/proc/N/stat" } },
  readlink = { "ENOENT", "ENOMEM", "EACCES" },
  recvmsg = { "EINTR", "EAGAIN", "ENOMEM", "ECONNRESET" },
  rt_sigqueueinfo = { "EAGAIN", "EPERM", "ESRCH" },
  sendmsg = { "EINTR", "EAGAIN", "ENOBUFS", "ENOMEM", "EPIPE", "ETOOMANYREFS" },
  sendto = { "EINTR", "ENOBUFS", "ENOMEM" }, -- the script waits for room, and for an engine that is gone nothing counts
  setpgid = { "EACCES", "EPERM", "ESRCH" },
  shutdown = { "ENOTCONN" },
  signalfd4 = { "EMFILE", "ENFILE", "ENOMEM", "ENODEV" },
  socketpair = { "EMFILE", "ENFILE", "ENOMEM" },
  rt_sigtimedwait = { "EINTR", "EAGAIN" },
  timerfd_create = { "EMFILE", "ENFILE", "ENOMEM" },
  timerfd_settime = { "EINVAL", "ENOMEM" },
  vfork = { "EAGAIN", "ENOMEM" },
  wait4 = { "EINTR", "ECHILD" },
  waitid = { "EINTR", "ECHILD" },
  write = { "EAGAIN", "EPIPE", "ENOSPC", "EINTR", "EIO" },
}

-- A call that nobody has thought of.
local ERRNOS_OF_OTHERS = { "EINVAL", "EPERM", "ENOMEM", "ENOSYS" }

-- With right arguments these do not fail. close does, but has closed then, which strace cannot do.
local SURE = {}
for name in ([[close exit_group geteuid getgid getpgrp getpid getppid getuid restart_syscall rt_sigaction
  rt_sigprocmask]]):gmatch("%S+") do
  SURE[name] = true
end

-- Why nothing can be traced here, or nil.
function faults.missing()
  if container.sanitized then
    return "the sanitizers make calls of their own, which may not fail"
  elseif container.binary:find("build/coverage/", 1, true) then
    return "what counts the lines makes calls of its own, and loses its counts when they fail"
  elseif not os.execute("strace -o /dev/null true 2>/dev/null") then
    return "strace is missing, or not allowed"
  end
end

-- Attaches strace with these words to a process of the container. What it sees goes to the file `name`. Gives a
-- function that ends it.
local function attach(c, pid, name, words)
  local list = { "-p", tostring(pid), "-y", "-s", "0", "-e", "signal=none", "-o", c:file(name) }
  local said = assert(uv.fs_open(c:file(name .. ".said"), "a", tonumber("600", 8)))
  local handle = assert(uv.spawn("strace", {
    args = table.move(words, 1, #words, #list + 1, list),
    stdio = { nil, nil, said },
  }, function() end))
  uv.fs_close(said)
  c:until_true(function()
    return (c:read(name .. ".said") or ""):find("attached", 1, true)
  end, 5, "strace")
  return function()
    handle:kill "sigint" -- it lets go of all that it traces
  end
end

local function is_asleep(pid)
  return (container.read_file("/proc/" .. pid .. "/stat") or ""):find(") S ", 1, true)
end

-- The words for strace that make a call fail once.
local function words_for(fault)
  local how = fault.name == "brk" and "retval=0" or "error=" .. fault.errno -- brk says so by what it gives
  return { "-e", "trace=" .. fault.name, "-e", ("inject=%s:%s:when=%d"):format(fault.name, how, fault.index) }
end

-- A container in which the program under test is traced from its first call on. A shell holds its place until then.
-- `words` are strace's, in place of a fault. Gives the container, and a function that ends the trace.
function faults.start(options, fault, words)
  local all = { program = { "/bin/sh", "-c", 'echo attach; read -r line; exec "$0" "$@"', container.binary } }
  for key, value in pairs(options) do
    all[key] = value
  end
  local c = container.start(all)
  c:expect("^attach\n")
  c:until_true(function()
    return is_asleep(c.pid)
  end, 5, "the shell")
  local detach = attach(c, c.pid, "trace", words or fault and words_for(fault) or {})
  c:write("go\n")
  return c, detach
end

-- The same for a process that runs already; calls are counted from here on.
function faults.attach(c, process, fault, words)
  c.attached_late = true
  return attach(c, process.pid, "trace", words or fault and words_for(fault) or {})
end

-- Stretches a moment: each of these calls of a process that runs already, and of what it starts, begins so much later.
function faults.delay(c, process, call, seconds)
  attach(c, process.pid, "delay-" .. process.nspid, { "-f", "-e", "trace=" .. call, "-e",
    ("inject=%s:delay_enter=%d"):format(call, seconds * 1000000) })
end

-- True when the call has been made to fail.
function faults.happened(c)
  return (c:read("trace") or ""):find("(INJECTED)", 1, true) ~= nil
end

-- What is the same in every run: a call without numbers, addresses and what was read.
local function sort(c, line)
  local text = line:gsub("%)%s+= [^=]*$", ")"):gsub("%)%s+= %d+ %(.*$", ")")
  text = text:gsub('""%.%.%.', '""'):gsub("^(p?poll%()%b[]", "%1[]")
  text = text:gsub("%b{}", "P"):gsub("0x%x+", "P"):gsub(":%[%d+%]", ""):gsub("/%d+", "/N")
  text = text:gsub("([(,%[ ])%d+", "%1N")
  return (text:gsub(c.folder:gsub("%p", "%%%0"), "FOLDER"))
end

-- True when it was one with another descriptor: the shell and the loader, whose calls count, made more or fewer.
function faults.hit_another(c, fault)
  local hit = (c:read("trace") or ""):match("([^\n]*)%(INJECTED%)")
  local wanted = fault.sort:match("^[%w_]+%(N<[^,)]*")
  return hit ~= nil and wanted ~= nil and sort(c, hit):match("^[^,)]*") ~= wanted
end

-- The calls that the traced program has made since its start: their name, which of its name it was, and its sort.
function faults.calls(c)
  local list, counts, started = {}, {}, c.attached_late
  for line in (c:read("trace") or ""):gmatch("[^\n]+") do
    local call = line:match("^([%l%d_]+)%(")
    if call then
      counts[call] = (counts[call] or 0) + 1
      started = started or call == "getppid" -- the first that main makes
      list[#list + 1] = started and { name = call, index = counts[call], sort = sort(c, line) } or nil
    end
  end
  return list
end

-- The errnos that a call of this sort may fail with.
local function errnos_of(call)
  local list = {}
  for _, errno in ipairs(SURE[call.name] and {} or ERRNOS[call.name] or ERRNOS_OF_OTHERS) do
    if type(errno) == "string" then
      list[#list + 1] = errno
    elseif call.sort:find(errno[2]) then
      list[#list + 1] = errno[1]
    end
  end
  return list
end

-- Every fault of every call.
function faults.all(calls)
  local list = {}
  for _, call in ipairs(calls) do
    for _, errno in ipairs(errnos_of(call)) do
      list[#list + 1] = { name = call.name, index = call.index, sort = call.sort, errno = errno }
    end
  end
  return list
end

-- Those of the first call of each sort; of a sort that is in `tried`, which grows, only so many as `again` says.
function faults.first(calls, tried, again)
  local list, firsts = {}, {}
  for _, fault in ipairs(faults.all(calls)) do
    local first = firsts[fault.sort] or { index = fault.index, left = tried[fault.sort] and again or math.huge }
    if fault.index == first.index and first.left > 0 then
      first.left = first.left - 1
      list[#list + 1] = fault
    end
    firsts[fault.sort] = first
  end
  for sort_of_call in pairs(firsts) do
    tried[sort_of_call] = true
  end
  return list
end

return faults
