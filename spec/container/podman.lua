-- What only Podman does: health checks on demand, and pods.

local expect = require "spec.container.expect"
local shell = require "spec.container.shell"

local PAGE = "examples/kubernetes/"
local LOG = "/run/termination-log"

return function(podman, check)
  -- Plays the example's pod, changed by gsub's words: pattern, replacement; pattern, replacement …
  local function play(...)
    local yaml = shell.read(PAGE .. "pod.yaml")
    local words = table.pack(...)
    for i = 1, words.n, 2 do
      local changed, count = yaml:gsub(words[i], words[i + 1])
      expect.equal(1, count, words[i])
      yaml = changed
    end
    shell.write("/run/pod.yaml", yaml)
    podman:build("localhost/reaper-page:1", shell.read(PAGE .. "Dockerfile"), {
      ["reaper-lua-static"] = "/run/reaper-lua", ["services.lua"] = PAGE .. "services.lua",
    })
    podman:must "kube play --network none /run/pod.yaml"
  end

  local function why()
    podman:must(("cp page-services:%s %s"):format(LOG, LOG))
    return shell.read(LOG)
  end

  local function check_pod(name, body)
    check(name, function()
      local ok, failure = xpcall(body, debug.traceback)
      local _, pods = podman "pod ls --quiet --no-trunc"
      podman "pod rm --all --force -t 0"
      for id in pods:gmatch "%x+" do -- Podman forgets some of a pod's groups
        shell.run(("find /sys/fs/cgroup -depth -type d -path '*/%s*' -exec rmdir {} +"):format(id))
      end
      assert(ok, failure)
    end)
  end

  check("a health check", function()
    local id = podman:start([[--health-cmd 'test -e /tmp/well' --health-interval disable box \
      /reaper-lua -- /bin/sh -c 'mkdir -p /tmp; touch /tmp/well; echo ready; exec /helper hold']])
    podman:expect(id, "ready")
    expect.equal(0, (podman("healthcheck run " .. id)))
    podman:must(("exec %s rm /tmp/well"):format(id))
    expect.equal(1, (podman("healthcheck run " .. id)))
    podman:await_no_zombie(id)
  end)

  check_pod("kube play of the example, stopped", function()
    play()
    podman:expect("page-services", "client is running")
    podman:must "healthcheck run page-services"
    local begin = shell.now()
    podman:must "pod stop -t 20 page"
    expect.quick(shell.now() - begin)
    expect.equal("0", podman:inspect("page-services", "{{.State.ExitCode}}"))
    expect.equal("exit code 0\nthe stop began with SIGTERM\n", why())
  end)

  check_pod("kube play of the example, a service fails", function()
    play("OnFailure", "Never", "Hello", '""')
    podman:await("page-services", "{{.State.Status}} {{.State.ExitCode}}", "exited 78")
    expect.has(why(), "^exit code 78\n.*\nthe script: render: failed: exit 78")
  end)

  check_pod("kube play with a shared process namespace", function()
    play("\nspec:\n", "%0  shareProcessNamespace: true\n")
    local function find(what, fits)
      return podman:find("page-services", what, fits)
    end
    podman:expect("page-services", "client is running")
    local reaper = find("reaper-lua", function(process) return process.comm == "reaper-lua" end)
    expect.different(1, reaper.pid)
    local web = find("httpd", function(process) return process.comm == "httpd" end)
    local render = find("render", function(process) -- an older shell than that of "client"
      return process.comm == "sh" and process.parent == reaper.pid
    end)
    local sleep = find("its sleep, which can be stopped", function(process)
      return process.comm == "sleep" and process.parent == render.pid
        and podman(("exec page-services kill -STOP %d"):format(process.pid)) == 0
    end)
    podman:must(("exec page-services kill -KILL %d"):format(render.pid))
    podman:expect("page-services", "render is clearing[^\n]*sleep.*render is backoff.*render is running")
    expect.different(0, (podman(("exec page-services kill -0 %d"):format(sleep.pid)))) -- the adopted orphan was ended
    podman:must(("exec page-services kill -KILL %d"):format(web.pid))
    podman:expect("page-services", "web is backoff.*web is running")
    podman:await_no_zombie "page-services"
    podman:stop("page-services", 20) -- "pod stop" may end process 1 of the namespace first, and so all at once
    expect.equal("exit code 0\nthe stop began with SIGTERM\n", why())
  end)

  check_pod("-P as the pause container of a pod", function()
    podman:must [[pod create --name held --network none --share pid,ipc,net --infra-name held-pause \
      --infra-image localhost/bare --infra-command '/reaper-lua -P -w']]
    podman:must [[run --detach --pod held --name held-box box /bin/sh -c '(sleep 0.2 &); exec /helper signals']]
    podman:expect("held-pause", "reaped orphan %d+ %(sleep%)")
    podman:await_no_zombie "held-box"
    podman:must "pod stop -t 20 held"
    for _, name in ipairs { "held-pause", "held-box" } do
      expect.equal("exited 0", podman:inspect(name, "{{.State.Status}} {{.State.ExitCode}}"))
    end
  end)
end
