-- As much of a POSIX shell as the specs' scripts need, for processes of a virtual container: lists, if, while, until,
-- groups, subshells, traps, redirections, and expansions of parameters, commands and small sums. What it does not know
-- raises, so that no script means anything else here than in a shell.

local files = require "spec.support.virtual.files"
local program = require "spec.support.virtual.program"

local shell = {}

-- ---- Words. ----

local OPERATORS = { "&&", "||", ";", "&", "(", ")", "\n" }

local Lexer = {}
Lexer.__index = Lexer

local function fail(self, what)
  error(("shell: %s in: %s"):format(what, self.text), 0)
end

-- The text up to the closing parenthesis.
local function take_parentheses(self)
  local inner = self.text:match("^%b()", self.at)
  if not inner then
    fail(self, "an open parenthesis")
  end
  self.at = self.at + #inner
  return inner:sub(2, -2)
end

-- After a "$".
local function take_expansion(self, is_quoted)
  local sum = self.text:match("^%(%(", self.at)
  if sum then
    return { kind = "sum", text = take_parentheses(self):sub(2, -2), is_quoted = is_quoted }
  elseif self.text:sub(self.at, self.at) == "(" then
    return { kind = "command", list = shell.parse(take_parentheses(self)), is_quoted = is_quoted }
  end
  local name = self.text:match("^[%a_][%w_]*", self.at) or self.text:match("^[%d$?]", self.at)
  if not name then
    fail(self, "an unknown expansion")
  end
  self.at = self.at + #name
  return { kind = "parameter", name = name, is_quoted = is_quoted }
end

local function take_double_quoted(self, parts)
  while true do
    local literal = self.text:match('^[^"$\\]+', self.at)
    local c = self.text:sub(self.at, self.at)
    if literal then
      self.at = self.at + #literal
      parts[#parts + 1] = { kind = "text", text = literal, is_quoted = true }
    elseif c == '"' then
      self.at = self.at + 1
      parts[#parts + 1] = { kind = "text", text = "", is_quoted = true }
      return
    elseif c == "$" then
      self.at = self.at + 1
      parts[#parts + 1] = take_expansion(self, true)
    else
      fail(self, "a backslash or an open quote")
    end
  end
end

-- A word: its parts; nil where none begins.
local function take_word(self)
  local parts = {}
  while true do
    local c = self.text:sub(self.at, self.at)
    local literal = self.text:match("^[^%s;&|()<>\"'$\\`*?#]+", self.at)
    if literal then
      self.at = self.at + #literal
      parts[#parts + 1] = { kind = "text", text = literal }
    elseif c == "'" then
      local inner = self.text:match("^'([^']*)'", self.at) or fail(self, "an open quote")
      self.at = self.at + #inner + 2
      parts[#parts + 1] = { kind = "text", text = inner, is_quoted = true }
    elseif c == '"' then
      self.at = self.at + 1
      take_double_quoted(self, parts)
    elseif c == "$" then
      self.at = self.at + 1
      parts[#parts + 1] = take_expansion(self)
    elseif c ~= "" and c:find "[\\`*?|#]" then
      fail(self, c)
    else
      return parts[1] and { kind = "word", parts = parts }
    end
  end
end

local function take_redirection(self)
  local fd, operator = self.text:match("^(%d*)([<>][>&]?)", self.at)
  if not fd then
    return nil
  end
  self.at = self.at + #fd + #operator
  self.at = self.text:find("[^ ]", self.at) or self.at
  local to = take_word(self) or fail(self, "a redirection to nothing")
  return { kind = "redirection", fd = tonumber(fd) or (operator:sub(1, 1) == "<" and 0 or 1), operator = operator,
    to = to }
end

local function next_token(self)
  self.at = self.text:find("[^ \t]", self.at) or #self.text + 1
  if self.text:find("^#", self.at) then
    self.at = self.text:find("\n", self.at, true) or #self.text + 1
  end
  if self.at > #self.text then
    return { kind = "end" }
  end
  local redirection = take_redirection(self)
  if redirection then
    return redirection
  end
  for _, operator in ipairs(OPERATORS) do
    if self.text:sub(self.at, self.at + #operator - 1) == operator then
      self.at = self.at + #operator
      return { kind = "operator", text = operator == "\n" and ";" or operator }
    end
  end
  return take_word(self) or fail(self, self.text:sub(self.at))
end

local function tokens_of(text)
  local lexer, list = setmetatable({ text = text, at = 1 }, Lexer), {}
  repeat
    list[#list + 1] = next_token(lexer)
  until list[#list].kind == "end"
  return list
end

-- ---- Commands. ----

local parse_list

-- The word as it stands, where it is a plain one.
local function plain(token)
  local part = token.kind == "word" and #token.parts == 1 and token.parts[1]
  return part and part.kind == "text" and not part.is_quoted and part.text or nil
end

local function peek(self)
  return self.tokens[self.index]
end

local function is_operator(self, text)
  local token = peek(self)
  return token.kind == "operator" and token.text == text
end

local function accept(self, text)
  local token = peek(self)
  if is_operator(self, text) or plain(token) == text then
    self.index = self.index + 1
    return true
  end
end

local function expect(self, text)
  if not accept(self, text) then
    error(("shell: '%s' expected in: %s"):format(text, self.text), 0)
  end
end

local function parse_if(self)
  local node = { kind = "if", branches = {} }
  repeat
    local condition = parse_list(self)
    expect(self, "then")
    table.insert(node.branches, { condition = condition, body = parse_list(self) })
  until not accept(self, "elif")
  if accept(self, "else") then
    node.otherwise = parse_list(self)
  end
  expect(self, "fi")
  return node
end

local function parse_loop(self, wanted)
  local condition = parse_list(self)
  expect(self, "do")
  local body = parse_list(self)
  expect(self, "done")
  return { kind = "loop", wanted = wanted, condition = condition, body = body }
end

local function parse_until(self, kind, closing)
  local node = { kind = kind, list = parse_list(self) }
  expect(self, closing)
  return node
end

local function parse_simple(self)
  local node = { kind = "simple", words = {}, redirections = {} }
  while true do
    local token = peek(self)
    if token.kind == "word" then
      table.insert(node.words, token)
    elseif token.kind == "redirection" then
      table.insert(node.redirections, token)
    else
      return node
    end
    self.index = self.index + 1
  end
end

local parse_command

function parse_command(self)
  if accept(self, "if") then
    return parse_if(self)
  elseif accept(self, "while") then
    return parse_loop(self, true)
  elseif accept(self, "until") then
    return parse_loop(self, false)
  elseif accept(self, "{") then
    return parse_until(self, "group", "}")
  elseif accept(self, "!") then
    return { kind = "not", command = parse_command(self) }
  elseif accept(self, "(") then
    return parse_until(self, "subshell", ")")
  end
  return parse_simple(self)
end

local function parse_and_or(self)
  local left = parse_command(self)
  while true do
    local kind = is_operator(self, "&&") and "and" or is_operator(self, "||") and "or"
    if not kind then
      return left
    end
    self.index = self.index + 1
    left = { kind = kind, left = left, right = parse_command(self) }
  end
end

local CLOSING = { ["then"] = true, ["elif"] = true, ["else"] = true, fi = true, ["do"] = true, done = true,
  ["}"] = true }

function parse_list(self)
  local list = {}
  while true do
    while accept(self, ";") do end
    if peek(self).kind == "end" or is_operator(self, ")") or CLOSING[plain(peek(self)) or ""] then
      return list
    end
    local node = parse_and_or(self)
    if accept(self, "&") then
      node = { kind = "background", list = { node } }
    end
    list[#list + 1] = node
  end
end

local parsed = {} -- text -> list

function shell.parse(text)
  if not parsed[text] then
    local parser = { text = text, tokens = tokens_of(text), index = 1 }
    parsed[text] = parse_list(parser)
    if peek(parser).kind ~= "end" then
      error("shell: too much in: " .. text, 0)
    end
  end
  return parsed[text]
end

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
  local lexer = setmetatable({ text = left or text, at = 1 }, Lexer)
  local number = math.tointeger(expand_parts(self, take_word(lexer) or fail(lexer, "no number"))[1])
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

local function fork(self, list)
  return self.process:spawn(self.process.argv, function(process)
    process:exit(run_list({ process = process, arguments = self.arguments }, list))
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
    local list = words[2] ~= "" and shell.parse(words[2])
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
  return self.process:kill(signal, tonumber(pid)) and 0 or 1
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
  fork(self, node.list)
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
  process:exit(run_list(self, shell.parse(text)))
end

return shell
