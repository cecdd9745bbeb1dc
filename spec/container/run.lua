-- The checks in real container engines (make test-container). tools/container.sh starts this in namespaces of its own:
--   lua5.4 spec/container/run.lua [PATTERN]      only the checks whose name matches the Lua pattern
--
-- REAPER is the binary in the images, by default ./reaper-lua-static.

package.path = "./?.lua;" .. package.path
local engine = require "spec.container.engine"
local shell = require "spec.container.shell"

local pattern = arg[1] or ""
local binary = os.getenv "REAPER" or "./reaper-lua-static"
local group = os.getenv "CONTAINER_GROUP"
local passed, failed, skipped = 0, 0, 0
io.stdout:setvbuf "line"

local Skip = {}

-- What a check calls when the machine cannot do what it needs.
local function cannot(why)
  error(setmetatable({ why = why }, Skip))
end

local function explain(failure)
  return getmetatable(failure) == Skip and failure or debug.traceback(tostring(failure), 2)
end

local function run_check(which, name, body)
  local begin = shell.now()
  local ok, failure = xpcall(body, explain)
  if ok then
    passed = passed + 1
    print(("passed: %s (%.1f s)"):format(name, shell.now() - begin))
  elseif getmetatable(failure) == Skip then
    skipped = skipped + 1
    print(("skipped: %s: %s"):format(name, failure.why))
  else
    failed = failed + 1
    print(("FAILED: %s\n%s"):format(name, failure))
  end
  which:remove_all()
end

-- Gives the function with which a file names its checks.
local function checker(which)
  return function(name, body)
    name = which.name .. ": " .. name
    if name:find(pattern) then
      run_check(which, name, body)
    end
  end
end

-- ---- The place. ----

local function mount_folders()
  for _, folder in ipairs { "/run", "/dev/shm", "/var/lib" } do
    shell.must("mount -t tmpfs -o mode=755 reaper-lua " .. folder)
  end
  shell.must "mkdir -p /run/home /run/sockets"
  shell.must("cp " .. shell.quote(binary) .. " /run/reaper-lua")
end

-- What the images have in them. README's Dockerfile stands there as it is.
local BARE = [[
FROM scratch
COPY reaper-lua helper text /
]]
local BOX = [[
FROM scratch
COPY bin /bin
COPY reaper-lua helper /
]]
local LOOK = [[
FROM scratch
COPY bin /bin
COPY image /
COPY helper /
]]
local README = assert(shell.read("README.md"):match "\n(    FROM scratch\n.-)\n\n"):gsub("    ", "")

local function build_images(which)
  local helper = "build/spec-helper"
  shell.must "mkdir -p /run/bin && cp /bin/busybox /run/bin && chroot /run /bin/busybox --install -s /bin"
  shell.must "mkdir -p /run/image/usr/bin && cp /run/reaper-lua /run/image/usr/bin"
  shell.must "ln -sf reaper-lua /run/image/usr/bin/reaperctl"
  which:build("bare", BARE, { ["reaper-lua"] = "/run/reaper-lua", helper = helper, text = "README.md" })
  which:build("box", BOX, { ["reaper-lua"] = "/run/reaper-lua", helper = helper, bin = "/run/bin" })
  which:must "tag box busybox"
  which:build("look", LOOK, { image = "/run/image", helper = helper, bin = "/run/bin" })
  which:build("readme", README, {
    image = "/run/image", ["first.lua"] = "examples/first.lua", app = helper,
  })
end

local function start_docker()
  os.execute(([[dockerd --host "$DOCKER_HOST" --data-root /run/docker --exec-root /run/docker-exec \
    --pidfile /run/docker.pid --bridge none --iptables=false --ip6tables=false --storage-driver vfs \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /%s --init-path /run/reaper-lua \
    </dev/null >/run/docker.log 2>&1 &]]):format(group))
  shell.until_true("dockerd", function()
    return shell.run "docker version" == 0, shell.read "/run/docker.log"
  end, 30)
end

-- Limits that need not be raised, which not every machine allows, and nothing that systemd would have to do.
local PODMAN = [[
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
]]
local STORAGE = [[
[storage]
driver = "vfs"
graphroot = "/run/podman"
runroot = "/run/podman-run"
]]

local function start_podman()
  shell.write("/run/containers.conf", PODMAN)
  shell.write("/run/storage.conf", STORAGE)
  shell.must "podman info"
end

-- ---- The checks. ----

local function check_engine(which, start, files)
  which.group = "--cgroup-parent=/" .. group
  local ok, message = xpcall(function()
    start()
    build_images(which)
  end, explain)
  if not ok then
    failed = failed + 1
    print(("FAILED: %s does not start\n%s"):format(which.name, message))
    return
  end
  for _, file in ipairs(files) do
    require("spec.container." .. file)(which, checker(which), cannot)
  end
end

mount_folders()
check_engine(engine.new("docker", "", ""), start_docker, { "shared", "control", "services", "docker" })
check_engine(engine.new("podman", "--init-path /run/reaper-lua", "-t 0"), start_podman,
  { "shared", "control", "services", "podman" })

print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0 and passed > 0)
