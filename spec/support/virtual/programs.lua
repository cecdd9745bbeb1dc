-- The programs that specs use everywhere, as functions of their process: see program.lua.

local program = require "spec.support.virtual.program"

local builtins = program.builtins

function builtins.sleep(self, seconds)
  self:sleep(tonumber(seconds))
end

builtins["true"] = function() end

builtins["false"] = function(self)
  self:exit(1)
end

function builtins.touch(self, name)
  self:write_file(name, self:read_file(name) or "")
end

function builtins.echo(self, ...)
  self:write(1, table.concat({ ... }, " ") .. "\n")
end

-- Becomes the program that the words name.
local function become(self, words)
  local _, message, errno = self:exec(words)
  self:write(2, message .. "\n")
  self:exit(errno == 2 and 127 or 126)
end

function builtins.setsid(self, ...)
  assert(self.group ~= self.pid, "setsid(1) of the leader of a group forks: not known here")
  self:set_session()
  become(self, { ... })
end

-- env -i PATH=… COMMAND
function builtins.env(self, option, path, ...)
  assert(option == "-i" and path:find "^PATH=", "of env there is only env -i PATH=… here")
  self:clear_environment()
  become(self, { ... })
end

builtins["spec-helper"] = function(self, part, ...)
  assert(part == "notify", "of the helper there is only notify here")
  for _, text in ipairs { ... } do
    if not self:notify(text) then
      self:exit(125)
    end
  end
end

local function compare(left, operator, right)
  if operator == "=" then
    return left == right
  elseif operator == "!=" then
    return left ~= right
  end
  left, right = tonumber(left), tonumber(right)
  local results = {
    ["-eq"] = left == right, ["-ne"] = left ~= right, ["-lt"] = left < right, ["-le"] = left <= right,
    ["-gt"] = left > right, ["-ge"] = left >= right,
  }
  return assert(results[operator] ~= nil, operator) and results[operator]
end

local function is_true(self, words)
  if words[1] == "!" then
    return not is_true(self, table.move(words, 2, #words, 1, {}))
  elseif #words == 2 and words[1] == "-e" then
    return self:read_file(words[2]) ~= nil
  elseif #words == 3 then
    return compare(words[1], words[2], words[3])
  end
  error("test " .. table.concat(words, " ") .. ": not known here")
end

function builtins.test(self, ...)
  self:exit(is_true(self, { ... }) and 0 or 1)
end

-- The exit code of test(1).
function program.test(self, words)
  return is_true(self, words) and 0 or 1
end

function builtins.wc(self, option)
  assert(option == "-l", "of wc there is only -l here")
  self:print(select(2, self.descriptors:get(0):read():gsub("\n", "")))
end

-- Needs as much memory as a block has.
function builtins.dd(self, ...)
  local size = table.concat({ ... }, " "):match "bs=(%d+)M"
  self.maxrss = self.maxrss + tonumber(size) * (1 << 20)
end
