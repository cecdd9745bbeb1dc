-- Of the model of the engine: questions to the script process, their deadlines, and what follows
-- (src/engine/questions.c).

local core = require "spec.support.virtual.core"

local real = core.real

local questions = {}

-- ---- Questions. ----

function questions:forget(matches)
  local left = {}
  for _, ask in ipairs(self.asks) do
    if not matches(ask) then
      left[#left + 1] = ask
    end
  end
  self.asks = left
end

function questions:forget_kind(kind)
  self:forget(function(ask) return ask.kind == kind end)
end

function questions:put_ask(ask)
  ask.asked = self.script and self.script.state == "ready" and self.script or nil
  ask.position = self:write(ask.event)
end

-- A new script process is asked what its predecessor has read and left open.
function questions:ask_again()
  for _, ask in ipairs(self.asks) do
    if ask.kind ~= "reload" then
      ask.asked = self.script
      if ask.position <= self.read then
        self:put_ask(ask)
      end
    end
  end
end

local SERVICES_PATIENCE, SERVICES_LOSSES_MAX = 10, 5

function questions:time_for(kind)
  return kind == "services" and math.max(self.settings.hook_timeout, SERVICES_PATIENCE) or self.settings.hook_timeout
end

-- `told` gets the number of the question as its second value, or where `index` says.
function questions:ask_script(kind, told, index)
  if self.settings.hook_timeout == 0 and kind ~= "services" then
    return false
  end
  self.last_ask = self.last_ask + 1
  told[index or 2] = self.last_ask
  local ask = {
    kind = kind, serial = self.last_ask, event = told, deadline = self:after(self:time_for(kind)), losses = 0,
  }
  table.insert(self.asks, ask)
  self:put_ask(ask)
  return ask
end

function questions:resolve(ask, answer, number)
  self:forget(function(other) return other == ask end)
  self.answered[ask.kind](self, ask, answer, number)
  self:reload_again()
end

function questions:find_ask(serial)
  for _, ask in ipairs(self.asks) do
    if ask.serial == serial then
      return ask
    end
  end
end

local HOOKS = { signal = "on_signal", main = "on_reap", stop = "on_stop", exit = "on_exit", reload = "on_reload" }

function questions:expire()
  for _, ask in ipairs(table.move(self.asks, 1, #self.asks, 1, {})) do
    if ask.deadline <= self.machine.now and self:find_ask(ask.serial) then
      self:log("warning", ask.kind == "services"
        and "the script does not stop its services in time: stopping all that is left at once"
        or ("%s has not answered within %g s: taking the default"):format(HOOKS[ask.kind], self.settings.hook_timeout))
      self:resolve(ask, real.ANSWER_DEFAULT, 0)
    end
  end
end

-- `lost`: the process, when it was not replaced but has died.
function questions:script_has_gone(lost)
  for _, ask in ipairs(self.asks) do
    ask.losses = ask.losses + 1
    if ask.kind == "services" and ask.losses > SERVICES_LOSSES_MAX then
      ask.deadline = self.machine.now
    elseif ask.is_waiting then
      ask.is_waiting, ask.deadline = false, self:after(self:time_for(ask.kind))
    end
    if lost and ask.kind == "main" and lost.busy == ask.position then
      ask.event[7] = ask.event[7] | real.FLAG_TOLD
    end
  end
end

-- COMMAND has ended: it is the services' turn.
function questions:services_turn()
  for _, ask in ipairs(self.asks) do
    if ask.kind == "services" and not ask.event[4] then
      ask.event[4], ask.is_waiting, ask.asked = true, false, nil
      ask.deadline = self:after(SERVICES_PATIENCE)
      self:put_ask(ask)
    end
  end
end

-- What follows an answer, by the kind of the question.
questions.answered = {
  signal = function(self, ask, answer, number)
    if answer ~= real.ANSWER_DROP then
      self:deliver(answer == real.ANSWER_SIGNAL and number or ask.event[4])
    end
  end,
  main = function(self)
    if not self.main then
      self:begin_stop("main")
    end
  end,
  services = function(self)
    if self.state == "orderly" then
      self:stop_all "stopping"
    end
  end,
  stop = function(self)
    self.has_died = true
  end,
  exit = function(self, _, answer, number)
    if answer == real.ANSWER_CODE then
      self.left_code = number & 255
    end
    self:dismiss()
  end,
  reload = function(self)
    self:promote()
  end,
}

return questions
