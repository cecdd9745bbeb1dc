-- The socket of the porter: where it is made, and whom it answers; and the options that ask for it.

local uv = require "luv"
local container = require "spec.support.container"
local http = require "spec.support.http"

-- Something listens at the path; a function that ends it.
local function listen(path)
  local server = uv.new_pipe()
  assert(server:bind(path))
  assert(server:listen(8, function() end))
  return server
end

-- A socket that a process has left behind, which was killed.
local function leave_socket(path)
  assert(os.execute(([[python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' %s]]):format(
    path)))
end

describe("the socket of --control", function()
  after_each(container.close_all)

  -- What is there before; the error; and what makes it good.
  local function it_is_told(what, options, pattern, mend)
    it("is not made where " .. what .. "; that is told, and the container runs on", function()
      local folder = assert(uv.fs_mkdtemp "/tmp/reaper-lua-spec-XXXXXX")
      local path = options.path or folder .. "/control"
      local undo = options.prepare(path, folder)
      local c = http.start { args = { "--control", path }, command = { "sleep", "1000" }, wrap = options.wrap }
      c:err_expect("^reaper%-lua: %-%-control /%S+: " .. pattern .. "; trying again\n")
      assert.is_nil(c:ended())
      if mend then
        mend(path, folder, undo)
        c:err_expect "\nreaper%-lua: %-%-control: listening on /%S+\n$"
        http.expect(c, path, "/livez", 200)
      end
      c:close()
      if undo and not undo:is_closing() then
        undo:close()
        uv.run "nowait"
      end
      os.execute("rm -rf " .. folder)
    end)
  end

  it_is_told("somebody answers", { prepare = listen }, "somebody answers there already", function(_, _, server)
    server:close()
    uv.run "nowait"
  end)

  it_is_told("a symbolic link is", { prepare = function(path, folder)
    assert(uv.fs_symlink(folder .. "/other", path))
  end }, "it is a symbolic link", os.remove)

  it_is_told("a file is", { prepare = function(path)
    io.open(path, "w"):close()
  end }, "there is something that is no socket", os.remove)

  it_is_told("the socket of somebody else is", { prepare = function(path)
    leave_socket(path)
    assert(uv.fs_chown(path, 65534, 65534))
  end }, "the socket there belongs to another user", os.remove)

  it_is_told("the directory is somebody else's", { prepare = function(_, folder)
    assert(uv.fs_chown(folder, 65534, 65534))
  end }, "the directory /%S+ belongs to user 65534: it must be this user's, or root's", function(_, folder)
    assert(uv.fs_chown(folder, 0, 0))
  end)

  it_is_told("others may write to the directory", { prepare = function(_, folder)
    assert(uv.fs_chmod(folder, tonumber("777", 8)))
  end }, "others may write to the directory /%S+: take one that only its owner may write to", function(_, folder)
    assert(uv.fs_chmod(folder, tonumber("1777", 8)))
  end)

  it_is_told("there is no directory", { prepare = function(_, folder)
    os.remove(folder)
  end }, "the directory /%S+: No such file or directory", function(_, folder)
    assert(uv.fs_mkdir(folder, tonumber("700", 8)))
  end)

  it_is_told("the directory cannot be written to", { path = "/proc/control", prepare = function() end },
    "[%w ]+")

  it("takes the place of one that was left behind", function()
    local c = container.start { command = { "sleep", "1000" }, files = { ["x"] = "" } }
    c:close()
    local folder = assert(uv.fs_mkdtemp "/tmp/reaper-lua-spec-XXXXXX")
    leave_socket(folder .. "/control")
    local other = http.start { args = { "--control", folder .. "/control" }, command = { "sleep", "1000" } }
    other:until_true(function()
      local client = http.connect(folder .. "/control")
      client:close()
      return not client.failure
    end)
    assert.are.equal("600", http.mode_of(folder .. "/control"))
    -- One that has been put in its place is not ours to take away.
    os.remove(folder .. "/control")
    local server = listen(folder .. "/control")
    other:kill "TERM"
    other:wait()
    assert.is_truthy(uv.fs_lstat(folder .. "/control"))
    server:close()
    uv.run "nowait"
    os.execute("rm -rf " .. folder)
  end)

  it("answers root and the engine's user only", function()
    local c = http.start { command = { "sleep", "1000" } }
    local socket = http.socket(c)
    assert(uv.fs_chmod(c.folder, tonumber("755", 8)))
    assert(uv.fs_chmod(socket, tonumber("666", 8))) -- so that the kernel lets others come that far
    local function ask(user)
      local pipe = assert(io.popen(("setpriv --reuid %d --clear-groups curl -sS -m 10 -w ' %%{http_code}' "
        .. "--unix-socket %s http://reaper/livez"):format(user, socket)))
      local text = pipe:read "a"
      pipe:close()
      return text
    end
    assert.are.equal('{"error":"this socket answers root and its own user only"}\n 403', ask(65534))
    assert.is_truthy(ask(0):find " 200$")
  end)
end)

describe("the options of the porter", function()
  after_each(container.close_all)

  for _, case in ipairs {
    { "--http", "9100", "\"9100\" is not ADDR:PORT with an IP address, such as 127.0.0.1:9100 or [::]:9100" },
    { "--http", ":9100", "\":9100\" is not ADDR:PORT with an IP address, such as 127.0.0.1:9100 or [::]:9100" },
    { "--http", "localhost:9100", "\"localhost:9100\" is not ADDR:PORT with an IP address, such as 127.0.0.1:9100 or "
      .. "[::]:9100" },
    { "--http", "::1:9100", "\"::1:9100\" is not ADDR:PORT with an IP address, such as 127.0.0.1:9100 or [::]:9100" },
    { "--http", "[127.0.0.1]:9100", "\"[127.0.0.1]:9100\" is not ADDR:PORT with an IP address, such as 127.0.0.1:9100 "
      .. "or [::]:9100" },
    { "--http", "127.0.0.1:0", "\"127.0.0.1:0\": the port is a number from 1 to 65535" },
    { "--http", "[::1]:65536", "\"[::1]:65536\": the port is a number from 1 to 65535" },
    { "--http", "[::1]:+1", "\"[::1]:+1\": the port is a number from 1 to 65535" },
    { "--control", "", "\"\" is not the absolute path of a socket, such as /run/reaper/control" },
    { "--control", "control", "\"control\" is not the absolute path of a socket, such as /run/reaper/control" },
    { "--control", "/run/", "\"/run/\" is not the absolute path of a socket, such as /run/reaper/control" },
    { "--control", "/" .. ("x"):rep(107), "\"/" .. ("x"):rep(107)
      .. "\" has 108 bytes; the path of a socket has at most 107" },
  } do
    it(("name what is wrong: %s %.20s"):format(case[1], case[2]), function()
      local code, _, err = container.run { args = { case[1], case[2] }, command = { "true" } }
      assert.are.equal(125, code)
      assert.are.equal(("reaper-lua: %s: %s\n"):format(case[1], case[3]), err)
    end)
  end

  it("can stand in the environment", function()
    local c = container.start { command = { "sleep", "1000" }, env = { REAPER_CONTROL = "{folder}/control" } }
    assert.are.equal(200, http.get(http.socket(c), "/livez").status)
    local code, _, err = container.run { command = { "true" }, env = { REAPER_HTTP = "x" } }
    assert.are.equal(125, code)
    assert.is_truthy(err:find "^reaper%-lua: REAPER_HTTP: \"x\" is not ADDR:PORT", err)
  end)

  it("take an address of IPv6", function()
    local c = http.start { command = { "sleep", "1000" }, args = { "--http", "[::1]:" .. http.free_port(), "-v" } }
    c:err_expect "%-%-http: listening on %[::1%]:%d+\n"
  end)
end)
