-- System calls for a COMMAND without a script fail, one at a time (spec/support/injection.lua).

local injection = require "spec.support.injection"

injection.define "command"
