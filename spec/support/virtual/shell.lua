-- As much of a POSIX shell as the specs' scripts need, for processes of a virtual container: lists, if, while, until,
-- groups, subshells, traps, redirections, and expansions of parameters, commands and small sums. What it does not know
-- raises, so that no script means anything else here than in a shell.

local files = require "spec.support.virtual.files"
local program = require "spec.support.virtual.program"
local syntax = require "spec.support.virtual.syntax"

-- ---- Expansion. ----

local run_list

-- What a list prints in a process of its own.
local function output_of(self, list)
  local process, reader, writer = self.process, files.pipe()
  reader:hold()
  local descriptors = process.descriptors:copy()
  descriptors:set(1, writer)
  local child = process.machine:spawn {
    argv = process.argv, environment = process.environment, cwd = process.cwd, descriptors = descriptors,
    parent = process, group = process.group, handlers = process.handlers,
    run = function(forked)
      forked:exit(run_list({ process = forked, arguments = self.arguments }, list))
    end,
  }
  process:wait(child, true)
  local text = reader:read() or ""
  reader:drop()
  return (text:gsub("\n+$", ""))
end

local expand_parts

-- A number, or "a % b".
local function sum_of(self, text)
  local left, divisor = text:match "^(.-)%s*%%%s*(%d+)%s*$"
  local number = math.tointeger(expand_parts(self, syntax.word(left or text))[1])
  return tostring(divisor and number % tonumber(divisor) or number)
end

local function value_of(self, part)
  if part.kind == "text" then
    return part.text
  elseif part.kind == "command" then
    return output_of(self, part.list)
  elseif part.kind == "sum" then
    return sum_of(self, part.text)
  elseif part.name == "$" then
    return tostring(self.process.pid)
  elseif part.name == "?" then
    return tostring(self.status or 0)
  elseif part.name:find "^%d" then
    return self.arguments[tonumber(part.name)] or ""
  end
  return self.process.environment[part.name] or ""
end

-- The fields of a word: what is expanded outside of quotes is split at spaces.
function expand_parts(self, word)
  local fields, current = {}, nil
  for _, part in ipairs(word.parts) do
    local value = value_of(self, part)
    if part.kind == "text" or part.is_quoted then
      current = (current or "") .. value
    else
      for piece in value:gmatch "%S+" do
        if current and current ~= "" and value:find "^%s" then
          fields[#fields + 1], current = current, ""
        end
        current = (current or "") .. piece
      end
    end
  end
  fields[#fields + 1] = current
  return fields
end

local function expand_all(self, words)
  local list = {}
  for _, word in ipairs(words) do
    for _, field in ipairs(expand_parts(self, word)) do
      list[#list + 1] = field
    end
  end
  return list
end

-- ---- Running. ----

local function redirect_one(self, redirection)
  local descriptors, to = self.process.descriptors, expand_parts(self, redirection.to)[1]
  if redirection.operator:sub(2) == "&" then
    descriptors:set(redirection.fd, to ~= "-" and descriptors:get(tonumber(to)) or nil)
    return true
  end
  local modes = { ["<"] = "r", [">"] = "w", [">>"] = "a" }
  local open = self.process:open(to, modes[redirection.operator])
  descriptors:set(redirection.fd, open)
  return open ~= nil
end

-- Runs f with the redirections in force, which are taken back afterwards unless they are to stay.
local function redirected(self, list, f, stay)
  local process = self.process
  local before = list[1] and not stay and process.descriptors:copy()
  local fine, status = true, 1
  for _, redirection in ipairs(list) do
    fine = fine and redirect_one(self, redirection)
  end
  if fine then
    status = f()
  end
  if before then
    process.descriptors:close_all()
    process.descriptors = before
  end
  return status
end

local function code_of(status)
  return status & 127 == 0 and status >> 8 or 128 + (status & 127)
end

local function complain(self, argv, errno)
  self.process:write(2, ("sh: %s: %s\n"):format(argv[1], errno == 2 and "not found" or "Permission denied"))
  return errno == 2 and 127 or 126
end

-- A child that is waited for. Traps run afterwards.
local function run_program(self, argv)
  local child, _, errno = self.process:spawn(argv)
  if not child then
    return complain(self, argv, errno)
  end
  return code_of(self.process:wait(child, true))
end

-- `becomes`: a command in whose place the forked process becomes the program, as where nothing follows it.
local function fork(self, list, becomes)
  return self.process:spawn(self.process.argv, function(process)
    process:exit(run_list({ process = process, arguments = self.arguments, becomes = becomes }, list))
  end)
end

local builtins = {}

builtins[":"] = function() return 0 end
builtins["true"] = builtins[":"]
builtins["false"] = function() return 1 end

function builtins.exit(self, words)
  self.process:exit(tonumber(words[2]) or self.status)
end

function builtins.echo(self, words)
  return self.process:write(1, table.concat(words, " ", 2) .. "\n") and 0 or 1
end

function builtins.printf(self, words)
  assert(#words == 2 and not words[2]:find "[%%\\]", "printf: only plain text is known here")
  return self.process:write(1, words[2]) and 0 or 1
end

function builtins.test(self, words)
  return program.test(self.process, table.move(words, 2, #words, 1, {}))
end

builtins["["] = function(self, words)
  assert(table.remove(words) == "]", "[: ] expected")
  return builtins.test(self, words)
end

function builtins.trap(self, words)
  for i = 3, #words do
    local list = words[2] ~= "" and syntax.parse(words[2])
    self.process:on(words[i], list and function()
      run_list(self, list)
    end)
  end
  return 0
end

function builtins.kill(self, words)
  local signal, pid = "TERM", words[2]
  if words[3] then
    signal, pid = words[2]:match "^%-(.*)", words[3]
  end
  local number = tonumber(pid) -- without one it fails, and hits nobody
  return number and self.process:kill(signal, number) and 0 or 1
end

function builtins.wait(self)
  self.process:wait()
  return 0
end

function builtins.exec(self, words)
  if words[2] then
    local argv = table.move(words, 2, #words, 1, {})
    local _, _, errno = self.process:exec(argv)
    self.process:exit(complain(self, argv, errno))
  end
  return 0
end

local function run_simple(self, node)
  local words = expand_all(self, node.words)
  return redirected(self, node.redirections, function()
    local builtin = builtins[words[1] or ":"]
    assert(not (words[1] or ""):find "=", "shell: assignments are not known here")
    if builtin then
      return builtin(self, words)
    elseif self.becomes == node then
      return builtins.exec(self, { "exec", table.unpack(words) })
    end
    return run_program(self, words)
  end, words[1] == "exec")
end

local kinds = { simple = run_simple }

function kinds.group(self, node)
  return run_list(self, node.list)
end

function kinds.subshell(self, node)
  return code_of(self.process:wait(fork(self, node.list), true))
end

function kinds.background(self, node)
  fork(self, node.list, node.list[1])
  return 0
end

kinds["and"] = function(self, node)
  local status = kinds[node.left.kind](self, node.left)
  self.status = status
  return status == 0 and kinds[node.right.kind](self, node.right) or status
end

kinds["or"] = function(self, node)
  local status = kinds[node.left.kind](self, node.left)
  self.status = status
  return status ~= 0 and kinds[node.right.kind](self, node.right) or status
end

kinds["not"] = function(self, node)
  return kinds[node.command.kind](self, node.command) == 0 and 1 or 0
end

kinds["if"] = function(self, node)
  for _, branch in ipairs(node.branches) do
    if run_list(self, branch.condition) == 0 then
      return run_list(self, branch.body)
    end
  end
  return node.otherwise and run_list(self, node.otherwise) or 0
end

function kinds.loop(self, node)
  while (run_list(self, node.condition) == 0) == node.wanted do
    run_list(self, node.body)
  end
  return 0
end

function run_list(self, list)
  local status = 0
  for _, node in ipairs(list) do
    status = kinds[node.kind](self, node)
    self.status = status
    self.process:take_signals()
  end
  return status
end

-- sh -c TEXT [NAME ARGUMENT…]
function program.builtins.sh(process, option, text, name, ...)
  assert(option == "-c", "of sh there is only sh -c here")
  local self = { process = process, arguments = { [0] = name, ... }, status = 0 }
  process:exit(run_list(self, syntax.parse(text)))
end
