--- Whether a command can be run: the search that a start would make.

local core = require "reaper.core"
local log = require "reaper.runtime.log"

local command = {}

local DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" -- of src/common/spawn.c
local ENOENT, ENOTDIR = 2, 20

-- A name that is not absolute counts from the directory in which the command starts.
local function path_of(directory, name)
  if name:sub(1, 1) == "/" or not directory then
    return name
  end
  return directory .. "/" .. name
end

local function path_variable(env)
  for _, line in ipairs(env) do
    local value = line:match "^PATH=(.*)$"
    if value then
      return value
    end
  end
  return DEFAULT_PATH
end

-- As execvp(3): a file that cannot be executed is passed by, and told when there is no other.
local function search(name, path, cwd)
  local message, errno = "No such file or directory", ENOENT
  for directory in (path .. ":"):gmatch "([^:]*):" do
    local ok, why, number = core.can_execute(path_of(cwd, path_of(directory ~= "" and directory or ".", name)))
    if ok then
      return true
    elseif number ~= ENOENT and number ~= ENOTDIR then
      message, errno = why, number
    end
  end
  return nil, ("%s (PATH is %s)"):format(message, path), errno
end

--- True; or nil, message, errno for a command whose program is not found or cannot be executed. `env` is a list of
-- NAME=value, `cwd` the directory in which it starts, or nil for that of the caller.
function command.find(name, env, cwd)
  local ok, message, errno
  if name:find("/", 1, true) then
    ok, message, errno = core.can_execute(path_of(cwd, name))
  else
    ok, message, errno = search(name, path_variable(env), cwd)
  end
  if not ok then
    return nil, ("cannot run \"%s\": %s"):format(name, message), errno
  end
  return true
end

--- Warns of such a command, named by `what`: with --check, since it may be there where it is run.
function command.warn(what, name, env, cwd)
  local ok, message = command.find(name, env, cwd)
  if not ok then
    log("warning", what .. ": " .. message)
  end
end

return command
