--- What a policy keeps for the next one, should it be lost: a table of plain values for each module that asks.

local core = require "reaper.core"

local store = {}

local kept -- name → value; nil before the first look

-- A value as Lua text.
local function literal(value)
  if type(value) ~= "table" then
    return ("%q"):format(value)
  end
  local parts = {}
  for key, inner in pairs(value) do
    parts[#parts + 1] = ("[%s]=%s"):format(literal(key), literal(inner))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function look()
  if not kept then
    local chunk = load("return " .. (core.stored and core.stored() or "{}"), "=store", "t", {})
    kept = chunk and chunk() or {}
  end
  return kept
end

--- What was kept last under the name, by this policy or by an earlier one; or nil.
function store.get(name)
  return look()[name]
end

--- Keeps a value: a string, number, boolean or a table of such. A program is never replaced, so there it does nothing.
function store.set(name, value)
  if not core.store then
    return
  end
  look()[name] = value
  core.store(literal(kept))
end

return store
