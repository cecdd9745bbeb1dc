-- System calls during a stop with what a script has started by itself fail, one at a time (spec/support/injection.lua).

local injection = require "spec.support.injection"

injection.define "leavings"
