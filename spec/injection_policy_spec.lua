-- System calls which the script process makes fail, one at a time (spec/support/injection.lua).

local injection = require "spec.support.injection"

injection.define "policy"
