-- What somebody does at a terminal with a COMMAND under an init, or under none: each case types, and waits for what
-- must be seen. The specs run all of them with reaper-lua; tools/terminal.lua runs them with other inits, too.
--
-- There are three ways to be on a terminal:
--
--   job         a job of an interactive bash
--   unshare     the same, in a PID namespace of its own: unshare --pid --fork --mount-proc --kill-child INIT COMMAND
--   container   process 1 leads the terminal's session and there is no shell, as with docker run -it

local container = require "spec.support.container"
local screen = require "spec.support.screen"

local BASH = { "/bin/bash", "--norc", "--noprofile", "-i" }
local UNSHARE = "unshare --pid --fork --mount-proc --kill-child "

local Session = {}
Session.__index = Session

-- `init` is what stands before COMMAND, as one text. `patience`: seconds to wait for what must be seen. `script`: the
-- text of {folder}/hooks.lua, if there is one.
local function open(kind, init, patience, script)
  local self = setmetatable({ kind = kind, patience = patience, files = { ["hooks.lua"] = script },
    prefix = (kind == "unshare" and UNSHARE or "") .. init .. " " }, Session)
  if kind ~= "container" then
    self.c = container.start { mode = "subreaper", tty = true, env = screen.environment, files = self.files,
      program = BASH, raw = {} }
    self:see(screen.prompt, "the shell has no prompt")
  end
  return self
end

-- Waits for a text; `wrong` says what is wrong when it does not come.
function Session:see(text, wrong)
  local ok, message = pcall(screen.see, self.c, text, self.patience)
  if not ok then
    self.missed = wrong
    error(message, 0)
  end
end

function Session:until_true(condition, wrong)
  local ok, result = pcall(self.c.until_true, self.c, condition, self.patience, "the contrary of: " .. wrong)
  if not ok then
    self.missed = wrong
    error(result, 0)
  end
  return result
end

function Session:type(line)
  screen.type_line(self.c, line)
end

-- Starts COMMAND, with `before` and `after` it on the shell's line.
function Session:start(command, after, before)
  if self.kind == "container" then
    local words = {}
    for word in (self.prefix .. "/bin/sh -c"):gmatch "%S+" do
      words[#words + 1] = word
    end
    self.c = container.start { mode = "init", tty = true, env = screen.environment, files = self.files,
      program = words, raw = { "exec " .. command } }
  else
    self:type((before or "") .. self.prefix:gsub("{folder}", self.c.folder) .. command .. (after or ""))
  end
end

-- Waits for a process with these words, in one of these states.
function Session:process(words, states, wrong)
  return self:until_true(function()
    for _, process in ipairs(self.c:processes()) do
      if process.args:find(words, 1, true) == 1 and (not states or states:find(process.state, 1, true)) then
        return process
      end
    end
  end, wrong)
end

function Session:stopped_by_ctrl_z()
  self.c:write(screen.ctrl_z)
  self:see("Stopped", "the shell sees no stop")
  self:see(screen.prompt, "the shell has no prompt")
end

-- The shell has the terminal and works; without one there is nothing to see.
function Session:shell_works()
  if self.kind ~= "container" then
    self.count = (self.count or 100) + 2
    self:type(("echo alive$((%d+1))"):format(self.count))
    self:see("alive" .. self.count + 1, "the shell has lost the terminal")
    self:see(screen.prompt, "the shell has no prompt")
  end
end

-- What is typed shows, so the answers are words that were not typed.
local READS = [[/bin/sh -c 'echo up$((0)); read x; echo got-$x-$((1+1))']]
local ANSWER = "got-word-2"

local function answers(s)
  s:type "word"
  s:see(ANSWER, "it reads nothing")
end

-- The helper tells each signal that it gets. Ctrl-C must not throw away what the terminal has not shown yet.
local SIGNALS = container.helper .. " signals"
local SIGNALS_IN_FRONT = "/bin/sh -c 'stty noflsh rows 20; exec " .. SIGNALS .. "'"

local function change_size(s)
  assert(os.execute(("stty rows 33 -F /proc/%d/fd/0 >/dev/null"):format(s.c.pid)))
end

-- That COMMAND got the signal, and only once: `next_signal` sends another, which comes after what was on its way.
local function told_once(s, number, next_number, next_signal)
  s:see(("got %d\r"):format(number), "it does not")
  next_signal()
  s:see(("got %d\r"):format(next_number), "the next signal does not come")
  local times = select(2, s.c:out():gsub(("got %d\r"):format(number), ""))
  if times ~= 1 then
    s.missed = times == 2 and "twice" or times .. " times"
    error(s.missed, 0)
  end
end

-- Twenty signals, with a pause after each; %1 is the job's whole group, $! the init.
local function signalled(s, whom)
  s:start(SIGNALS, " &")
  s:see("ready", "COMMAND says nothing")
  s:type(("for i in $(seq 20); do kill -USR1 %s; sleep 0.05; done; kill -USR2 $!"):format(whom))
  s:see("got 12\r", "it gets none")
  local times = select(2, s.c:out():gsub("got 10\r", ""))
  if times > 20 then
    s.missed = "some twice"
    error(("%d signals instead of 20"):format(times), 0)
  end
end

local all = { job = true, unshare = true, container = true }
local in_shell = { job = true, unshare = true }

-- Its name, where it can be tried, what is done; what is wrong under reaper-lua, if it is known to be.
local cases = {
  { "COMMAND reads what is typed", all, function(s)
    s:start(READS)
    s:see("up0", "COMMAND says nothing")
    answers(s)
    s:shell_works()
  end },

  { "COMMAND asks on /dev/tty, with 0 to 2 redirected", in_shell, function(s)
    s:start([[/bin/sh -c 'echo up$((0)) >/dev/tty; read x </dev/tty; echo got-$x-$((1+1)) >/dev/tty']],
      " </dev/null >/dev/null 2>&1")
    s:see("up0", "COMMAND says nothing")
    answers(s)
    s:shell_works()
  end },

  { "a pager behind COMMAND asks on /dev/tty while COMMAND runs", in_shell, function(s)
    s:start("/bin/sh -c 'until test -e $GO; do sleep 0.05; done'",
      [[ | /bin/sh -c 'echo up$((0)); read x </dev/tty; echo got-$x-$((1+1)); cat']], "GO=" .. s.c:file "go" .. " ")
    s:see("up0", "the pager does not begin")
    s:process("/bin/sh -c until test", nil, "COMMAND does not begin")
    answers(s)
    io.open(s.c:file "go", "w"):close()
    s:see(screen.prompt, "the shell has no prompt")
    s:shell_works()
  end },

  { "COMMAND asks on /dev/tty in front of a pager", in_shell, function(s)
    s:start([[/bin/sh -c 'echo up$((0)); read x </dev/tty; echo got-$x-$((1+1))']], " | cat")
    s:see("up0", "COMMAND says nothing")
    answers(s)
    s:shell_works()
  end },

  { "Ctrl-C ends COMMAND", all, function(s)
    s:start(container.helper .. " hold", "; echo code$?")
    s:process(container.helper .. " hold", "S", "COMMAND does not begin")
    s.c:write(screen.ctrl_c)
    if s.kind == "container" then
      s:until_true(function()
        return s.c:ended() == 130
      end, "COMMAND goes on")
    else
      s:see(screen.prompt, "COMMAND goes on")
      s:shell_works()
    end
  end },

  { "Ctrl-C reaches COMMAND once", all, function(s)
    s:start(SIGNALS_IN_FRONT)
    s:see("ready", "COMMAND says nothing")
    s.c:write(screen.ctrl_c)
    told_once(s, 2, 28, function()
      change_size(s)
    end)
  end },

  { "a new size of the terminal reaches COMMAND once", all, function(s)
    s:start(SIGNALS_IN_FRONT)
    s:see("ready", "COMMAND says nothing")
    change_size(s)
    told_once(s, 28, 2, function()
      s.c:write(screen.ctrl_c)
    end)
  end },

  { "Ctrl-Z stops the job, twice; fg lets it go on", in_shell, function(s)
    s:start(READS)
    s:see("up0", "COMMAND says nothing")
    for _ = 1, 2 do
      s:stopped_by_ctrl_z()
      s:process("/bin/sh -c echo", "T", "COMMAND is not stopped")
      s:shell_works()
      s:type "fg"
      s:process("/bin/sh -c echo", "S", "COMMAND stays stopped")
    end
    answers(s)
    s:shell_works()
  end },

  { "Ctrl-Z and bg: COMMAND and its children go on", in_shell, function(s)
    s:start([[/bin/sh -c '/bin/sh -c "echo up; until test -e $GO; do sleep 0.05; done"; echo done-$((1+1))']], nil,
      "export GO=" .. s.c:file "go" .. "; ")
    s:see("up\r", "COMMAND says nothing")
    s:stopped_by_ctrl_z()
    s:type "bg"
    s:see(screen.prompt, "the shell has no prompt")
    io.open(s.c:file "go", "w"):close()
    s:see("done-2", "the child stays stopped")
    s:shell_works()
  end },

  { "Ctrl-Z leaves a COMMAND alone that ignores it", { job = true, container = true }, function(s)
    s:start([[/bin/sh -c 'trap "" TSTP; stty noflsh; echo up$((0)); read x; echo got-$x-$((1+1))']])
    s:see("up0", "COMMAND says nothing")
    s.c:write(screen.ctrl_z)
    s:see("^Z", "there is no echo")
    answers(s)
    s:shell_works()
  end },

  { "Ctrl-Z without a shell does not stop COMMAND for ever", { container = true }, function(s)
    s:start([[/bin/sh -c 'stty noflsh; echo up$((0)); read x; echo got-$x-$((1+1))']])
    s:see("up0", "COMMAND says nothing")
    s.c:write(screen.ctrl_z)
    s:see("^Z", "there is no echo")
    answers(s)
  end },

  { "with & it leaves the terminal to the shell; fg lets it read", in_shell, function(s)
    s:start(READS, " &")
    s:see("up0", "COMMAND says nothing")
    s:process("/bin/sh -c echo", "T", "COMMAND is not stopped when it reads")
    s:until_true(function() -- only what bash knows to be stopped gets CONT from fg
      return s.c:children_of(s.c.nspid)[1].state == "T"
    end, "the shell sees no stop")
    s:shell_works()
    s:type "fg"
    s:process("/bin/sh -c echo", "S", "COMMAND stays stopped")
    answers(s)
    s:shell_works()
  end },

  { "a shell as COMMAND has job control, and gives the terminal back", all, function(s)
    s:start("/bin/bash --norc --noprofile -i")
    s:see(screen.prompt, "COMMAND has no prompt")
    for _, complaint in ipairs { "no job control", "cannot set terminal process group" } do
      if s.c:out():find(complaint, 1, true) then
        s.missed = "there is no job control"
        error(s.c:out(), 0)
      end
    end
    s:type "sleep 100"
    s:process("sleep 100", "S", "the job does not begin")
    s:stopped_by_ctrl_z()
    s:type "fg"
    s:process("sleep 100", "S", "the job stays stopped")
    s.c:write(screen.ctrl_c)
    s:see(screen.prompt, "COMMAND has no prompt after Ctrl-C")
    s:type "echo inner$((40+2)); exit"
    s:see("inner42", "COMMAND has lost the terminal")
    if s.kind == "container" then
      s:until_true(function()
        return s.c:ended()
      end, "there is no end")
    else
      s:see(screen.prompt, "the shell has no prompt afterwards")
      s:shell_works()
    end
  end },

  { "the shell has the terminal when COMMAND was killed", in_shell, function(s)
    s:start("/bin/bash --norc --noprofile -i", "; echo outer$((1+1))")
    s:see(screen.prompt, "COMMAND has no prompt")
    s:type "kill -KILL $$"
    s:see("outer2", "KILL does not end it")
    s:see(screen.prompt, "the shell has no prompt")
    s:shell_works()
  end },

  { "kill $! in the shell: COMMAND gets no signal twice", { job = true }, function(s)
    signalled(s, "$!")
  end },

  { "kill %1 in the shell: COMMAND gets no signal twice", { job = true }, function(s)
    signalled(s, "%1")
  end, "some twice" },
}

-- Runs one. True, or false with what is wrong, in few words, and the whole message.
local function run(case, kind, init, patience, script)
  local s
  local ok, message = pcall(function()
    s = open(kind, init, patience, script)
    case[3](s)
  end)
  container.close_all()
  if ok then
    return true
  end
  return false, s and s.missed, message
end

return { cases = cases, run = run, kinds = { "job", "unshare", "container" } }
