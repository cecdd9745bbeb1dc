-- Lua programs that load the library: `lua5.4 file` in place of reaper-lua.

local busted = require "busted"
local uv = require "luv"
local container = require "spec.support.container"

local program = {}

local folder = uv.cwd()

program.env = {
  LUA_PATH_5_4 = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(folder, folder),
  LUA_CPATH_5_4 = ("%s/%s/?.so;%s/build/luaposix/?.so;;"):format(folder, os.getenv("SPEC_BUILD") or "build", folder),
}

-- A sanitized library needs the sanitizer in the program that loads it.
local interpreter = { "/usr/bin/lua5.4" }
if os.getenv("SPEC_PRELOAD") then
  interpreter = { "/usr/bin/env", "LD_PRELOAD=" .. os.getenv("SPEC_PRELOAD"), "/usr/bin/lua5.4" }
end

-- What container.start takes, for the program in `text`.
local function with(text, options)
  local all = { script = text, program = interpreter }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  all.env = {}
  for _, env in ipairs { program.env, options and options.env or {} } do
    for name, value in pairs(env) do
      all.env[name] = value
    end
  end
  return all
end

-- Starts a program in a container. It is the engine's pid that c.pid names, from reaper.start on: wait for something
-- that the program prints after that. `options` are those of container.start.
function program.start(text, options)
  return container.start(with(text, options))
end

-- Runs one to its end, with nothing on stdin: exit code, stdout, stderr.
function program.run(text, options)
  return container.run(with(text, options))
end

-- The same where nothing may go wrong: stdout only.
function program.printed(text, options)
  local code, out, err = program.run(text, options)
  if code ~= 0 or err ~= "" then
    error(("the program ended with code %d\n--- stdout\n%s\n--- stderr\n%s"):format(code, out, err), 2)
  end
  return out
end

local function has_luaposix()
  local file = io.open("build/luaposix/posix/unistd.so")
  return file and file:close()
end

-- A spec that needs luaposix.
function program.it_with_luaposix(title, f)
  if has_luaposix() then
    busted.it(title, f)
  else
    busted.pending(title .. ": make build/luaposix/posix/unistd.so was in vain")
  end
end

return program
