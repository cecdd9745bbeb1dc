-- What services write, line by line: with a name in front, whole, and at the pace of who reads it.

local uv = require "luv"
local container = require "spec.support.container"
local script = require "spec.support.script"

local HEAD = [[
  local supervisor = require "reaper.supervisor"
  local lines = reaper.log.lines
]]

local function start(services, options)
  return script.start(HEAD .. "supervisor.run{" .. services .. "}", options)
end

local function run(services, options)
  local out, err, code = script.run(HEAD .. "supervisor.run{" .. services .. "}", options)
  assert.same({ "", 0 }, { err, code })
  return out
end

-- What a shell command writes comes out of this service as …
local function written(command, options, more)
  return run(([[ { name = "web", command = { "sh", "-c", %q }, stdout = lines "web", %s } ]])
    :format(command, more or ""), options)
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

-- A file that says what a FIFO got, read by and by.
local function wrap(reader)
  return { "/bin/bash", "-c", ([[exec "$@" > >(%s)]]):format(reader), "wrap" }
end

describe("reaper.log.lines", function()
  after_each(container.close_all)

  container.each_mode(function(mode)
    it("puts the name in front of each line", function()
      assert.equal("web: one\nweb: \nweb: two  \n", written("printf 'one\n\ntwo  \n'", { mode = mode }))
    end)
  end)

  it("ends a partial last line", function()
    assert.equal("web: one\nweb: half\n", written("printf 'one\nhalf'"))
  end)

  it("writes what is for stderr there", function()
    local out, err = script.run(HEAD .. [[supervisor.run{ { name = "a", command = { "sh", "-c", "echo 1; echo 2 >&2" },
      stdout = lines("a"), stderr = lines("a", "stderr") } }]])
    assert.same({ "a: 1\n", "a: 2\n" }, { out, err })
  end)

  it("keeps every byte in text", function()
    local bytes = {}
    for byte = 0, 255 do
      bytes[#bytes + 1] = byte ~= 10 and ("\\%03o"):format(byte) or nil
    end
    local list = {}
    for byte = 0, 255 do
      list[#list + 1] = byte ~= 10 and string.char(byte) or nil
    end
    assert.equal("web: " .. table.concat(list) .. "\n", written("printf '" .. table.concat(bytes) .. "\\n'"))
  end)

  it("writes JSON with --log-format json", function()
    local out = written([[printf 'a "b" \\ \t\001\177 \303\251 \377\300\257 end\nhalf']],
      { args = { "--log-format", "json" } })
    local first, second = out:match("^([^\n]*)\n([^\n]*)\n$")
    local time = '{"time":"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ","service":"web","stream":"stdout","message":"'
    assert.matches("^" .. time, first)
    assert.equal([[a \"b\" \\ \t\u0001\u007f é ]] .. ("\u{fffd}"):rep(3) .. [[ end"}]], (first:gsub("^" .. time, "")))
    assert.equal('half"}', (second:gsub("^" .. time, "")))
    assert.truthy(utf8.len(out))
  end)

  it("refuses what is no name or stream", function()
    for call, message in pairs {
      ["lines()"] = "'name' to 'reaper.log.lines'", ["lines(1)"] = "'name' to 'reaper.log.lines'",
      ["lines('a', 'x')"] = "\"stdout\" or \"stderr\" expected",
    } do
      local _, err, code = script.run(HEAD .. call)
      assert.equal(125, code)
      assert.truthy(err:find(message, 1, true), err)
    end
  end)

  for _, size in ipairs { 4096, 65536, (1 << 20) - 1, 1 << 20 } do
    it(("keeps a line of %d bytes whole"):format(size), function()
      local out = written(("head -c %d /dev/zero | tr '\\0' x; echo; echo next"):format(size))
      assert.equal("web: " .. ("x"):rep(size) .. "\nweb: next\n", out)
    end)
  end

  it("keeps long lines of several services apart", function()
    local services = {}
    for i = 1, 3 do
      services[i] = ([[ { name = "s%d", stdout = lines "s%d", command = { "sh", "-c",
        "for i in 1 2 3 4 5; do head -c 300000 /dev/zero | tr '\\0' %d; echo; done" } } ]]):format(i, i, i)
    end
    local out = run(table.concat(services, ","))
    assert.equal(15, count(out, "\n"))
    for name, line in out:gmatch("s(%d): ([^\n]*)\n") do
      assert.equal(name:rep(300000), line)
    end
  end)

  -- 50 MB: 500 000 lines of about 100 bytes. The reader keeps a count and a checksum.
  for _, format in ipairs { "text", "json" } do
    it("loses no line of 50 MB, as " .. format, function()
      local c = start([[ { name = "web", stdout = lines "web", command = { "sh", "-c",
        "awk 'BEGIN { for (i = 1; i <= 500000; i++) printf \"%07d %092d\\n\", i, i }'; touch {folder}/written; " ..
        "echo END; exec sleep 1000" } } ]], {
        args = { "--log-format", format }, limit = 300, wrap = wrap("exec cat > {folder}/all"),
      })
      c:until_true(function() return c:read("written") end, 120, "the service to have written all")
      c:until_true(function()
        return io.popen("tail -n 1 " .. c:file("all")):read("a"):find("END", 1, true)
      end, 60, "the last line")
      local pick = format == "text" and "cut -c 6-" or [[cut -d '"' -f 16]]
      local got = io.popen(("sed /END/d %s | %s | cksum"):format(c:file("all"), pick)):read("a")
      local expected = io.popen(
        [[awk 'BEGIN { for (i = 1; i <= 500000; i++) printf "%07d %092d\n", i, i }' | cksum]]):read("a")
      assert.equal(expected, got)
      assert.equal("500001\n", io.popen("wc -l < " .. c:file("all")):read("a"))
    end)
  end

  it("makes only those wait for a slow reader that write", function()
    local c = start([[
      { name = "loud", stdout = lines "loud", command = { "sh", "-c",
        "i=0; while test $i -lt 20000; do i=$((i+1)); echo $i; done; while :; do sleep 1; done" } },
      { name = "quiet", command = { "sh", "-c", "echo run >> {folder}/runs; exec sleep 1000" }, restart = "always" },
    ]], { wrap = wrap("while test ! -e {folder}/read; do sleep 0.05; done; exec cat > {folder}/all") })
    local seen = 0
    for round = 1, 3 do
      c:until_true(function()
        local sleeps = select(2, c:find("sleep"))
        for _, process in ipairs(sleeps) do
          if process.args:find("1000", 1, true) and process.pid ~= seen and count(c:read("runs") or "", "run") == round
          then
            seen = process.pid
            return true
          end
        end
      end, 10, "run " .. round)
      c:kill("KILL", seen)
    end
    assert(io.open(c:file("read"), "w")):close()
    c:until_true(function() return (c:read("all") or ""):find("loud: 20000\n", 1, true) end, 10, "the last line")
    local expected = {}
    for i = 1, 20000 do
      expected[i] = ("loud: %d\n"):format(i)
    end
    assert.equal(table.concat(expected), c:read("all"))
    c:kill("TERM")
    assert.equal(0, c:wait())
  end)

  it("holds up a service that writes more than anybody reads, and no memory is used for it", function()
    local c = start([[ { name = "loud", stdout = lines "loud", command = { "sh", "-c", "exec yes" } } ]],
      { wrap = wrap("exec sleep 1000") })
    local yes = c:until_true(function() return c:find("yes") end, 10, "the writer")
    local function size_of(process)
      local file = assert(io.open(("/proc/%d/status"):format(process.pid)))
      local text = file:read("a")
      file:close()
      return tonumber(text:match("VmRSS:%s*(%d+)"))
    end
    local function cpu_of(process)
      local file = assert(io.open(("/proc/%d/stat"):format(process.pid)))
      local text = file:read("a")
      file:close()
      local user, system = text:match("%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
      return user + system
    end
    local before, quiet, script_process = -1, 0, c:find("reaper-script")
    c:until_true(function()
      local now = cpu_of(yes)
      uv.sleep(200)
      quiet = now == before and quiet + 1 or 0
      before = now
      return quiet == 4
    end, 10, "the writer to wait")
    assert.truthy(size_of(script_process) < 30000 * container.slow)
    assert.equal(script_process.pid, c:find("reaper-script").pid)
    assert.equal("", c:err())
  end)

  it("goes on after the loss of the script process, with no line torn", function()
    local c = start([[ { name = "web", stdout = lines "web", command = { "sh", "-c",
      "i=0; while :; do i=$((i+1)); echo $i; sleep 0.002; done" } } ]])
    for _ = 1, 2 do
      local last = c:expect(".*web: (%d+)\n")
      script.kill_script(c)
      c:until_true(function()
        return tonumber(c:out():match(".*web: (%d+)\n")) > tonumber(last) + 50
      end, 10, "further lines")
    end
    c:kill("TERM")
    assert.equal(0, c:wait())
    local before = 0
    for line in c:out():gmatch("([^\n]*)\n") do
      local number = tonumber(line:match("^web: (%d+)$"))
      assert.truthy(number and number > before, line)
      before = number
    end
  end)

  it("tells the last words of a service that is stopped", function()
    local c = start([[ { name = "web", stdout = lines "web", command = { "sh", "-c",
      "trap 'i=0; while test $i -lt 3000; do i=$((i+1)); echo last $i; done; exit 0' TERM; echo up; " ..
      "while :; do sleep 0.02; done" } } ]])
    c:expect("web: up\n")
    c:kill("TERM")
    assert.equal(0, c:wait())
    assert.equal(3001, count(c:out(), "web: "))
  end)

  it("tells the last words of a service that ended while there was no policy", function()
    local c = start([[ { name = "web", stdout = lines "web", restart = "never", command = { "sh", "-c",
      "echo up; while test ! -e {folder}/go; do sleep 0.01; done; echo last; printf words" } } ]])
    c:expect("web: up\n")
    c:kill("STOP", c:find("reaper-script").pid)
    assert(io.open(c:file("go"), "w")):close()
    c:until_true(function() return not c:find("sh") end, 5, "the end of web")
    script.kill_script(c)
    assert.equal(0, c:wait())
    assert.equal("web: up\nweb: last\nweb: words\n", c:out())
  end)

  it("outlives a reader that has gone", function()
    local c = start([[ { name = "web", stdout = lines "web", command = { "sh", "-c",
      "i=0; while test $i -lt 3000; do i=$((i+1)); echo $i; done; echo done >&2; exec sleep 1000" } } ]],
      { wrap = wrap("exec true") })
    c:err_expect("done\n")
    assert.is_nil(c:err():find("policy", 1, true))
    c:kill("TERM")
    assert.equal(0, c:wait())
  end)
end)
