-- tools/annotations.lua refuses what it does not understand, so that the types file has no annotation that LuaLS would
-- take for a comment.

local annotations = dofile("tools/annotations.lua")

local START = "---@meta m\n-- # Title\n\n"

describe("a types file is read", function()
  local page = annotations.read { START .. [[
---What it is.
---@class m: n
---Above.
---@field a? string|integer[]
---@field [integer] "x"|"y" behind
m = {}

---What else there is.
---@class n

---What it does,
---in two lines.
---@async
---@param a table<string, m>? a table
---@param f? async fun(x: integer, y?: "a"|"b"): m, true a function
---@return m? one
---@return file*[]|nil two of them
function m.f(a, f) end

---One.
---@type integer
m.ONE = 0x10

return m
]], "file" }

  it("with the fields and parents of a class", function()
    local class = page.items.m
    assert.are.same({ "class", "What it is.", { "n" } }, { class.kind, class.text, class.parents })
    assert.are.same({
      { name = "a", optional = true, type = "string|integer[]", text = "Above." },
      { name = "[integer]", optional = false, type = '"x"|"y"', text = "behind" },
    }, class.fields)
  end)

  it("with the parameters and results of a function", function()
    local f = page.items["m.f"]
    assert.are.same({ "function", "What it does,\nin two lines.", true }, { f.kind, f.text, f.async })
    assert.are.same({
      { name = "a", optional = false, type = "table<string, m>?", text = "a table" },
      { name = "f", optional = true, type = 'async fun(x: integer, y?: "a"|"b"): m, true', text = "a function" },
    }, f.params)
    assert.are.same({
      { name = "one", type = "m?", text = "" }, { name = "two", type = "file*[]|nil", text = "of them" },
    }, f.returns)
  end)

  it("with constants, and everything in its order", function()
    assert.are.equal(16, page.items["m.ONE"].value)
    local names = {}
    for i, item in ipairs(page.sections[1].items) do
      names[i] = item.name
    end
    assert.are.same({ "m", "n", "m.f", "m.ONE" }, names)
  end)
end)

describe("a types file is refused", function()
  local function refusal(text)
    local ok, why = pcall(annotations.read, { START .. text .. "\n", "file" })
    return not ok and why or "none"
  end

  local rows = {
    { "---@clas m", "4: unknown annotation '@clas'" },
    { "---Text.\n---@class", "5: a name expected at ''" },
    { "---@class m", "4: a description is missing" },
    { "---@field a string text", "4: a field without a class" },
    { "---Text.\n---@class m\n---@field a string", "6: a description is missing" },
    { "---Text.\n---@class m\n---@field a", "6: a type expected at ''" },
    { "---Text.\n---@class m: n", "5: there is no type 'n'" },
    { "---Text.\n---@class m\n\n---Text.\n---@class m", "8: 'm' is declared twice" },
    { "---Text.\n---@class m\n---@field a strin text", "6: there is no type 'strin'" },
    { "---Text.\n---@alias a string|", "5: a type expected at ''" },
    { "---Text.\n---@alias a table<string", "5: '>' expected at ''" },
    { "---Text.\n---@alias a fun(x)", "5: a parameter with its type expected at 'x)'" },
    { "---Text.\n---@alias a fun(x: any", "5: ')' expected at ''" },
    { "---Text.\n---@alias a async any", "5: 'fun' expected at ' any'" },
    { "---Text.\n---@alias a any text", "5: 'text' is too much" },
    { "---Text.\n---@param a any text\nfunction m.f() end", "6: the parameters are (), but @param says (a)" },
    { "---Text.\nfunction m.f(a) end", "5: the parameters are (a), but @param says ()" },
    { "---Text.\n---@param b any text\n---@param a any text\nfunction m.f(a, b) end",
      "7: the parameters are (a, b), but @param says (b, a)" },
    { "---Text.\n---@param a any\nfunction m.f(a) end", "5: a description is missing" },
    { "---Text.\n---@return any\nfunction m.f() end", "5: a name expected at ''" },
    { "function m.f() end", "4: a description is missing" },
    { "---Text.\nfunction x:f() end", "5: 'x' is no class" },
    { "---Text.\n\nfunction m.f() end", "5: what stands above describes nothing" },
    { "---@async\n", "5: what stands above describes nothing" },
    { "m.X = 1", "4: this line declares nothing that can be described" },
    { "---@type integer\nm.X = 1", "5: a description is missing" },
    { "print()", "4: this line declares nothing that can be described" },
    { "return n", "4: this line declares nothing that can be described" },
  }
  for _, row in ipairs(rows) do
    it("with its line: " .. row[1]:gsub("\n", " / "), function()
      assert.are.equal("file:" .. row[2], refusal(row[1]))
    end)
  end

  it("by the tool, which prints no page then and fails", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(START, "---@clas m\n")
    file:close()
    local pipe = io.popen("lua5.4 tools/reference.lua " .. path .. " 2>&1")
    local text = pipe:read("a")
    local ok = pipe:close()
    os.remove(path)
    assert.are.same({ path .. ":4: unknown annotation '@clas'\n" }, { text, ok })
  end)
end)
