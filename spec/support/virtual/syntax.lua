-- The grammar of shell.lua: a text becomes a list of commands.

local syntax = {}

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
    return { kind = "command", list = syntax.parse(take_parentheses(self)), is_quoted = is_quoted }
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

function syntax.parse(text)
  if not parsed[text] then
    local parser = { text = text, tokens = tokens_of(text), index = 1 }
    parsed[text] = parse_list(parser)
    if peek(parser).kind ~= "end" then
      error("shell: too much in: " .. text, 0)
    end
  end
  return parsed[text]
end

-- The word that the text begins with.
function syntax.word(text)
  local lexer = setmetatable({ text = text, at = 1 }, Lexer)
  return take_word(lexer) or fail(lexer, "no word")
end

return syntax
