--- What makes a command of reaperctl end: a message for stderr, and the exit code.

local failure = {}

local Failure = {}

--- The exit codes.
failure.NO, failure.USAGE, failure.NOT_FOUND, failure.NO_ANSWER = 1, 2, 3, 4

--- Raises it.
function failure.with(code, message)
  error(setmetatable({ code = code, message = message }, Failure), 0)
end

--- The command line is wrong.
function failure.usage(message)
  failure.with(failure.USAGE, message)
end

--- True for what failure.with has raised.
function failure.is(value)
  return getmetatable(value) == Failure
end

--- A handler for xpcall, which adds where it was to an error that is a fault of ours.
function failure.with_traceback(value)
  return failure.is(value) and value or debug.traceback(tostring(value), 2)
end

return failure
