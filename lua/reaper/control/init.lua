--- reaperctl: its commands, and the one that its command line names.

local core = require "reaper.core"
local arguments = require "reaper.control.arguments"
local check = require "reaper.runtime.check"
local failure = require "reaper.control.failure"
local text = require "reaper.control.text"

-- Each command is a module of its own, which gives a function that is called with the options and the words behind the
-- command's name, and gives the exit code. `words` are these words: "…" stands for more of them, and brackets for one
-- that may be missing. `options` are those that it takes beside --pid.
local commands = {
  { name = "status", words = "[NAME…]", options = { "json" }, help = "the engine, the script process, the services" },
  { name = "alive", words = "", options = {}, help = "for a probe: does it run, and has nothing failed for good?" },
  { name = "ready", words = "[NAME…]", options = {}, help = "for a probe: are the services ready?" },
  { name = "metrics", words = "", options = {}, help = "counters and states as Prometheus reads them" },
  { name = "ps", words = "", options = { "json" }, help = "the processes, by service" },
  { name = "top", words = "", options = { "delay", "count", "once" },
    help = "the same as status and ps, live; ? lists its keys" },
  { name = "logs", words = "NAME", options = { "count", "follow" }, help = "the last lines, with log = true" },
  { name = "events", words = "", options = { "follow", "since" }, help = "what happened to services, as JSON lines" },
  { name = "start", words = "NAME…", options = { "no-wait", "timeout" },
    help = "start services, and wait until they are ready" },
  { name = "stop", words = "NAME…", options = { "no-wait", "timeout" },
    help = "stop services, and wait until they are down" },
  { name = "restart", words = "NAME…", options = { "no-wait", "timeout" },
    help = "stop and start services, and wait until they are ready" },
  { name = "reload", words = "[NAME…]", options = { "no-wait", "timeout" },
    help = "services load their configuration; without a name: the script" },
  { name = "signal", words = "SIG NAME…", options = { "timeout" },
    help = "send a signal to services; main is COMMAND" },
  { name = "shutdown", words = "[CODE]", options = { "timeout" },
    help = "stop all in order, and end with that exit code" },
  { name = "wait", words = "NAME…", options = { "for", "timeout" },
    help = "wait until services are what --for says" },
}

local options = {
  pid = { letter = "p", value = "PID", parse = arguments.positive, help = "which one (default 1, else the only one)" },
  json = { letter = "j", help = "print JSON" },
  count = { letter = "n", value = "N", parse = arguments.natural, help = "logs: the last N lines; top: N times" },
  delay = { letter = "d", value = "SECONDS", parse = arguments.seconds, help = "between two looks (default 2)" },
  once = { letter = "1", help = "print it once" },
  ["no-wait"] = { help = "return as soon as the order is taken" },
  timeout = { letter = "t", value = "SECONDS", parse = arguments.seconds, help = "wait so long at most (default 30)" },
  ["for"] = { value = "GOAL", help = "ready (default), running, finished or down" },
  follow = { letter = "f", help = "go on with what comes" },
  since = { value = "N", parse = arguments.natural, help = "events behind number N only" },
  help = { letter = "h", help = "show this help" },
  version = { letter = "V", help = "show the version" },
}

-- The options as --help lists them.
local order = {
  "pid", "json", "count", "follow", "since", "delay", "once", "no-wait", "timeout", "for", "help", "version",
}

local for_all = { "pid", "help", "version" }

local function options_of(command)
  local allowed = {}
  for _, list in ipairs { for_all, command.options } do
    for _, name in ipairs(list) do
      allowed[name] = true
    end
  end
  return allowed
end

local function usage_of(command)
  return command.name .. (command.words ~= "" and " " .. command.words or "")
end

local function print_row(left, right)
  print(("  %s%s %s"):format(left, (" "):rep(36 - utf8.len(left)), right))
end

local function print_options(allowed)
  for _, name in ipairs(order) do
    local option = options[name]
    local letter = option.letter and ("-%s, "):format(option.letter) or "    "
    if allowed[name] then
      print_row(("%s--%s%s"):format(letter, name, option.value and " " .. option.value or ""), option.help)
    end
  end
end

-- Of one command only, where one is given.
local function print_help(only)
  print(("Usage: reaperctl [OPTIONS] %s          (or: reaper-lua --ctl …)"):format(
    only and usage_of(only) or "COMMAND [ARGUMENTS]"))
  print "Looks into a running reaper-lua, and steers it.\n"
  for _, command in ipairs(only and { only } or commands) do
    print_row(usage_of(command), command.help)
  end
  print ""
  print_options(only and options_of(only) or options)
  print "\nExit code: 0 done or told, 1 the answer is no, 2 usage, 3 not found, or no right,"
  print "4 no script process, or no answer in time."
end

local function find(name)
  local names = {}
  for _, command in ipairs(commands) do
    if command.name == name then
      return command
    end
    names[#names + 1] = command.name
  end
  failure.usage(("there is no command '%s'%s; --help lists them"):format(name, check.hint(name, names)))
end

local function check_options(command, given)
  local allowed = options_of(command)
  for name in pairs(given) do
    if not allowed[name] then
      failure.usage(("'%s' has no option --%s; -- stands before a name that begins with -"):format(command.name, name))
    end
  end
end

local function check_words(command, words)
  local least, most = 0, 0
  for word in command.words:gmatch "%S+" do
    least = least + (word:find "^%[" and 0 or 1)
    most = word:find "…" and math.huge or most + 1
  end
  if #words < least then
    failure.usage(("'%s' needs more words: reaperctl %s"):format(command.name, usage_of(command)))
  elseif #words > most then
    failure.usage(("'%s' takes no word '%s': reaperctl %s"):format(command.name, words[most + 1], usage_of(command)))
  end
end

local function run(words)
  local given, rest = arguments.read(words, options)
  local name = table.remove(rest, 1)
  if given.version then
    print("reaperctl " .. core.version)
    return 0
  elseif given.help then
    print_help(name and find(name))
    return 0
  elseif not name then
    failure.usage "which command? --help lists them"
  end
  local command = find(name)
  check_options(command, given)
  arguments.parse(given, options)
  check_words(command, rest)
  return require("reaper.control." .. name)(given, rest)
end

--- Runs reaperctl with the words of its command line. The exit code.
return function(words)
  local ok, result = xpcall(run, failure.with_traceback, words)
  if ok then
    return result
  end
  local is_ours = failure.is(result)
  io.stderr:write("reaperctl: ", is_ours and text.plain(result.message) or result, "\n")
  return is_ours and result.code or failure.USAGE
end
