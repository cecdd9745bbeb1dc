-- System calls which the policy process makes fail, one at a time (spec/support/injection.lua).

local injection = require "spec.support.injection"

injection.define "policy"
