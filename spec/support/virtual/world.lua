-- The Lua world of one script process: libraries of its own, whose clock and files are those of the machine.

local files = require "spec.support.virtual.files"

local script -- spec.support.virtual.script, which needs this file, too

local world = {}

local World = {}
World.__index = World

local INSTRUCTIONS = 400000 -- what a hook may compute within --hook-timeout
local EXPIRED = "computed for too long without yielding (--hook-timeout)"
local EXIT = "the script ends (os.exit)"

local function copy(library)
  local fresh = {}
  for key, value in pairs(library) do
    fresh[key] = value
  end
  return fresh
end

-- ---- Modules. ----

local chunks = {} -- path -> compiled text, for all worlds

local function compile(path, env)
  if not chunks[path] then
    local file <close> = assert(io.open(path))
    local name = "@" .. path:gsub("^lua/", "") -- as in the binary
    chunks[path] = string.dump(assert(load(file:read "a", name, "t")))
  end
  return assert(load(chunks[path], nil, "b", env))
end

local function find_module(name)
  local path = "lua/" .. name:gsub("%.", "/")
  for _, candidate in ipairs { path .. ".lua", path .. "/init.lua" } do
    local file = chunks[candidate] or io.open(candidate)
    if file then
      if io.type(file) == "file" then
        file:close()
      end
      return candidate
    end
  end
end

local function requirer(self, core)
  local env = self.env
  local loaded = { ["reaper.core"] = core }
  env.package.loaded = loaded
  return function(name)
    if loaded[name] == nil then
      local path = find_module(name)
      if not path then
        error(("module '%s' not found"):format(name), 2)
      end
      local result = compile(path, env)(name, path)
      loaded[name] = result == nil and true or result
    end
    return loaded[name]
  end
end

-- ---- Coroutines, under the watch-dog. ----

-- Raises in the coroutine again and again until the call has been left.
local function unwind(self, co)
  debug.sethook(co, function()
    if self.unwinding then
      error(self.unwinding, 2)
    end
    debug.sethook(co)
  end, "", 1)
end

local function limit(self, co)
  debug.sethook(co, function()
    self.unwinding = EXPIRED
    unwind(self, co)
    error(EXPIRED, 2)
  end, "", INSTRUCTIONS)
end

local function resume_limited(self, co, ...)
  if coroutine.status(co) == "suspended" and self.machine_settings().hook_timeout > 0 then
    limit(self, co)
  end
  return script.pass_on(coroutine.resume(co, ...))
end

local function failure(self, co, message)
  local unwinding = self.unwinding
  self.unwinding = nil
  debug.sethook(co)
  if unwinding == EXIT then
    coroutine.close(co)
    return nil
  end
  local fine, text = pcall(tostring, message)
  message = fine and text or ("(an error that is a %s)"):format(type(message))
  local traceback = debug.traceback(co, message)
  coroutine.close(co)
  return false, message, traceback
end

local function settled(self, co, ok, ...)
  if not ok then
    return failure(self, co, (...))
  end
  self.unwinding = nil
  debug.sethook(co)
  return true, ...
end

-- core.resume
local function resume(self, co, _, ...)
  return settled(self, co, resume_limited(self, co, ...))
end

-- Coroutines of the script's own: when the call is being left, the error goes on in the caller.
local function inner(self, ...)
  if self.unwinding then
    unwind(self, (coroutine.running()))
    error(self.unwinding, 0)
  end
  return ...
end

local function raise_unless(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

local function coroutine_library(self)
  local library = copy(coroutine)
  function library.resume(co, ...)
    return inner(self, resume_limited(self, co, ...))
  end
  function library.wrap(f)
    local co = coroutine.create(f)
    return function(...)
      return raise_unless(inner(self, resume_limited(self, co, ...)))
    end
  end
  return library
end

-- ---- Libraries. ----

local function os_library(self)
  local machine, library = self.machine, copy(os)
  function library.time(date)
    return date and os.time(date) or math.floor(machine.wall + machine:seconds())
  end
  function library.date(format, at)
    return os.date(format, at or library.time())
  end
  function library.clock()
    return 0
  end
  function library.getenv(name)
    return machine.environment[name]
  end
  function library.execute()
    error("os.execute is not there in a virtual container", 2)
  end
  return library
end

local Handle = {}
Handle.__index = Handle

function Handle:write(...)
  self.process:before_call("write", ...)
  for _, text in ipairs { ... } do
    self.open:write(tostring(text))
  end
  return self
end

function Handle:read(format)
  local text = self.rest or self.open:read()
  if format == "a" then
    self.rest = ""
    return text
  end
  local line = text:match "^([^\n]*)\n" or (text ~= "" and text or nil)
  self.rest = line and text:sub(#line + 2) or text
  return line
end

function Handle:lines()
  return function()
    return self:read "l"
  end
end

function Handle.close()
  return true
end

local function io_library(process)
  local machine = process.machine
  local function handle(open)
    return setmetatable({ process = process, open = open }, Handle)
  end
  local stdout = handle(process.descriptors:get(1))
  local library = { stdout = stdout, stderr = handle(process.descriptors:get(2)) }
  function library.type(value)
    return getmetatable(value) == Handle and "file" or nil
  end
  function library.write(...)
    return stdout:write(...)
  end
  function library.open(path, mode)
    if path:sub(1, #machine.folder) ~= machine.folder then
      return io.open(path, mode)
    elseif (mode or "r"):sub(1, 1) == "r" and not machine.texts[path] then
      return nil, path .. ": No such file or directory", 2
    end
    process:before_call "open"
    return handle(files.file(machine.texts, path, (mode or "r"):sub(1, 1)))
  end
  return library
end

-- Objects with __gc are not left to the specs' own collector: their time comes when the process has ended.
local function set_metatable(self, object, metatable)
  local finalizer = type(metatable) == "table" and rawget(metatable, "__gc")
  if not finalizer then
    return setmetatable(object, metatable)
  end
  metatable.__gc = nil
  setmetatable(object, metatable)
  metatable.__gc = finalizer
  table.insert(self.finalized, object)
  return object
end

-- The same numbers each time.
local function math_library()
  local library, state = copy(math), 1
  function library.random(low, high)
    state = state * 16807 % 2147483647
    local part = state / 2147483647
    if not low then
      return part
    end
    low, high = high and low or 1, high or low
    return low + math.floor(part * (high - low + 1))
  end
  return library
end

local function base_library(self, env)
  for _, name in ipairs { "error", "ipairs", "pairs", "next", "pcall", "xpcall", "rawequal", "rawget", "rawlen",
    "rawset", "select", "tonumber", "tostring", "type", "getmetatable", "collectgarbage", "_VERSION" } do
    env[name] = _G[name]
  end
  env._G = env
  function env.assert(value, ...)
    if not value then
      error(... == nil and "assertion failed!" or (...), 0)
    end
    return value, ...
  end
  function env.setmetatable(object, metatable)
    return set_metatable(self, object, metatable)
  end
  function env.load(chunk, name, mode, ...)
    return load(chunk, name, mode, select("#", ...) > 0 and ... or env)
  end
  function env.print(...)
    local words = table.pack(...)
    for i = 1, words.n do
      words[i] = tostring(words[i])
    end
    env.io.write(table.concat(words, "\t") .. "\n")
  end
end

local function environment(self, process)
  local env = {
    string = copy(string), table = copy(table), utf8 = copy(utf8), debug = copy(debug), math = math_library(),
    coroutine = coroutine_library(self), os = os_library(self), io = io_library(process), package = { path = "" },
  }
  base_library(self, env)
  return env
end

function world.new(process, core)
  script = script or require "spec.support.virtual.script"
  local self = setmetatable({ process = process, machine = process.machine, finalized = {} }, World)
  self.machine_settings = function() return process.settings end
  self.env = environment(self, process)
  self.env.require = requirer(self, core)
  function core.resume(co, ...)
    return resume(self, co, ...)
  end
  core.give_up = coroutine.close
  function core.exit(code)
    process:before_call "exit"
    process.engine:order(process, core.ORDER_EXIT, { number = code })
    self.unwinding = EXIT
    unwind(self, (coroutine.running()))
    error(EXIT, 0)
  end
  return self
end

-- Runs the script to the end of its process: the exit code. `options`: text, path, words of COMMAND.
function World:run(options)
  local env = self.env
  env.arg = { [0] = options.path }
  for i, word in ipairs(options.command or {}) do
    env.arg[i] = word
  end
  env.reaper = env.require "reaper"
  local chunk, message = load(options.text, "@" .. options.path, "t", env)
  local code = env.require "reaper.runtime.script"(chunk, message)
  for i = #self.finalized, 1, -1 do
    local object = self.finalized[i]
    getmetatable(object).__gc(object)
  end
  return code
end

return world
