-- The pages (src/common/pages.h) that process 1 shows: never torn, to be read by those only whom the kernel lets look
-- into its descriptors, and to be written by nobody else.

local container = require "spec.support.container"
local control = require "spec.support.control"

local WRITER = [[
import mmap, os, sys
directory = "/proc/%s/fd/" % sys.argv[1]
for name in os.listdir(directory):
    if "reaper-engine" in os.readlink(directory + name) or "reaper-script" in os.readlink(directory + name):
        page = os.readlink(directory + name)[7:20]
        fd = os.open(directory + name, os.O_RDWR)
        try:
            os.pwrite(fd, b"x", 100)
            print(page, "written")
        except OSError as error:
            print(page, "write", error.errno)
        try:
            mmap.mmap(fd, os.fstat(fd).st_size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            print(page, "mapped")
        except OSError as error:
            print(page, "mmap", error.errno)
        for size in 0, 1 << 26:
            try:
                os.ftruncate(fd, size)
                print(page, "has another size")
            except OSError as error:
                print(page, "truncate", error.errno)
]]

local WEB = [[require "reaper.supervisor".run { { name = "web", command = { "sleep", "1000" } } }]]

local function start(mode, options)
  options = options or {}
  options.mode = mode
  options.script = not options.raw and WEB or nil
  local c = container.start(options)
  control.see(c, "web +running", "status")
  return c
end

describe("a record of a page", function()
  it("is never torn: 10⁶ looks beside 10⁶ writes", function()
    local pipe = io.popen "timeout 60 build/latch-race 1000000 2>&1"
    local text = pipe:read "a"
    assert.is_true(pipe:close(), text)
    local looks, writes = text:match "^(%d+) looks, (%d+) writes"
    assert.are.equal(1000000, tonumber(looks))
    assert.is_true(tonumber(writes) >= 1000000, text)
  end)
end)

describe("the pages", function()
  after_each(container.close_all)

  it("are written by nobody else, though root reopens them for writing", function()
    local c = start("init", { files = { ["writer.py"] = WRITER } })
    local pipe = io.popen(("python3 %s %d"):format(c:file "writer.py", c.pid))
    local lines = {}
    for line in pipe:lines() do
      lines[#lines + 1] = line
    end
    pipe:close()
    table.sort(lines)
    local EPERM = 1
    local expected = {}
    for _, page in ipairs { "reaper-engine", "reaper-script" } do
      for _, what in ipairs { "mmap", "truncate", "truncate", "write" } do
        expected[#expected + 1] = ("%s %s %d"):format(page, what, EPERM)
      end
    end
    assert.are.same(expected, lines)
  end)

  it("are not shown to another user", function()
    local c = start "init"
    local code, out, err = control.inside(c, { "setpriv", "--reuid=1000", "--clear-groups" }, "status")
    assert.are.equal(3, code, out)
    assert.are.equal("", out)
    assert.is_truthy(err:find "may not be looked into: Permission denied", err)
  end)

  it("are shown to the same user, who has no capabilities", function()
    local user = { "setpriv", "--reuid=1000", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--" }
    local program = table.move(user, 1, #user, 1, {})
    table.move({ container.binary, "-x", WEB }, 1, 3, #program + 1, program)
    local c = start("init", { program = program, raw = {} })
    local code, out, err = control.inside(c, user, "status")
    assert.are.equal(0, code, err)
    assert.is_truthy(out:find "web +running", out)
  end)

  it("are shown from another PID namespace, with the pids of their own", function()
    local c = start "init"
    local code, out = control.run(c, "status")
    assert.are.equal(0, code)
    assert.is_truthy(out:find("pid " .. c.nspid, 1, true), out)
  end)

  -- What status says of a program that shows pages of its own; `make` is its Python.
  local function refused(make)
    local c = container.start {
      program = { "/usr/bin/python3", "-c", "import fcntl, os, struct, time\n" .. make
        .. '\nprint("there", flush=True)\ntime.sleep(60)' },
      raw = {},
    }
    c:expect "there"
    local code, _, err = control.run(c, "status")
    assert.are.equal(3, code)
    return err
  end

  it("of another version are not read", function()
    local err = refused [[
fd = os.memfd_create("reaper-engine", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
os.ftruncate(fd, 4096)
os.pwrite(fd, b"reaperP\n" + struct.pack("<II", 99, 4096) + b"9.9.9", 0)
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)]]
    assert.is_truthy(err:find("reaper-lua 9.9.9, which shows itself in version 99 of the pages", 1, true), err)
  end)

  it("of a size that somebody can change are not read", function()
    local err = refused [[
fd = os.memfd_create("reaper-engine", os.MFD_CLOEXEC)
os.ftruncate(fd, 1 << 20)
os.pwrite(fd, b"reaperP\n" + struct.pack("<II", 1, 1 << 20) + b"9.9.9", 0)]]
    assert.is_truthy(err:find("is no reaper-lua that can be looked into", 1, true), err)
  end)
end)
