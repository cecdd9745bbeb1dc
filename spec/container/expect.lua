-- What checks compare with.

local expect = {}

function expect.equal(expected, got, what)
  if expected ~= got then
    error(("expected %s, got %s\n%s"):format(expected, got, what or ""), 2)
  end
end

function expect.different(unexpected, got)
  if unexpected == got then
    error(("did not expect %s"):format(got), 2)
  end
end

function expect.has(text, pattern)
  if not text:find(pattern) then
    error(("expected %s in\n%s"):format(pattern, text), 2)
  end
end

-- Engines wait ten seconds and more before they kill.
function expect.quick(seconds)
  if seconds > 5 then
    error(("it took %.1f s"):format(seconds), 2)
  end
end

return expect
