-- System calls during a reload fail, one at a time (spec/support/injection.lua).

local injection = require "spec.support.injection"

injection.define "reload"
