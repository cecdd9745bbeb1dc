-- Events for script processes: their kind and values, as core.next gives them. Descriptors that come with one stand in
-- its `open`, by the index of their value.

local event = {}

function event.new(kind, ...)
  return table.pack(kind, ...)
end

-- Into the queue of a script process.
function event.put(process, told)
  for _, open in pairs(told.open or {}) do
    open:hold()
  end
  table.insert(process.queue, told)
end

return event
