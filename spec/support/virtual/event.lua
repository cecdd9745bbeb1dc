-- Events for script processes: their kind and values, as core.next gives them. Descriptors that come with one stand in
-- its `open`, by the index of their value.

local event = {}

function event.new(kind, ...)
  return table.pack(kind, ...)
end

-- A message to a script process, which comes before events that are written later.
function event.put(process, told)
  for _, open in pairs(told.open or {}) do
    open:hold()
  end
  table.insert(process.queue, told)
end

-- Events of the journal are plain: its reader gets a copy.
function event.copy(told)
  return table.move(told, 1, told.n, 1, { n = told.n })
end

return event
