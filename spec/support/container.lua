-- A container for one spec: the program under test in a new PID namespace, either as process 1 ("init") or as a
-- child of the helper, which is process 1 then ("subreaper").

local uv = require "luv"
local processes = require "spec.support.processes"
local signals = require "spec.support.signals"
local watching = require "spec.support.watching"

local launch = assert(package.loadlib("build/launch.so", "luaopen_launch"))()

local container = {
  modes = { "init", "subreaper" },
  slow = tonumber(os.getenv("SPEC_SLOW")) or 1, -- so many times as long may something take
  company = math.max(1, tonumber(os.getenv("SPEC_COMPANY")) or 1), -- spec files for each processor at once
  sanitized = os.getenv("SPEC_SANITIZED") == "1",
}

-- What is written to a container that has ended must not end the specs.
local pipe_signal = uv.new_signal()
pipe_signal:start("sigpipe", function() end)
pipe_signal:unref()

-- Between two looks: what comes at once is seen at once, and what takes long costs no more than it must.
local FIRST_NAP_MS, LAST_NAP_MS = 1, 16
-- How long something that must come is waited for where a spec does not say it. It says nothing about how long it may
-- take, only when to give up, which is later in company.
local PATIENCE_SECONDS = 10 * container.company
local LIMIT_SECONDS = math.ceil(6 * PATIENCE_SECONDS * container.slow)

local Container = setmetatable({}, { __index = watching })
Container.__index = Container

local open_containers = {}

local function absolute(path)
  return path:sub(1, 1) == "/" and path or uv.cwd() .. "/" .. path
end

container.binary = absolute(os.getenv("REAPER") or "reaper-lua")
container.comm = container.binary:match("[^/]*$"):sub(1, 15) -- its name, as the kernel keeps it
container.under = os.getenv("SPEC_UNDER") and absolute(os.getenv("SPEC_UNDER")) -- what runs the program under test
container.helper = absolute(os.getenv("SPEC_HELPER") or "build/spec-helper")
container.signal_number = signals.number

-- Everything that may stand in the table given to start, so that a misspelt key is told.
local KEYS = {}
for key in ([[mode script script_path args command raw env clear_env ignore block close no_proc full_stderr tty
  report_left cwd files wrap limit program]]):gmatch("%S+") do
  KEYS[key] = true
end

local function check_keys(options)
  for key in pairs(options) do
    if not KEYS[key] then
      error("container.start: unknown key " .. tostring(key), 4)
    end
  end
end

local function append(list, ...)
  for _, word in ipairs({ ... }) do
    list[#list + 1] = tostring(word)
  end
  return list
end

local function append_all(list, words)
  return append(list, table.unpack(words or {}))
end

local function write_file(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end

local read_file = processes.read

container.read_file = read_file

-- "{folder}" stands for the container's folder in the script, in all words and in the environment.
local function expand(self, text)
  return (tostring(text):gsub("{folder}", self.folder))
end

-- What the container's folder has in it from the start: name -> text. It can be run.
local function write_files(self, files)
  for name, text in pairs(files or {}) do
    write_file(self:file(name), expand(self, text))
    assert(uv.fs_chmod(self:file(name), tonumber("700", 8)))
  end
end

-- The program's own words: options, script, "--", command.
local function program_words(self, options)
  if options.raw then
    return options.raw
  end
  local words = append_all({}, options.args)
  if options.script then
    write_file(self:file("hooks.lua"), expand(self, options.script))
    append(words, self:file("hooks.lua"))
  elseif options.script_path then
    append(words, options.script_path)
  end
  if options.command then
    append_all(append(words, "--"), options.command)
  end
  return words
end

local function add_signals(words, option, list)
  if list then
    local numbers = {}
    for index, signal in ipairs(list) do
      numbers[index] = signals.number(signal)
    end
    append(words, option, table.concat(numbers, ","))
  end
end

local function setup_words(self, options)
  local words = { container.helper, options.mode == "subreaper" and "host" or "exec" }
  add_signals(words, "--ignore", options.ignore)
  add_signals(words, "--block", options.block)
  if options.close then
    append(words, "--close", table.concat(options.close, ","))
  end
  for _, flag in ipairs({ "no_proc", "full_stderr", "tty", "report_left" }) do
    if options[flag] then
      append(words, "--" .. flag:gsub("_", "-"))
    end
  end
  return append(words, "--ready", self:file("ready"), "--")
end

local function command_line(self, options)
  local words = { container.helper, "limit", tostring(options.limit or LIMIT_SECONDS), "--" }
  if options.tty then
    append(words, container.helper, "pty", "--")
  end
  append(words, container.helper, "contain", "--")
  append_all(words, options.wrap)
  append_all(words, setup_words(self, options))
  if container.under then
    append(words, container.under, self.folder:match "[^/]+$")
  end
  append_all(words, options.program or { container.binary })
  append_all(words, program_words(self, options))
  for index, word in ipairs(words) do
    words[index] = expand(self, word)
  end
  return words
end

local function environment(self, options)
  local values = options.clear_env and {} or uv.os_environ()
  for name, value in pairs(options.env or {}) do
    values[name] = value and expand(self, value) or nil
  end
  local list = {}
  for name, value in pairs(values) do
    list[#list + 1] = name .. "=" .. value
  end
  return list
end

local function open_output(path)
  return assert(uv.fs_open(path, "a", tonumber("600", 8)))
end

local function spawn(self, options, words)
  local input = assert(uv.pipe({}, {}))
  local out, err = open_output(self:file("stdout")), open_output(self:file("stderr"))
  local folder = options.cwd and expand(self, options.cwd)
  self.outer_pid = launch.spawn(words, environment(self, options), folder, input.read, out, err)
  for _, descriptor in ipairs({ input.read, out, err }) do
    uv.fs_close(descriptor)
  end
  self.input = input.write
end

-- True when the container has ended.
local function ended(self)
  if not self.code then
    uv.run("nowait") -- for what else a spec has started
    self.code = launch.ended(self.outer_pid)
  end
  return self.code ~= nil
end

-- The kernel drops what is sent to process 1 before it has blocked or handled it, so reaper-lua has to get that far.
local function takes_signals(view, process)
  if container.under then -- valgrind blocks them before the program does
    return view:waits_for_signals(process.nspid)
  end
  return not process.comm:find "^reaper%-lua" or view:blocks_signals(process.nspid)
end

-- The namespace and the program's pid, once the helper has become the program: exec replaces its arguments.
local function find_program(self, options)
  local nspid = tonumber((read_file(self:file("ready")) or ""):match("^(%d+)\n"))
  if not nspid then
    return false
  end
  self.view = self.view or processes.below(self.outer_pid)
  local found = self.view and self.view:find(nspid)
  if found and not found.args:find("--ready " .. self:file("ready"), 1, true)
    and (options.program or takes_signals(self.view, found)) then
    self.pid, self.nspid = found.pid, nspid
  end
  return self.pid ~= nil
end

-- Starts a container and returns as soon as the program under test runs in it, or has ended already.
function container.start(options)
  check_keys(options)
  local self = setmetatable({ mode = options.mode or "init" }, Container)
  self.folder = assert(uv.fs_mkdtemp("/tmp/reaper-lua-spec-XXXXXX"))
  open_containers[self] = true
  write_files(self, options.files)
  spawn(self, options, command_line(self, options))
  self:until_true(function()
    return ended(self) or find_program(self, options)
  end, nil, "the program to start")
  return self
end

-- Runs one to its end, with nothing on stdin: exit code, stdout, stderr.
function container.run(options)
  local self = container.start(options)
  self:close_input()
  local code = self:wait(options.limit)
  local out, err = self:out(), self:err()
  self:close()
  return code, out, err
end

function container.close_all()
  for self in pairs(open_containers) do
    self:close()
  end
end

-- One describe block for each mode.
function container.each_mode(define)
  local busted = require "busted"
  for _, mode in ipairs(container.modes) do
    busted.describe("as " .. mode, function()
      define(mode)
    end)
  end
end

function Container:file(name)
  return self.folder .. "/" .. name
end

-- A file of the folder, or nil.
function Container:read(name)
  return read_file(self:file(name))
end

function Container:out()
  return self:read("stdout") or ""
end

function Container:err()
  return self:read("stderr") or ""
end

-- The exit code, or nil while it runs.
function Container:ended()
  return ended(self) and self.code or nil
end

-- Polls until the function returns something true, and returns that.
function Container:until_true(condition, seconds, what)
  local deadline = uv.hrtime() + (seconds or PATIENCE_SECONDS) * container.slow * 1e9
  local nap = FIRST_NAP_MS
  while true do
    local result = condition()
    if result then
      return result
    end
    if uv.hrtime() > deadline then
      error(self:report("timed out waiting for " .. (what or "a condition")), 2)
    end
    uv.sleep(nap)
    nap = math.min(2 * nap, LAST_NAP_MS)
  end
end

-- Only ever a process of this container: the pid may have been given to another one since.
local function belongs(self, pid)
  return not ended(self) and self.view ~= nil and self.view:has(pid)
end

-- Sends a signal from outside to the program under test, or to another process of the container by its outer pid.
function Container:kill(signal, ...)
  local pid = self.pid
  if select("#", ...) > 0 then
    pid = ... -- nil for one that has gone, which must not hit process 1 instead
  end
  if not pid or not belongs(self, pid) then
    return nil, "not running"
  end
  return uv.kill(pid, signals.number(signal))
end

-- The same with a value, as sigqueue does.
function Container:queue(signal, value)
  if not belongs(self, self.pid) then
    return nil, "not running"
  end
  return os.execute(("%s send %d %d %d"):format(container.helper, signals.number(signal), self.pid, value))
end

function Container:write(text)
  return uv.fs_write(self.input, text)
end

-- The end of stdin. On a terminal write "\4" instead.
function Container:close_input()
  if self.input then
    uv.fs_close(self.input)
    self.input = nil
  end
end

-- All processes inside, in the order of their pids there; see processes.lua for the fields.
function Container:processes()
  return self.view and self.view:list() or {}
end

function Container:describe()
  return self.view and self.view:describe() or ""
end

function Container:zombies()
  local count = 0
  for _, process in ipairs(self:processes()) do
    count = count + (process.state == "Z" and 1 or 0)
  end
  return count
end

local function wait_at_most(seconds, condition)
  local deadline = uv.hrtime() + seconds * 1e9
  while not condition() and uv.hrtime() < deadline do
    uv.sleep(1)
  end
end

-- Process 1 goes first, so that the helper collects it: left to the machine's init, it can stay a zombie for seconds.
local function end_first(self)
  local first = self.view and self.view.first
  if first and belongs(self, first) then
    uv.kill(first, "sigkill")
    wait_at_most(2, function()
      return ended(self)
    end)
  end
end

-- It has not been waited for, so the pid is still this process's own when it is killed. The namespace dies with the
-- helper, a moment later.
local function end_outer(self)
  end_first(self)
  if not ended(self) then
    uv.kill(self.outer_pid, "sigkill")
  end
  wait_at_most(10, function()
    return ended(self) and (not self.view or self.view:is_over())
  end)
end

local function remove_folder(path)
  for entry, kind in uv.fs_scandir_next, assert(uv.fs_scandir(path)) do
    local inner = path .. "/" .. entry
    if kind == "directory" then
      remove_folder(inner)
    else
      uv.fs_unlink(inner)
    end
  end
  uv.fs_rmdir(path)
end

-- Ends whatever is left in it and removes its folder. It may be called again.
function Container:close()
  if not open_containers[self] then
    return
  end
  open_containers[self] = nil
  end_outer(self)
  uv.run("nowait") -- what else a spec has started and closed
  self:close_input()
  remove_folder(self.folder)
end

-- A net below the specs' own after_each: what a file left open ends with it.
local has_busted, busted = pcall(require, "busted")
if has_busted and busted.subscribe then
  busted.subscribe({ "file", "end" }, function()
    container.close_all()
    return nil, true
  end)
end

return container
