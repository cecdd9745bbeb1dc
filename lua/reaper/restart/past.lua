--- The past of one thing that is started again and again, and what its restart policy says about the next start.

local restart = require "reaper.restart.policies"

local past = {}

past.SHORTEST = 0.1 -- seconds between two starts, whatever the policy says: what fails at once does not spin

--- A past without restarts, as plain values that can be saved.
function past.new(now)
  return { restarts = 0, history = {}, lifetimes = {}, started_at = now }
end

--- The thing has ended, for a `reason` if there is one (policies.lua): what its policy says, as restart.ask gives it.
function past.ended(self, policy, name, status, rusage, now, reason, stopped)
  self.lifetime = now - self.started_at
  local delay, why, as_it_should = restart.ask(policy, {
    name = name, status = status, reason = reason, stopped = stopped or false, rusage = rusage,
    lifetime = self.lifetime, restarts = self.restarts,
    history = self.history, lifetimes = self.lifetimes, now = now, random = math.random(),
  })
  return delay and math.max(delay, past.SHORTEST - self.lifetime), why, as_it_should
end

local function append(list, value)
  list[#list + 1] = value
  if #list > restart.HISTORY_MAX then
    table.remove(list, 1)
  end
end

--- The thing is started again.
function past.started(self, now)
  append(self.history, now)
  append(self.lifetimes, self.lifetime)
  self.restarts = self.restarts + 1
  self.started_at = now
end

return past
