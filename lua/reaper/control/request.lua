--- One order to the script process, which is done once at most.
--
-- It is a line in the inbox of that process, a pipe that ends with it; the process says in its page that it has begun
-- with the order, before it does anything, and how it has ended. So when the process is lost and has said nothing, the
-- order was not done, and the next script process gets it; when it has said "accepted" and no more, nobody knows.

local core = require "reaper.core"
local change = require "reaper.control.change"

local request = {}

local Request = {}
Request.__index = Request

local LOOK_EVERY = 0.1 -- seconds: the end of a script process is no change of its page
local ENDING = 0.2 -- seconds that the end of a process may take
local EAGAIN, EPIPE = 11, 32

-- Texts.

local function what_it_does(pages)
  local session = core.script_report(pages)
  if not session or not session.busy_since then
    return ""
  end
  return (", which has been busy with %s for %.1f s"):format(session.label, core.now() - session.busy_since)
end

local states = {
  loading = "it is being loaded", down = "it was lost, and is started again soon", working = "it is being replaced",
}

local function why_not_sent(self, state)
  return "no script process took the order in time: " .. (self.why or states[state] or state)
end

-- The steps.

-- Closes the way to the script process that got it, if one did.
local function forget(self)
  if self.fd then
    core.close(self.fd)
    self.fd = nil
  end
end

local function finish(self, result, text)
  forget(self)
  return result, text
end

-- The process that got it can do nothing any more. A copy of it that it has forked may still have the pipe open.
local function is_gone(self)
  if not core.has_reader(self.fd) then
    return true
  end
  local session = core.script_report(self.pages)
  return session ~= nil and session.inbox_inode ~= self.inode
end

local function after_loss(self, state, oldest)
  if state == "accepted" then
    return finish(self, "unknown", ("script process %d was lost while it did that: whether it is done is not known")
      :format(self.pid))
  elseif oldest > self.newest then -- so many others have come since that a reply of ours may be gone
    return finish(self, "unknown", ("script process %d was lost, and its reply may have been overwritten: whether it "
      .. "is done is not known"):format(self.pid))
  end
  forget(self) -- it was not done
end

local function overdue(self, state)
  if state == "accepted" then
    return finish(self, "unknown", "it was begun, but has not come to its end in time")
  end
  return finish(self, "unknown", ("no answer in time from script process %d%s: whether it will be done is not known")
    :format(self.pid, what_it_does(self.pages)))
end

-- The order is on its way: looks for the reply.
local function follow(self)
  local gone = is_gone(self) -- before the look, since a reply may just be written
  local state, text, oldest = core.reply(self.pages, self.id)
  local is_late = core.now() >= self.deadline
  if not oldest and not is_late then
    return nil -- it cannot be read at this moment
  elseif not oldest then
    return overdue(self)
  elseif state == "done" or state == "refused" or (state == "accepted" and self.may_go_on) then
    return finish(self, state, text)
  elseif gone then
    return after_loss(self, state, oldest)
  elseif is_late then
    return overdue(self, state)
  end
end

local function write(self, fd)
  local written, message, errno = core.write(fd, self.line, 1)
  if written then
    self.fd = fd
    return nil
  end
  core.close(fd)
  if errno == EPIPE then
    return nil -- it has just ended
  elseif errno == EAGAIN then
    message = "the inbox is full: the script process reads no orders" .. what_it_does(self.pages)
  end
  return "not done", message
end

-- A process that is just ending denies everything, too.
local function not_opened(self, session, message, kind)
  self.why = message
  if kind ~= "denied" then
    return nil
  elseif self.denied_by ~= session.inbox_inode then
    self.denied_by, self.denied_at = session.inbox_inode, core.now()
  elseif core.now() - self.denied_at >= ENDING then
    return "no right", message
  end
end

-- Only to the process that the engine takes for its script process: one that is dismissed reads nothing any more.
local function send(self, engine)
  local session = core.script_report(self.pages)
  local _, _, _, newest = core.reply(self.pages, self.id)
  if not session or session.pid ~= engine.script_pid or not newest then
    return nil
  end
  local fd, pid, inode = core.open_inbox(self.pages)
  if not fd then
    return not_opened(self, session, pid, inode)
  end
  self.pid, self.inode, self.newest = pid, inode, newest
  return write(self, fd)
end

-- It is on its way to nobody: nothing was done.
local function try(self)
  local engine = core.engine_report(self.pages)
  local is_late = core.now() >= self.deadline
  if not engine and not is_late then
    return nil
  elseif not engine then
    return "not done", why_not_sent(self, "the engine's page cannot be read")
  elseif engine.script_state == "none" then
    return "no script", engine.is_program and "a program that has loaded the library takes no orders"
      or "there is no script, and so nobody who takes orders"
  elseif engine.script_state == "gone" or not core.is_engine_alive(self.pages) then
    return "not done", "the container stops, and has no script process any more"
  elseif is_late then
    return "not done", why_not_sent(self, engine.script_state)
  end
  return send(self, engine)
end

--- Takes the next step, without waiting. Nothing while the end is not known; then a result and a text:
--   "done"       it was done
--   "refused"    it was not done, and why
--   "not done"   no script process has taken it, nor will one
--   "unknown"    it was or will be done, or not
--   "no script"  there is no script process, nor will there be one
--   "no right"   the kernel does not let this process write to the script process
--   "accepted"   it was begun, where that is enough
function Request:step()
  if not self.fd then
    local result, text = try(self)
    if result or not self.fd then
      return result, text
    end
  end
  return follow(self)
end

--- Nobody waits for it any more.
function Request:close()
  forget(self)
end

-- The script process does not begin with an order after the time that its id says: seconds since 1970.
local function make_id(timeout)
  return ("%x.%s"):format(math.ceil(core.time() + math.min(timeout, 1e9)) + 1, core.unique())
end

--- An order that is to be given. `words` are those behind the verb; `timeout` (seconds) is for all of it.
-- @param may_go_on true: its begin is enough
function request.new(pages, verb, words, timeout, may_go_on)
  local id = make_id(timeout)
  return setmetatable({
    pages = pages, id = id, deadline = core.now() + timeout, may_go_on = may_go_on,
    line = table.concat({ id, verb, table.unpack(words) }, " ") .. "\n",
  }, Request)
end

--- Gives the order and waits for its end: a result and a text, as Request:step has them.
function request.send(pages, verb, words, timeout, may_go_on)
  local order = request.new(pages, verb, words, timeout, may_go_on)
  while true do
    local seen = core.page_changes(pages)
    local result, text = order:step()
    if result then
      return result, text
    end
    change.await(pages, seen, math.max(0, math.min(LOOK_EVERY, order.deadline - core.now())))
  end
end

return request
