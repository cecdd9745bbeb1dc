-- A container in virtual time: the real files of lua/reaper in the specs' own process, over a machine whose clock goes
-- on only when nothing else can happen. It takes what container.start takes and gives what that gives, so a spec may
-- have both: what is started with a `mode` is a container of the program under test. With SPEC_REAL=1 all are but those
-- whose programs are Lua functions.

local container = require "spec.support.container"
local engine = require "spec.support.virtual.engine"
local machine = require "spec.support.virtual.machine"
local program = require "spec.support.virtual.program"
local signals = require "spec.support.signals"
local watching = require "spec.support.watching"

require "spec.support.virtual.programs"
require "spec.support.virtual.shell"

local virtual = { is_real = os.getenv "SPEC_REAL" == "1" }

local FOLDER = "/virtual"
local WALL = 1767225600 - 1000 -- the clock on the wall begins in 2026

local Container = setmetatable({}, { __index = watching })
Container.__index = Container

local KEYS = {}
for key in ("script script_path args command env files cwd programs clock limit"):gmatch "%S+" do
  KEYS[key] = true
end

local function expand(text)
  return (tostring(text):gsub("{folder}", FOLDER))
end

-- ---- Starting. ----

local function programs_of(given)
  local programs = {}
  for _, list in ipairs { program.builtins, given or {} } do
    for name, run in pairs(list) do
      programs[name] = run
    end
  end
  return programs
end

local function settings_of(arguments)
  local settings, options = {}, {}
  for i = 1, #(arguments or {}), 2 do
    local key = arguments[i]:match "^%-%-(.*)":gsub("-", "_")
    if key == "restart" then
      options.restart = arguments[i + 1]
    else
      settings[key] = assert(tonumber(arguments[i + 1]), arguments[i])
    end
  end
  return settings, options
end

local function words_of(list)
  local words = {}
  for i, word in ipairs(list or {}) do
    words[i] = expand(word)
  end
  return list and words
end

local function environment_of(given)
  local environment = { PATH = "/usr/bin:/bin" }
  for name, value in pairs(given or {}) do
    environment[name] = value and expand(value) or nil
  end
  return environment
end

-- What each new script process is given; the script is read again then.
local function script_source(self, options, command)
  local path = options.script_path or FOLDER .. "/hooks.lua"
  local _, more = settings_of(options.args)
  return function()
    return {
      text = self.machine.texts[path] or assert(container.read_file(path)), path = path, command = command,
      has_command = command ~= nil, restart = more.restart,
    }
  end
end

local function check_keys(options)
  for key in pairs(options) do
    if not KEYS[key] then
      error("virtual.start: unknown key " .. tostring(key), 3)
    end
  end
end

local function is_real(options)
  return options.mode ~= nil or (virtual.is_real and not options.programs)
end

-- Starts a container. `programs`: functions by name, as in program.lua; `clock`: the time on the wall at the start.
function virtual.start(options)
  if is_real(options) then
    return container.start(options)
  end
  check_keys(options)
  local self = setmetatable({ mode = "virtual", folder = FOLDER }, Container)
  self.machine = machine.new {
    programs = programs_of(options.programs), environment = environment_of(options.env), folder = FOLDER,
  }
  self.machine.wall = options.clock and options.clock - 1000 or WALL
  for name, text in pairs(options.files or {}) do
    self.machine.texts[self:file(name)] = expand(text)
  end
  if options.script then
    self.machine.texts[FOLDER .. "/hooks.lua"] = expand(options.script)
  end
  local command = words_of(options.command)
  self.engine = engine.new(self.machine, {
    script = script_source(self, options, command), command = command, settings = settings_of(options.args),
  })
  self.engine:start_first()
  return self
end

-- Runs one to its end: exit code, stdout, stderr.
function virtual.run(options)
  if is_real(options) then
    return container.run(options)
  end
  local self = virtual.start(options)
  return self:wait(options.limit or 1000), self:out(), self:err()
end

-- ---- Time. ----

-- Goes on to the next moment, but not beyond the limit. False when nothing will happen by then.
local function step(self, limit)
  local moment = self.engine.state ~= "done" and self.machine:next_moment()
  if not moment or moment > limit then
    self.machine:set_time(limit < math.maxinteger and limit or self.machine.now)
    return false
  end
  self.machine:set_time(moment)
  return true
end

function Container:settle()
  if self.engine.state ~= "done" then
    self.machine:settle()
  end
end

-- Lets time pass until the function returns something true, at most so many seconds, and returns that.
function Container:until_true(condition, seconds, what)
  local limit = self.machine:after(seconds or 10)
  while true do
    self:settle()
    local result = condition()
    if result then
      return result
    end
    self:settle()
    if not step(self, limit) then
      result = condition()
      if result then
        return result
      end
      error(self:report("timed out waiting for " .. (what or "a condition")), 2)
    end
  end
end

function Container:advance(seconds)
  local limit = self.machine:after(seconds)
  repeat
    self:settle()
  until not step(self, limit)
  self:settle()
end

-- Sets the clock on the wall so many seconds forward, or back.
function Container:set_clock(seconds)
  self:settle()
  self.machine.wall, self.machine.clock_sets = self.machine.wall + seconds, self.machine.clock_sets + 1
  self:settle()
end

-- The seconds since the start.
function Container:now()
  return self.machine:seconds() - 1000
end

-- ---- Looking. ----

function Container:file(name)
  return self.folder .. "/" .. name
end

function Container:read(name)
  self:settle()
  return self.machine.texts[self:file(name)]
end

function Container:write_file(name, text)
  self.machine.texts[self:file(name)] = expand(text)
end

function Container:touch(name)
  self:write_file(name, "")
end

function Container:out()
  self:settle()
  return self.machine.stdout
end

function Container:err()
  self:settle()
  return self.machine.stderr
end

-- The exit code, or nil while it runs.
function Container:ended()
  self:settle()
  return self.engine.code
end

-- The processes, with the fields that those of a container have.
function Container:processes()
  self:settle()
  local list = {}
  for _, process in ipairs(self.machine.order) do
    list[#list + 1] = {
      pid = process.pid, nspid = process.pid, ppid = process.parent and process.parent.pid or 1, comm = process.comm,
      args = table.concat(process.argv, " "), state = process.is_stopped and "T" or "S", pgrp = process.group,
    }
  end
  return list
end

function Container:describe()
  local names = {}
  for _, process in ipairs(self.machine.order) do
    names[#names + 1] = ("%d %s"):format(process.pid, process.comm)
  end
  return table.concat(names, "\n")
end

function Container:zombies()
  self:settle()
  local count = 0
  for _, process in ipairs(self.machine.order) do
    count = count + #process.zombies
  end
  return count
end

-- ---- Acting. ----

-- Sends a signal to reaper-lua, or to a process of the container.
function Container:kill(signal, pid)
  self:settle()
  if self.engine.state == "done" then
    return nil, "not running"
  elseif pid then
    return self.machine:kill(pid, signals.number(signal)) and 0 or nil
  end
  self.engine:signal(signals.number(signal))
  return 0
end

-- From now on f(number, name, script process, arguments…) is called before each call that is seen from outside. A
-- script process whose is_to_be_lost it sets is lost there, and with it what its has_read tells.
function Container:watch_calls(f)
  self.machine.calls, self.machine.watch_call = 0, f
end

function Container:close()
  self.engine.state = "done"
end

return virtual
