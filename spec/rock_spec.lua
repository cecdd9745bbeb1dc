-- The rock: built from a copy of the checkout without network, packed, installed elsewhere, used, taken away. What was
-- compiled stays in build/rock-spec and is used again, as long as all is the same that it was made from.

local uv = require "luv"
local container = require "spec.support.container"
local program = require "spec.support.program"

local SCM = "rockspec/reaper-scm-1.rockspec"
local NOBODY = 65534
local KEPT = "build/rock-spec"
local COMPILED = "source plain.so first tested" -- what is kept there

local folder -- of everything that these specs write

-- Runs a command of the shell: whether it ended with 0, and what it wrote.
local function run(command)
  local pipe = assert(io.popen("(" .. command .. ") 2>&1"))
  local text = pipe:read("a")
  return pipe:close() == true, text
end

local function must(command)
  local ok, text = run(command)
  return ok and text or error(command .. "\n" .. text, 2)
end

-- Calls f the first time only; later calls give the same.
local function once(f)
  local results
  return function()
    results = results or table.pack(f())
    return table.unpack(results, 1, results.n)
  end
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

-- The files below a folder, sorted.
local function files_below(path)
  local list = {}
  for name in must(("cd %s && find . -type f"):format(path)):gmatch("%./([^\n]+)") do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

-- One line for all that what is compiled here depends on: the files with their times, the tools, and this file, which
-- has the flags.
local function checksum_of_sources()
  return must([[
    files=$(find src lua rockspec tools spec/support/*.c Makefile *.md LICENSE spec/rock_spec.lua /usr/include/lua5.4 \
      -type f | LC_ALL=C sort)
    {
      sha256sum $files
      stat -c '%n %y' $files
      readlink -f $(command -v cc make luarocks lua5.4)
      cc --version
      luarocks --version
      echo "$PATH"
    } | sha256sum
  ]])
end

local sources -- their checksum
local kept = false -- true when what is used was compiled by an earlier run, from exactly these sources
local compiled = 0 -- how many of the three compilations have gone well in this run

local function is_kept()
  local file = io.open(KEPT .. "/sources")
  if not file then
    return false
  end
  local text = file:read("a")
  file:close()
  return text == sources
end

-- All that is compiled is kept together, and is whole as soon as it has its name.
local function keep()
  local new = ("%s.%d"):format(KEPT, uv.os_getpid())
  must(("rm -rf %s && mkdir -p %s && cd %s && cp -a %s \"$OLDPWD\"/%s"):format(new, new, folder, COMPILED, new))
  local file = assert(io.open(new .. "/sources", "w"))
  assert(file:write(sources))
  file:close()
  must(("rm -rf %s && mv -T %s %s"):format(KEPT, new, KEPT))
end

-- What is checked in, with its times; and nothing that was built from it, but what an earlier run has built in there.
local function copy_of_checkout(name)
  local copy = folder .. "/" .. name
  must(("mkdir -p %s && tar -c --format=posix --exclude=./build --exclude=./.git --exclude=./reaper-lua . | "
    .. "tar -x -C %s"):format(copy, copy))
  return copy
end

-- Words before a command that has no network and only these variables. Variables of the make that runs the specs would
-- reach the makes in here.
local function apart(variables)
  return ("unshare --net env -i LC_ALL=C HOME=%s/home %s"):format(folder, variables)
end

-- The same for a user who may write below `folder` only.
local function unprivileged(variables)
  return ("unshare --net setpriv --reuid=%d --regid=%d --clear-groups env -i LC_ALL=C HOME=%s/home %s"):format(NOBODY,
    NOBODY, folder, variables)
end

local PATH = "PATH=" .. os.getenv("PATH")
local LUAROCKS = " luarocks --lua-version 5.4 "

local function luarocks(where, words)
  return run(("cd %s && %s%s%s"):format(where, unprivileged(PATH), LUAROCKS, words))
end

local source = once(function()
  local copy = copy_of_checkout("source")
  must(("chown -R %d:%d %s"):format(NOBODY, NOBODY, folder))
  return copy
end)

-- A compilation: whether it went well, and its text. One that was kept has gone well.
local function compilation(f)
  return once(function()
    if kept then
      return true, "compiled before"
    end
    local ok, text = f()
    compiled = compiled + (ok and 1 or 0)
    return ok, text
  end)
end

-- make as the rockspec calls it, but with other flags, and with no more in PATH than a C compiler is made of. luarocks
-- make comes later, and takes the place of its result.
local plain_make = compilation(function()
  local bin = folder .. "/bin"
  must(("mkdir -m 755 %s && for tool in sh make cc as ld mkdir mv; do ln -s $(command -v $tool) %s; done"):format(bin,
    bin))
  local ok, text = run(("cd %s && %s make library BUILD=build/rock CFLAGS='-O0 -g'"):format(source(),
    unprivileged("PATH=" .. bin)))
  if ok then
    must(("cp -p %s/build/rock/reaper/core.so %s/plain.so"):format(source(), folder))
  end
  return ok, text
end)

local function tree(name)
  return folder .. "/" .. name
end

local made = compilation(function()
  plain_make()
  return luarocks(source(), ("--tree %s make %s"):format(tree("first"), SCM))
end)

-- make test in a copy, which builds everything first. The specs are run whether that was kept or not.
local tested = once(function()
  local copy = copy_of_checkout("tested")
  if uv.fs_stat("build/luaposix") then -- so that nothing has to be fetched
    must(("mkdir -p %s/build && cp -a build/luaposix %s/build"):format(copy, copy))
  end
  local ok, text = run(("cd %s && %s%stest %s"):format(copy, apart(PATH .. " SPECS=spec/library_spec.lua CFLAGS=-O0"),
    LUAROCKS, SCM))
  compiled = compiled + (ok and not kept and 1 or 0)
  return ok, text
end)

-- The binary rock's path.
local packed = once(function()
  source()
  made()
  local ok, text = luarocks(folder, ("--tree %s pack reaper"):format(tree("first")))
  return ok and text:match("Packed: (%S+)") or error(text)
end)

local installed = once(function()
  return luarocks(folder, ("--tree %s install %s"):format(tree("second"), packed()))
end)

-- For a program that finds no module but those of the second tree and what Lua brings.
local function environment()
  installed()
  local _, lua = luarocks(folder, ("--tree %s path --lr-path"):format(tree("second")))
  local _, c = luarocks(folder, ("--tree %s path --lr-cpath"):format(tree("second")))
  return { LUA_PATH_5_4 = lua:match("^[^\n]+"), LUA_CPATH_5_4 = c:match("^[^\n]+") }
end

local function in_empty_folder(options)
  local empty = folder .. "/empty"
  must("mkdir -p " .. empty)
  assert(#files_below(empty) == 0)
  options.cwd, options.env = empty, environment()
  return options
end

local function rockspec(path)
  local values = {}
  assert(loadfile(path, "t", values))()
  return values
end

setup(function()
  folder = assert(uv.fs_mkdtemp("/tmp/reaper-lua-rock-XXXXXX"))
  must(("mkdir %s/home"):format(folder))
  sources = checksum_of_sources()
  kept = is_kept()
  if kept then
    must(("cd %s && cp -a %s %s"):format(KEPT, COMPILED, folder))
  end
end)

teardown(function()
  if compiled == 3 then
    keep()
  end
  must("rm -r " .. folder)
end)

describe("a rockspec", function()
  local version = read("src/common/options.h"):match('REAPER_VERSION "([^"]+)"')
  local released = ("rockspec/reaper-%s-1.rockspec"):format(version)

  for _, path in ipairs { SCM, released } do
    it("passes luarocks lint: " .. path, function()
      assert.same({ true, "" }, { luarocks(source(), "lint " .. path) })
    end)

    it("needs Lua and nothing else: " .. path, function()
      assert.same({ "lua >= 5.4, < 5.6" }, rockspec(path).dependencies)
    end)

    -- A module that is forgotten here is missed only where the checkout is not in reach.
    it("names every Lua file but those of scripts: " .. path, function()
      local of_scripts = { [""] = true, ["runtime/script"] = true, ["runtime/inbox"] = true, ["restart/option"] = true }
      local expected = { reaper = "lua/reaper/init.lua" }
      for _, file in ipairs(files_below("lua/reaper")) do
        local name = file:match("^(.*)%.lua$"):gsub("/?init$", "")
        if not of_scripts[name] and not name:find "^control" then
          expected["reaper." .. name:gsub("/", ".")] = "lua/reaper/" .. file
        end
      end
      assert.same(expected, rockspec(path).build.install.lua)
    end)
  end

  it("of the released version differs from the other in version and source only", function()
    local one, other = rockspec(SCM), rockspec(released)
    assert.equal("v" .. other.version:match("^(.*)%-1$"), other.source.tag)
    assert.equal(one.source.url, other.source.url)
    one.version, one.source, other.version, other.source = nil, nil, nil, nil
    assert.same(one, other)
  end)
end)

describe("make library", function()
  it("needs a shell, make and a C compiler, but not root, not apt-get, no network", function()
    local ok, text = plain_make()
    assert.is_true(ok, text)
    assert.truthy(read(folder .. "/plain.so"):find(".debug_info", 1, true))
  end)
end)

describe("luarocks make", function()
  it("puts the modules and the documents into an empty tree, and nothing else", function()
    local ok, text = made()
    assert.is_true(ok, text)
    local expected = {
      "lib/lua/5.4/reaper/core.so",
      "lib/luarocks/rocks-5.4/manifest",
      "lib/luarocks/rocks-5.4/reaper/scm-1/doc/CHANGELOG.md",
      "lib/luarocks/rocks-5.4/reaper/scm-1/doc/CONTRIBUTING.md",
      "lib/luarocks/rocks-5.4/reaper/scm-1/doc/LICENSE",
      "lib/luarocks/rocks-5.4/reaper/scm-1/doc/README.md",
      "lib/luarocks/rocks-5.4/reaper/scm-1/reaper-scm-1.rockspec",
      "lib/luarocks/rocks-5.4/reaper/scm-1/rock_manifest",
    }
    for name in pairs(rockspec(SCM).build.install.lua) do
      expected[#expected + 1] = "share/lua/5.4/" .. name:gsub("%.", "/") .. ".lua"
    end
    table.sort(expected)
    assert.same(expected, files_below(tree("first")))
  end)

  it("uses nothing that was compiled with other flags", function()
    made()
    assert.falsy(read(tree("first") .. "/lib/lua/5.4/reaper/core.so"):find(".debug_info", 1, true))
  end)
end)

describe("luarocks test", function()
  it("runs the specs", function()
    local ok, text = tested()
    assert.is_true(ok, text)
    assert.truthy(text:find("\nspec/library_spec.lua %.+\n[^\n]*\n[^\n]*\n[1-9]%d* passed, 0 failed\n"), text)
    assert.equal(kept, text:find(" -c -o build/", 1, true) == nil, text) -- a second run compiles nothing
  end)
end)

describe("the binary rock in another tree", function()
  after_each(container.close_all)

  it("has the same files", function()
    local ok, text = installed()
    assert.is_true(ok, text)
    assert.same(files_below(tree("first")), files_below(tree("second")))
  end)

  it("is all that a program in an empty folder needs to be process 1", function()
    local c = program.start([[
      print(package.searchpath("reaper", package.path), package.searchpath("reaper.core", package.cpath))
      local reaper = require "reaper"
      assert(reaper.start { on_reap = function(pid, status) print("reaped", pid, status) end })
      for code = 1, 3 do
        os.execute("(sleep 0.05; exit " .. code .. ") & exit 0")
      end
      reaper.spawn { "sh", "-c", "exit 9" }
      reaper.loop()
    ]], in_empty_folder {})
    assert.equal(("%s/share/lua/5.4/reaper.lua\t%s/lib/lua/5.4/reaper/core.so"):format(tree("second"), tree("second")),
      c:expect("^([^\n]+)\n"))
    for _, code in ipairs { 1, 2, 3, 9 } do
      c:expect("\nreaped\t%d+\texit " .. code .. "\n")
    end
    assert.equal(0, c:zombies())
    c:kill("TERM")
    assert.equal(143, c:wait())
  end)

  it("runs the README's program until Ctrl-C", function()
    local text = read("README.md"):match("```lua\n(%-%- A Lua program that is its own init.-)```")
    local c = program.start(text, in_empty_folder { tty = true })
    c:expect("reaped\t%d+\texit 3\r?\n")
    assert.equal(0, c:zombies())
    c:write("\3")
    assert.equal(1, c:wait())
    assert.truthy(c:all():find("interrupted!", 1, true))
  end)

  it("leaves nothing when it is removed", function()
    installed()
    local third = tree("third")
    assert.is_true(luarocks(folder, ("--tree %s install %s"):format(third, packed())))
    assert.truthy(uv.fs_stat(third .. "/share/lua/5.4/reaper.lua"))
    assert.is_true(luarocks(folder, ("--tree %s remove reaper"):format(third)))
    assert.same({ "lib/luarocks/rocks-5.4/manifest" }, files_below(third))
  end)
end)
