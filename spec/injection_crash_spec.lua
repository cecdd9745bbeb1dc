-- System calls while a lost script process is replaced fail, one at a time (spec/support/injection.lua).

local container = require "spec.support.container"
local faults = require "spec.support.faults"
local injection = require "spec.support.injection"

injection.define("crash", function()
  it("which says that the script process takes nothing more, has it replaced", function()
    local c = container.start { command = { "sleep", "100" }, script = [[
      function on_start(_, again) print("started", again) end
      function on_signal() reaper.stats() end
    ]] }
    c:expect("started\tnil\n")
    faults.attach(c, c, { name = "sendmsg", index = 1, errno = "EPIPE" })
    c:kill("WINCH")
    c:err_expect("the script process has shut its channel: replacing it\n")
    c:expect("started\tcrash\n")
    assert.is_true(faults.happened(c))
  end)
end)
