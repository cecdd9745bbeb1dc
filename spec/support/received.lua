-- What `spec-helper signals` gets of the signals that are sent to the program above it.

local container = require "spec.support.container"

local received = {}

local MARK = container.signal_number("URG")

-- A container whose COMMAND prints the signals that it gets. `more` is merged into container.start's table.
function received.start(mode, more)
  local options = { mode = mode, command = { container.helper, "signals" } }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  local c = container.start(options)
  c:expect("ready\n")
  return c
end

-- The numbers that have been printed, in their order.
function received.numbers(c)
  local list = {}
  for number in c:out():gmatch("got (%d+)[^\n]*\n") do
    list[#list + 1] = tonumber(number)
  end
  return list
end

local function count_marks(list)
  local count = 0
  for _, number in ipairs(list) do
    count = count + (number == MARK and 1 or 0)
  end
  return count
end

-- Sends the signals one after the other and returns what arrived. Signals that wait together would change their order
-- and equal ones become one, so each is followed by a mark that has to arrive before the next is sent. By two marks:
-- the first may wait together with the signal, and has a lower number than some.
function received.of(c, signals)
  local marks = 0
  for _, signal in ipairs(signals) do
    assert(c:kill(signal))
    for _ = 1, 2 do
      marks = marks + 1
      assert(c:kill(MARK))
      c:until_true(function()
        return count_marks(received.numbers(c)) >= marks
      end, 10, "the mark after signal " .. signal)
    end
  end
  local list = {}
  for _, number in ipairs(received.numbers(c)) do
    if number ~= MARK then
      list[#list + 1] = number
    end
  end
  return list
end

return received
