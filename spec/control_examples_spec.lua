-- What the examples do with reaperctl: COMMAND that waits for a service by itself, and the probes of Kubernetes.

local uv = require "luv"
local container = require "spec.support.container"
local control = require "spec.support.control"
local http = require "spec.support.http"

local ENTRYPOINT = uv.cwd() .. "/examples/entrypoint.sh"

-- As the Dockerfile of an image has it: reaperctl is a link to reaper-lua, in a directory of PATH.
local LINK = { "/bin/sh", "-c", ('ln -s %s {folder}/reaperctl && exec "$@"'):format(container.binary), "sh" }

local DB = [[require "reaper.supervisor".run {
  { name = "db", command = { "sh", "-c", "[ -e {folder}/bad ] && exit 3; exec sleep 1000" }, restart = "never",
    when_failed = "ignore", ready = { exec = { "test", "-e", "{folder}/good" }, interval = 0.02 } },
  { main = true, after = {} },
}
]]

local function start(mode, options)
  options.mode, options.wrap, options.script = mode, LINK, DB
  options.env = options.env or {}
  options.env.PATH = "{folder}:" .. os.getenv "PATH"
  return container.start(options)
end

local function start_entrypoint(mode, files)
  return start(mode, { files = files, command = { ENTRYPOINT, "sh", "-c", "echo the app; exit 7" } })
end

local function has_client(c)
  return function()
    return c:find "reaperctl"
  end
end

describe("examples/entrypoint.sh", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("waits until the service is ready, also over the loss of the script process", function()
      local c = start_entrypoint(mode)
      c:until_true(has_client(c), nil, "the entrypoint to wait")
      assert(c:kill("KILL", c:until_true(function()
        return c:find "reaper-script"
      end, nil, "the script process").pid))
      c:err_expect "the script process ended %(signal SIGKILL%)"
      assert.is_falsy(c:out():find "the app")
      io.open(c:file "good", "w"):close()
      c:expect "the app\n"
      assert.are.equal(7, c:wait())
    end)

    it("ends when the service has failed", function()
      local c = start_entrypoint(mode, { bad = "" })
      assert.are.equal(1, c:wait())
      assert.is_falsy(c:out():find "the app")
      assert.is_truthy(c:err():find("reaperctl: db: failed (exit 3", 1, true), c:err())
    end)
  end)
end)

describe("the probes of examples/kubernetes/pod.yaml", function()
  after_each(container.close_all)

  local pod = container.read_file "examples/kubernetes/pod.yaml"

  it("say whether the container is alive, and whether it is ready", function()
    local port = http.free_port()
    local c = start("init", { command = { "sleep", "1000" }, env = { REAPER_HTTP = "127.0.0.1:" .. port } })
    assert.is_truthy(pod:find "name: REAPER_HTTP.-value: 0%.0%.0%.0:9110")
    local path = pod:match "readinessProbe:.-path: (%S+)\n"
    http.wait_for_port(c, port)
    local words = {}
    for word in pod:match("livenessProbe:.-command: %[(.-)%]"):gmatch '"(.-)"' do
      words[#words + 1] = words[1] and word or c:file(word)
    end
    control.see(c, "db +starting", "status")
    local code, out = control.enter(c, words)
    assert.are.equal(0, code)
    assert.is_truthy(out:find "^alive: running for ", out)
    local answer = http.get(port, path)
    assert.are.equal(503, answer.status)
    assert.are.equal("not ready: db is starting\n", answer.body)
    io.open(c:file "good", "w"):close()
    answer = http.expect(c, port, path, 200)
    assert.are.equal("ready: 2 services\n", answer.body)
  end)
end)
