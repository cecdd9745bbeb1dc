--- What the cgroup of a process says. `root` is where / is taken to be: "" but in specs.

local cgroup = {}

local function first_line(path)
  local file <close> = io.open(path)
  return file and file:read "l"
end

-- Inside a container the mount often shows the group itself as its root, whatever the line says.
local function read_of_group(mount, group, name)
  return first_line(("%s%s/%s"):format(mount, group, name)) or first_line(("%s/%s"):format(mount, name))
end

local function has_controller(controllers, wanted)
  return ("," .. controllers .. ","):find("," .. wanted .. ",", 1, true) ~= nil
end

--- How many processes and threads there may be in the cgroup of that process; nil where there is no limit. A line of
-- /proc/PID/cgroup is "0::/group" in version 2, and "8:pids:/group" in version 1.
function cgroup.pids_limit(pid, root)
  local file <close> = io.open(("%s/proc/%d/cgroup"):format(root, pid))
  local mount, limit = root .. "/sys/fs/cgroup", nil
  for line in file and file:lines() or function() end do
    local controllers, group = line:match "^%d+:([^:]*):(.*)$"
    if controllers == "" then
      limit = limit or read_of_group(mount, group, "pids.max")
    elseif controllers and has_controller(controllers, "pids") then
      limit = read_of_group(mount .. "/pids", group, "pids.max")
    end
  end
  return limit and math.tointeger(tonumber(limit)) or nil
end

return cgroup
