-- Busted's output: a line for each spec file, the failures with their tracebacks, and one line of totals at the end.

local pretty = require "pl.pretty"

local MARKS = { success = ".", pending = "p", failure = "F", error = "E" }

local function text_of(message)
  if type(message) == "string" then
    return message
  end
  return message == nil and "(no message)" or pretty.write(message)
end

local function indent(text)
  return "    " .. text:gsub("\n+$", ""):gsub("\n", "\n    ")
end

-- Busted's and luassert's own frames stand in every traceback and say nothing.
local function own_frames(traceback)
  local lines = {}
  for line in traceback:gmatch("[^\n]+") do
    if line:match("^%s") and not line:match("/busted/") and not line:match("/luassert/")
      and not line:match("%[C%]") and not line:match("busted/") then
      lines[#lines + 1] = line:match("^%s*(.*)")
    end
  end
  return table.concat(lines, "\n")
end

local function place_of(entry)
  local trace = entry.element.trace or entry.trace
  if trace and trace.short_src then
    return ("%s:%d: "):format(trace.short_src, trace.currentline)
  end
  return ""
end

local function print_entry(kind, entry)
  io.write("\n", kind, ": ", place_of(entry), entry.name, "\n")
  if kind ~= "pending" or entry.message then
    io.write(indent(text_of(entry.message)), "\n")
  end
  local frames = kind ~= "pending" and entry.trace and entry.trace.traceback and own_frames(entry.trace.traceback)
  if frames and frames ~= "" then
    io.write("  at\n", indent(frames), "\n")
  end
end

local function print_entries(kind, entries)
  for _, entry in ipairs(entries) do
    print_entry(kind, entry)
  end
end

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local function write(text)
    io.write(text)
    io.flush()
    return nil, true
  end

  function handler.fileStart(file)
    return write(file.name .. " ")
  end

  function handler.fileEnd()
    return write("\n")
  end

  function handler.testEnd(_, _, status)
    return write(MARKS[status] or "?")
  end

  -- What fails outside of a test: a file that does not load, a hook around the tests.
  function handler.outside(element)
    return element.descriptor ~= "it" and write(MARKS.error) or nil, true
  end

  function handler.suiteEnd()
    print_entries("pending", handler.pendings)
    print_entries("failure", handler.failures)
    print_entries("error", handler.errors)
    return nil, true
  end

  -- After all repetitions of the suite, so that this is the last line whatever was asked for.
  function handler.exit()
    if handler.pendingsCount > 0 then
      write(("\n%d pending\n"):format(handler.pendingsCount))
    end
    local failed = handler.failuresCount + handler.errorsCount
    return write(("\n%d passed, %d failed\n"):format(handler.successesCount, failed))
  end

  busted.subscribe({ "file", "start" }, handler.fileStart)
  busted.subscribe({ "file", "end" }, handler.fileEnd)
  busted.subscribe({ "test", "end" }, handler.testEnd, { predicate = handler.cancelOnPending })
  busted.subscribe({ "failure" }, handler.outside)
  busted.subscribe({ "error" }, handler.outside)
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  busted.subscribe({ "exit" }, handler.exit)
  return handler
end
