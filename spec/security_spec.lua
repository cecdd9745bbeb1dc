-- doc/SECURITY.md says which spec shows what; those specs are there.

local container = require "spec.support.container"

local page = container.read_file("doc/SECURITY.md"):gsub("%s+", " ")

-- Calls f(name of a spec file, quoted text) for each text of `name`: "…", "…".
local function each_claim(f)
  for name, at in page:gmatch "`([%l_%d]+)`: ()\"" do
    local quoted, behind = page:match('^"([^"]*)"()', at)
    while quoted do
      f(name, quoted)
      quoted, behind = page:match('^, "([^"]*)"()', behind)
    end
  end
end

describe("what SECURITY names as a proof", function()
  it("is in the specs, where it begins a name, or what stands for a word is left out", function()
    local count = 0
    each_claim(function(name, quoted)
      count = count + 1
      local text = container.read_file(("spec/%s_spec.lua"):format(name))
      assert.is_truthy(text, ("spec/%s_spec.lua is not there"):format(name))
      for part in quoted:gmatch "[^…]+" do
        part = part:match "^%s*(.-)%s*$"
        assert.is_truthy(text:gsub("%s+", " "):find(part, 1, true), ("`%s`: %q"):format(name, part))
      end
    end)
    assert.is_true(count > 30, "only " .. count .. " were found")
  end)
end)
