-- A luv server that starts a shell for each request. What the shells leave behind is reaped in the background, although
-- this program never asks for it. TERM and Ctrl-C end it, and what is left, with exit code 0.
--     lua5.4 examples/library/server.lua [PORT]

local reaper = require "reaper"
local uv = require "luv"

assert(reaper.start { enable_child_subreaper = true })

local request = "sleep 1 >/dev/null & echo process $! is left behind"

local function answer(client)
  local output, shell = uv.new_pipe(), nil
  shell = assert(uv.spawn("sh", { args = { "-c", request }, stdio = { nil, output } }, function()
    shell:close()
  end))
  output:read_start(function(_, text)
    if text then
      client:write(text)
    else
      output:close()
      client:shutdown(function() client:close() end)
    end
  end)
end

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", math.tointeger(arg[1] or 0)))
assert(server:listen(128, function()
  local client = uv.new_tcp()
  server:accept(client)
  answer(client)
end))
for _, name in ipairs { "sigterm", "sigint" } do
  uv.new_signal():start(name, uv.stop)
end
print("listening on port " .. server:getsockname().port)
io.stdout:flush()
uv.run()
