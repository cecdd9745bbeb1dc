-- System calls at a second TERM fail, one at a time (spec/support/injection.lua).

local injection = require "spec.support.injection"

injection.define "second_term"
