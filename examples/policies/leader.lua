-- One leads, the others follow; when it ends, the one that has run longest is promoted:  reaper-lua leader.lua
-- ./member starts as a follower and prints "up"; USR1 makes it the leader.
local supervisor = require "reaper.supervisor"

local members = {}
for i = 1, 3 do
  members[i] = {
    name = "member" .. i, command = { "./member", tostring(i) }, restart = "always", ready = { line = "^up$" },
  }
end
supervisor.run(members)

local leader -- its pid

local function promote(name, pid)
  for _, child in ipairs(reaper.children()) do
    if child.pid == pid then
      reaper.log("info", name .. " leads")
      child:kill "USR1"
    end
  end
end

-- Who has run longest leads. That needs no memory: a policy that replaces a lost one comes to the same result, and
-- tells it to the same leader.
local function elect()
  local oldest
  for _, member in ipairs(supervisor.status()) do
    if leader and member.pid == leader then
      return -- it lives, and leads until its end
    elseif member.state == "running" and (not oldest or member.since > oldest.since) then
      oldest = member
    end
  end
  leader = oldest and oldest.pid
  if leader then
    promote(oldest.name, leader)
  end
end

on_service, on_start = elect, elect
