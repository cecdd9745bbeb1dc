-- System calls during a stop with children that are deaf to TERM fail, one at a time (spec/support/injection.lua).

local injection = require "spec.support.injection"

injection.define "stop"
