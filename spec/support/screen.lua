-- What is seen and typed on a container's terminal, and who has it.

local screen = {
  prompt = "READY> ",
  ctrl_c = "\3", ctrl_z = "\26", ctrl_d = "\4",
}

-- For a shell whose prompt is known.
screen.environment = { PS1 = screen.prompt, HISTFILE = "/dev/null", ENV = false, PROMPT_COMMAND = false, TERM = "dumb" }

-- What the terminal shows is "\r\n", and what is typed shows, too: answers are words that were not typed like that.
function screen.type_line(c, line)
  c:write(line .. "\n")
end

-- Waits for a text after all that has been waited for before.
function screen.see(c, text, seconds)
  local from = c.seen or 1
  c:until_true(function()
    local _, last = c:out():find(text, from, true)
    c.seen = last and last + 1 or from
    return last
  end, seconds or 10, text)
end

-- The group in the terminal's foreground and the process's own, as the machine counts.
function screen.groups_of(process)
  local file = assert(io.open("/proc/" .. process.pid .. "/stat"))
  local text = file:read("a")
  file:close()
  local group, foreground = text:match("%) %S %d+ (%d+) %d+ %d+ (%-?%d+)")
  return tonumber(group), tonumber(foreground)
end

function screen.has_terminal(process)
  local group, foreground = screen.groups_of(process)
  return group == foreground
end

-- Ctrl-C just before a shell waits for what is typed is acted on with the next key only: it has to wait.
function screen.interrupt_shell(c, name)
  c:until_true(function()
    return assert(c:find(name)).state == "S"
  end, 10, "the shell to wait")
  c:write(screen.ctrl_c)
end

return screen
