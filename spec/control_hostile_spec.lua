-- reaperctl beside a process that shows pages with the right heads, and behind them whatever it likes: a C module of
-- the script can write anything, too. Every command ends in time, says what it can, and breaks on nothing.

local container = require "spec.support.container"
local control = require "spec.support.control"

-- Copies the pages of a process into two files.
local COPIER = [[
import os, sys
directory = "/proc/%s/fd/" % sys.argv[1]
for name in os.listdir(directory):
    target = os.readlink(directory + name)
    if target.startswith("/memfd:reaper-") and "store" not in target:
        with open(directory + name, "rb") as page, open(sys.argv[2] + target[7:20], "wb") as copy:
            copy.write(page.read())
]]

-- Shows pages made from those files. "raw BYTE": all bytes are that one; "noise SEED": random ones; "words SEED": words
-- here and there are replaced by those that are worst, most of them in the first part; "race SEED": the same, and the
-- records change all the time.
local FAKER = [[
import fcntl, mmap, os, random, struct, sys, time
folder, kind, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
random.seed(number)
HEAD, FIRST = 32, 4096
WORST = [0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 256, 2**32 - 1, 2**31 - 1, 2**31, 0x7f7f7f7f7f7f7f7f, 65535, 65536,
         0x1b5b324a1b5b324a, 0x7f, 0xffff, 0x137f, 1 << 40, 2**62]

def spoil(page):
    for spot in range(60 + len(page) // 512):
        at = random.randrange(HEAD // 8, (FIRST if spot < 60 else len(page)) // 8 - 1) * 8
        if at + 8 <= len(page):
            page[at:at + 8] = struct.pack("<Q", random.choice(WORST + [random.getrandbits(64)]))

def make(name):
    with open(folder + name, "rb") as copy:
        page = bytearray(copy.read())
    if kind == "raw":
        page[HEAD:] = bytes([number]) * (len(page) - HEAD)
    elif kind == "noise":
        page[HEAD:] = random.randbytes(len(page) - HEAD)
    else:
        spoil(page)
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, len(page))
    shown = mmap.mmap(fd, len(page))
    shown[:] = bytes(page)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return shown, bytes(page)

pages = [make("reaper-engine"), make("reaper-script")]
print("there", flush=True)
if kind == "race":
    turns = []
    for shown, page in pages:
        other = bytearray(page)
        spoil(other)
        end = min(len(page), 65536)
        turns += [(shown, end, page[HEAD:end]), (shown, end, bytes(other[HEAD:end]))]
    while True:
        for shown, end, text in turns:
            shown[HEAD:end] = text
while True:
    time.sleep(60)
]]

local SERVICES = [[
require "reaper.supervisor".run {
  { name = "web", command = { "sh", "-c", "echo a line; exec sleep 1000" }, log = true },
  { name = "work", command = { "false" }, restart = "always", after = { "web" }, log = true },
}
]]

local COMMANDS = {
  "status", "status --json", "status web", "ps", "ps --json", "top --once", "logs web", "logs work -n 3", "events",
  "events --since 1", "metrics", "alive", "ready", "ready web", "wait web -t 0.2", "start web -t 0.2",
  "signal HUP web -t 0.2", "reload -t 0.2", "shutdown 3 -t 0.2",
}

local SECONDS = 20 * container.slow -- no command needs a hundredth of that

local function run(c, words)
  local out, err = c:file "out", c:file "err"
  local _, how, code = os.execute(("timeout -s KILL %d %s --ctl --pid %d %s >%s 2>%s </dev/null"):format(SECONDS,
    container.binary, c.pid, words, out, err))
  return how == "exit" and code or 128 + code, container.read_file(err)
end

describe("reaperctl", function()
  local real

  setup(function()
    real = container.start { script = SERVICES, files = { ["copier.py"] = COPIER } }
    real:until_true(function()
      return select(2, control.run(real, "status")):find "work +backoff"
        and select(2, control.run(real, "logs", "web")) == "a line\n"
    end, nil, "the services")
    assert(os.execute(("python3 %s %d %s/"):format(real:file "copier.py", real.pid, real.folder)))
  end)

  teardown(container.close_all)

  for _, how in ipairs { "raw 0", "raw 255", "raw 127", "raw 65", "noise 1", "noise 2", "words 1", "words 2", "words 3",
    "words 4", "words 5", "words 6", "words 7", "words 8", "race 1" } do
    it("is not broken by pages of a liar: " .. how, function()
      local kind, number = how:match "(%a+) (%d+)"
      local c = container.start {
        program = { "/usr/bin/python3", "-c", FAKER, real.folder .. "/", kind, number }, raw = {},
      }
      c:expect "there"
      for _, words in ipairs(COMMANDS) do
        local code, err = run(c, words)
        assert.is_true(code <= 4, ("%s: %d %s"):format(words, code, err))
        assert.is_falsy(err:find "traceback", words .. ": " .. err)
      end
      c:kill "KILL"
    end)
  end
end)
