-- lua/reaper/types/ says what there is: each public name of the code stands there, and nothing else does.

local annotations = dofile("tools/annotations.lua")
local container = require "spec.support.container"
local program = require "spec.support.program"
local script = require "spec.support.script"

-- The files on the table `reaper`.
local TYPES = { "lua/reaper/types/reaper.lua", "lua/reaper/types/process.lua", "lua/reaper/types/settings.lua",
  "lua/reaper/types/schedule.lua" }

local function read(path)
  return assert(container.read_file(path), path)
end

local files = {}
for i, path in ipairs(TYPES) do
  files[i] = { read(path), path }
end
local page = annotations.read(table.unpack(files))

-- What the types say.

local function sorted(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

-- The names of the class's fields, those of its parents too, with their types; nil for a method's.
local function fields_of(name, found)
  found = found or {}
  for _, parent in ipairs(page.items[name].parents) do
    fields_of(parent, found)
  end
  for _, field in ipairs(page.items[name].fields) do
    found[field.name] = field
  end
  return found
end

local function methods_of(name)
  local found = {}
  for _, class in ipairs { name, table.unpack(page.items[name].parents) } do
    for method in pairs(page.items[class].methods) do
      found[method] = true
    end
  end
  return found
end

-- The literals of an alias such as "a"|"b", as a set.
local function literals(alias)
  local found = {}
  for word in page.items[alias].type:gmatch('"([^"]*)"') do
    found[word] = true
  end
  return found
end

-- Functions and constants of the table `reaper`, with their sections' titles.
local public = {}
local hooks = {}
for _, section in ipairs(page.sections) do
  for _, item in ipairs(section.items) do
    local name = item.name:match("^reaper%.(.+)$")
    if name and (item.kind == "function" or item.kind == "constant") then
      public[name] = { item = item, programs_only = section.title == "In a program" }
    elseif item.kind == "function" and not item.name:find "[:.]" then
      hooks[item.name] = item
    end
  end
end

-- What the code says. The programs below print lines of a title, a name and a value.

local PRINT = [[
  local function put(...) print("fact", ...) end
  local function put_fields(what, t)
    for name, value in pairs(t) do put(what, name, math.type(value) or type(value)) end
  end
  local serials = {}
  local function put_one(what, t)
    serials[what] = (serials[what] or 0) + 1
    put_fields(what .. " " .. serials[what], t)
  end
  local function put_methods(what, object)
    for name in pairs(getmetatable(object)) do
      if not name:find("^__") then put(what, name, "method") end
    end
  end
]]

-- title → name → value
local function facts_in(text)
  local facts = {}
  for line in text:gmatch("fact\t([^\n]*)\n") do
    local what, name, value = line:match("^([^\t]*)\t([^\t]*)\t?(.*)$")
    facts[what] = facts[what] or {}
    facts[what][name] = value
  end
  return setmetatable(facts, { __index = function(_, what)
    error("the program has told nothing of " .. what, 2)
  end })
end

-- All tables of a kind: "status 1", "status 2", …
local function each_of(facts, what)
  local serial = 0
  return function()
    serial = serial + 1
    return rawget(facts, what .. " " .. serial)
  end
end

local function run_script()
  local out, err, code = script.run(PRINT .. [[
    put_fields("reaper", reaper)
    put("reaper.main", "main", type(reaper.main))
    put("types", "loaded", (pcall(require, "reaper.types.reaper")))
    reaper.spawn { "true", name = "early" }:wait()

    local function look_at_objects()
      local child = reaper.spawn { "sh", "-c", "kill -9 $$", name = "worker", stdin = "pipe", stdout = "pipe",
        stderr = "pipe" }
      put_one("process", child)
      put_methods("process", child)
      put_methods("reader", child.stdout)
      put_methods("writer", child.stdin)
      child:wait()
      put_one("main_child", reaper.main)
      put_methods("main_child", reaper.main)
      local timer = reaper.after(9, print)
      put_methods("timer", timer)
      timer:cancel()
    end

    local function wait_for_status(options)
      local pid, status, rusage = reaper.wait4(-1, options)
      put_one("status", status)
      put_one("rusage", rusage)
      return pid
    end

    -- The script process's own child is no child of the engine.
    local function look_at_stops()
      local pipe = io.popen("kill -STOP $$; read line", "w")
      local pid = wait_for_status(reaper.WUNTRACED)
      os.execute("kill -CONT " .. pid)
      wait_for_status(reaper.WCONTINUED)
      pipe:close()
    end

    function on_start()
      look_at_objects()
      look_at_stops()
      for _, entry in ipairs(reaper.processes()) do put_one("entry", entry) end
      put_one("statistics", reaper.stats())
      for level in ("error warning info debug trace"):gmatch("%S+") do reaper.log(level, "a line") end
      put("levels", select(2, pcall(reaper.log, "?", "")):match("is none of (.-)%)"), "")
      os.execute("sleep 0.01 &")
      reaper.exit(0)
    end

    function on_reap(pid, status, rusage, info)
      put_one("status", status)
      put_one("rusage", rusage)
      put_one("info", info)
    end
  ]], { command = { "sleep", "1000" } })
  assert.are.same({ 0, "reaper-lua: a line\nreaper-lua: warning: a line\nreaper-lua: a line\n" }, { code, err })
  return facts_in(out)
end

local function run_program()
  return facts_in(program.printed(PRINT .. [[
    local reaper = require "reaper"
    put_fields("reaper", reaper)
    put("reaper.main", "main", type(reaper.main))
    for name, value in pairs(reaper) do
      if math.type(value) then put("constants", name, value) end
    end

    for name, f in pairs(reaper) do
      local how = type(f) == "function" and debug.getinfo(f, "u")
      if how and not how.isvararg and debug.getinfo(f, "S").what == "Lua" then put("parameters", name, how.nparams) end
    end

    local starting = { start = true, reap = true, run_forked = true, with_reaper = true }
    for name, f in pairs(reaper) do
      if type(f) == "function" and not starting[name] then
        local _, message = pcall(f)
        if tostring(message):find("there is no engine", 1, true) then put("needs engine", name) end
      end
    end

    for _, name in ipairs(require "reaper.runtime.hooks".names) do put("hooks", name) end
    for _, name in ipairs(require "reaper.runtime.settings".names) do put("settings", name) end

    -- Each table of options is checked against a list of keys, which is told here.
    local check = require "reaper.runtime.check"
    local check_keys = check.keys
    function check.keys(where, t, known, positional)
      for _, key in ipairs(known) do put("keys of " .. where, key) end
      return check_keys(where, t, known, positional)
    end

    -- A userdata is no value of any key.
    local function try(f, key) return select(2, pcall(f, { [key] = io.stdout })) end
    try(reaper.start, "?")
    for _, list in ipairs { require "reaper.runtime.hooks".names, require "reaper.runtime.settings".names,
      { "pid", "options", "debug", "disable_pid1_check", "enable_child_subreaper" } } do
      for _, key in ipairs(list) do
        local why = try(reaper.start, key)
        if why:find(" expected, got userdata", 1, true) then put("accepted by start", key) end
      end
    end

    assert(reaper.start { enable_child_subreaper = true })
    for _, key in ipairs(require "reaper.runtime.settings".names) do
      local why = try(reaper.configure, key)
      if why:find(" expected, got userdata", 1, true) then put("accepted by configure", key) end
    end
    try(reaper.spawn, "?")
    try(reaper.run, "?")
    pcall(reaper.spawn, { "true", rlimit = { ["?"] = 1 } })
    local child = reaper.spawn { "true" }
    pcall(child.stop, child, { ["?"] = 1 })
    child:wait()
  ]]))
end

-- What the table `reaper` must hold; `where` is "scripts" or "programs".
local function expected_names(where)
  local names = { version = true }
  for name, found in pairs(public) do
    if where == "programs" or not found.programs_only then
      names[name] = true
    end
  end
  return sorted(names)
end

-- The value's type, as Lua names it, is one of those that the field may have.
local function fits(field, type)
  local words = field.type:gsub('"[^"]*"', "string"):gsub("reaper%.writer", "table"):gsub("reaper%.reader", "table")
  for word in words:gmatch("[^|]+") do
    if word == type or word == "number" and (type == "integer" or type == "float") then
      return true
    end
  end
  return false
end

-- The tables of one kind against the class: no unknown field, no missing one, and each field somewhere.
local function check_tables(facts, what, class)
  local fields, seen = fields_of(class), {}
  for one in each_of(facts, what) do
    for name, type in pairs(one) do
      assert.message(("%s has '%s', which %s has not"):format(what, name, class)).is_truthy(fields[name])
      assert.message(("%s.%s is no %s"):format(class, name, type)).is_true(fits(fields[name], type))
      seen[name] = true
    end
    for name, field in pairs(fields) do
      assert.message(("%s is missing in a %s"):format(name, what)).is_true(field.optional or one[name] ~= nil)
    end
  end
  assert.are.same(sorted(fields), sorted(seen))
end

describe("the reference", function()
  it("is what the types file says (else: make reference)", function()
    local pipe = io.popen(("lua5.4 tools/reference.lua %s lua/reaper/types/restart.lua lua/reaper/types/supervisor.lua")
      :format(table.concat(TYPES, " ")))
    local text = pipe:read("a")
    pipe:close()
    assert.is_truthy(#text > 10000)
    assert.are.equal(text, read("doc/REFERENCE.md"))
  end)

  it("has headings of different names, and each link leads to one or to a file", function()
    local text, anchors = read("doc/REFERENCE.md"), {}
    for heading in text:gmatch("\n#+ ([^\n]+)") do
      local anchor = heading:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-")
      assert.is_nil(anchors[anchor], anchor)
      anchors[anchor] = true
    end
    for target in text:gmatch("%]%((.-)%)") do
      local anchor = target:match("^#(.+)$")
      assert.message(target).is_truthy(anchor and anchors[anchor] or not anchor and io.open("doc/" .. target))
    end
  end)
end)

describe("the types file", function()
  it("is Lua that sets the globals and returns the module", function()
    local env = {}
    local module = assert(loadfile(TYPES[1], "t", env))()
    for i = 2, #TYPES do
      assert(loadfile(TYPES[i], "t", env))()
    end
    assert.are.equal(env.reaper, module)
    env.reaper = nil
    assert.are.same(sorted(hooks), sorted(env))
    assert.are.same(sorted(public), sorted(module))
  end)

  it("says the same of a hook wherever it stands", function()
    local overloads = {}
    for _, overload in ipairs(public.on.item.overloads) do
      overloads[overload] = true
    end
    for name, hook in pairs(hooks) do
      local params = {}
      for i, param in ipairs(hook.params) do
        params[i] = ("%s%s: %s"):format(param.name, param.optional and "?" or "", param.type)
      end
      local result = hook.returns[1] and ": " .. hook.returns[1].type or ""
      assert.are.equal(("async fun(%s)%s"):format(table.concat(params, ", "), result),
        page.items["reaper." .. name].type)
      assert.is_truthy(overloads[('fun(hook: "%s", f: reaper.%s): fun()'):format(name, name)], name)
      assert.are.equal("reaper." .. name, fields_of("reaper.script_hooks")[name].type)
    end
    assert.are.equal(#sorted(hooks), #sorted(overloads))
  end)

  it("tells of the hooks in the README and in the man page by the same names", function()
    for name in pairs(hooks) do
      assert.is_truthy(read("README.md"):find("`" .. name .. "(", 1, true), name)
      assert.is_truthy(read("doc/reaper-lua.1"):find(".Fn " .. name, 1, true)
        or read("doc/reaper-lua.1"):find(".It Fn " .. name, 1, true), name)
    end
  end)
end)

-- What other modules of reaper use of them, and nobody else.
local internal = {
  restart = {
    policy = true, decision = true, short_runs = true, restarts_since = true, ask = true, text = true,
    is_own_end = true, parse_docker = true, backoff_of = true,
  },
}

for _, name in ipairs { "schedule", "restart", "supervisor" } do
  describe("the module reaper." .. name, function()
    it("holds the functions that are documented, with as many parameters", function()
      local documented = {}
      local types = read(("lua/reaper/types/%s.lua"):format(name))
      for words, parameters in types:gmatch("\nfunction ([%w_.]+)%(([^)]*)%) end") do
        documented[words:match("%.(.+)$")] = select(2, parameters:gsub("[%w_.]+", ""))
      end
      local out = script.printed(([[
        for key, value in pairs(require "reaper.%s") do
          local info = type(value) == "function" and debug.getinfo(value, "u")
          if info then print(key, info.nparams + (info.isvararg and 1 or 0)) end
        end]]):format(name))
      local found = {}
      for key, parameters in out:gmatch("(%S+)\t(%d+)\n") do
        if not (internal[name] and internal[name][key]) then
          found[key] = tonumber(parameters)
        end
      end
      assert.are.same(documented, found)
    end)
  end)
end

describe("in a script", function()
  local facts

  setup(function()
    facts = run_script()
  end)
  teardown(container.close_all)

  it("the table reaper has the names that are documented", function()
    assert.are.same(expected_names("scripts"), sorted(facts.reaper))
    assert.are.equal("table", facts["reaper.main"].main)
  end)

  it("the types file cannot be loaded: it is not in the binary", function()
    assert.are.equal("false", facts.types.loaded)
  end)

  for what, class in pairs { process = "reaper.process", main_child = "reaper.main_child", reader = "reaper.reader",
    writer = "reaper.writer", timer = "reaper.timer" } do
    it("the methods of " .. class .. " are those that are documented", function()
      local found = {}
      for name in pairs(facts[what]) do
        found[name] = true
      end
      if what == "main_child" then -- the only one that has it
        found.start = facts["main_child 1"].start == "function" or nil
      end
      assert.are.same(sorted(methods_of(class)), sorted(found))
    end)
  end

  it("a process has the fields that are documented", function()
    check_tables(facts, "process", "reaper.process")
    facts["main_child 1"].start = nil
    for name, type in pairs(facts["main_child 1"]) do
      assert.is_true(fits(fields_of("reaper.main_child")[name], type), name)
    end
  end)

  for what, class in pairs { status = "reaper.status", rusage = "reaper.rusage", info = "reaper.info",
    entry = "reaper.process_entry", statistics = "reaper.statistics" } do
    it("the fields of " .. class .. " are those that are documented", function()
      check_tables(facts, what, class)
    end)
  end

  it("every death has an info, that of a child which died while the script loaded too", function()
    local count = 0
    for one in each_of(facts, "info") do
      count = count + 1
      assert.are.same({ "string", "float" }, { one.comm, one.lifetime })
    end
    assert.is_true(count >= 4, count)
  end)

  it("the levels of the log are those that are documented", function()
    local found = {}
    for level in next(facts.levels):gmatch("%a+") do
      found[level] = true
    end
    assert.are.same(sorted(literals("reaper.level")), sorted(found))
  end)
end)

describe("in a program", function()
  local facts

  setup(function()
    facts = run_program()
  end)
  teardown(container.close_all)

  it("the table reaper has the names that are documented, and no main child", function()
    assert.are.same(expected_names("programs"), sorted(facts.reaper))
    assert.are.equal("nil", facts["reaper.main"].main)
  end)

  it("the constants have the documented values", function()
    local documented = {}
    for name, found in pairs(public) do
      if found.item.kind == "constant" then
        documented[name] = ("%d"):format(found.item.value)
      end
    end
    assert.are.same(documented, facts.constants)
  end)

  it("functions take as many parameters as documented", function()
    assert.is_truthy(next(facts.parameters))
    for name, count in pairs(facts.parameters) do
      assert.are.equal(tonumber(count), #public[name].item.params, name)
    end
  end)

  it("the functions that raise before reaper.start are those that say so", function()
    local documented = {}
    for name, found in pairs(public) do
      if found.item.text and found.item.text:gsub("%s+", " "):find("[Rr]aises before `reaper%.start`") then
        documented[name] = true
      end
    end
    assert.are.same(sorted(documented), sorted(facts["needs engine"]))
  end)

  it("the hooks are those that are documented", function()
    assert.are.same(sorted(hooks), sorted(facts.hooks))
    assert.are.same(sorted(hooks), sorted(literals("reaper.hook")))
    assert.are.same(sorted(hooks), sorted(fields_of("reaper.script_hooks")))
  end)

  it("reaper.start takes the keys that are documented", function()
    assert.are.same(sorted(fields_of("reaper.config")), sorted(facts["accepted by start"]))
    for key in pairs(facts["keys of reaper.start"]) do
      assert.is_truthy(facts.hooks[key] or facts.settings[key] or facts["accepted by start"][key], key)
    end
  end)

  for where, class in pairs {
    ["reaper.spawn"] = "reaper.spawn_options", ["reaper.run"] = "reaper.run_options",
    ["process:stop"] = "reaper.stop_options", ["reaper.spawn rlimit"] = "reaper.limits",
  } do
    it(where .. " takes the keys that are documented", function()
      local documented = fields_of(class)
      documented["[integer]"] = nil
      assert.are.same(sorted(documented), sorted(facts["keys of " .. where]))
    end)
  end

  it("reaper.configure takes the keys that are documented, and knows those of scripts", function()
    assert.are.same(sorted(fields_of("reaper.settings")), sorted(facts["accepted by configure"]))
    assert.are.same(sorted(fields_of("reaper.script_settings")), sorted(facts.settings))
  end)
end)

describe("reaper.configure", function()
  after_each(container.close_all)

  it("takes those options of the command line that are documented", function()
    local _, help = container.run { raw = { "--help" } }
    local keys = {}
    for option in help:gmatch("%-%-(%l[%l-]+)") do
      keys[#keys + 1] = ("%q"):format((option:gsub("-", "_")))
    end
    local facts = facts_in(script.printed(PRINT .. ([[
      for _, key in ipairs { %s } do
        local _, why = pcall(reaper.configure, { [key] = "?" })
        if not why:find("unknown setting", 1, true) then put("settings", key) end
      end
    ]]):format(table.concat(keys, ", "))))
    local documented = fields_of "reaper.script_settings"
    documented.env = nil -- a table of variables, which no option has
    assert.are.same(sorted(documented), sorted(facts.settings))
  end)
end)

-- A SIGPIPE would end a program, which the documented result excludes.
describe("writer:write", function()
  after_each(container.close_all)

  local BODY = [[
    local child = reaper.spawn { "true", stdin = "pipe" }
    child:wait()
    print(child.stdin:write("text"))
    child.stdin:close()
    print(child.stdin:write("text"))
  ]]
  local RESULTS = "nil\twrite: Broken pipe\t32\nnil\tthe pipe is closed\t9\n"

  it("gives errno 32 when nobody reads and 9 when it is closed, in a script", function()
    assert.are.equal(RESULTS, script.printed(BODY))
  end)

  it("and in a program", function()
    assert.are.equal(RESULTS, program.printed(
      'local reaper = require "reaper" assert(reaper.start { enable_child_subreaper = true })' .. BODY))
  end)
end)
