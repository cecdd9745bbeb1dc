-- System calls while a lost script process is replaced fail, one at a time (spec/support/injection.lua).

local container = require "spec.support.container"
local faults = require "spec.support.faults"
local injection = require "spec.support.injection"
local scenarios = require "spec.support.scenarios"

injection.define("crash", function()
  it("which says that the policy takes nothing more, has it replaced at once", function()
    local c = container.start(scenarios.script.options)
    c:expect("started\tnil\n")
    c:expect("ready\n")
    faults.attach(c, c, { name = "sendmsg", index = 1, errno = "EPIPE" })
    c:kill("WINCH")
    c:err_expect("the script process has shut its channel: replacing it\n")
    c:expect("started\tcrash\n")
    assert.is_true(faults.happened(c))
  end)
end)
