-- The journal (src/common/journal.h) alone, without engine and script: programs of spec/support hammer it, kill its
-- readers, lie to its writer and refuse it memory. Each says on stderr what is not so.

local CANNOT_TRY = 77
local SECONDS = 60 -- what takes longer hangs

-- Its exit code, or how it has ended, and what it has written.
local function run(program, before)
  local pipe = io.popen(("%s timeout %d build/journal-%s 2>&1"):format(before or "", SECONDS, program))
  local text = pipe:read "a"
  local _, how, code = pipe:close()
  return how == "exit" and code or how .. " " .. code, text
end

local function assert_passes(program, before)
  local code, text = run(program, before)
  assert.are.equal(0, code, program .. ": " .. text)
end

describe("the journal", function()
  local cases = {
    { "keeps what is unread where the ring turns twice between two looks", "turns_without_a_look" },
    { "shows no torn event to a reader that looks ahead and is overtaken", "is_overtaken" },
    { "wakes a reader that was overtaken, and holds events for it when it has caught up", "catches_up" },
    { "wakes who sleeps, and who naps for a question only", "wakes_by_depth" },
    { "takes no position for true that lay beyond the end when it was written", "lie_comes_true" },
    { "counts the deaths that a program lets go", "lets_go" },
    { "is read on by the next reader", "is_handed_over" },
    { "holds 64 KiB and what is unread at most", "gives_back" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      assert_passes("cases " .. case[2])
    end)
  end
end)

-- Under ThreadSanitizer, which wants its memory where it expects it.
describe("the journal, hammered by threads,", function()
  local fixed = os.execute "setarch -R true 2>/dev/null" and "setarch -R" or ""
  local overtaken = os.tmpname()

  setup(function()
    local file = assert(io.open(overtaken, "w"))
    file:write "race:^copy_ahead$\n"
    file:close()
  end)

  teardown(function()
    os.remove(overtaken)
  end)

  it("has no race, loses nothing and wakes everybody", function()
    assert_passes("race 1 60 whole", "TSAN_OPTIONS=halt_on_error=1 " .. fixed)
  end)

  for name, how in pairs { ["a small ring"] = "2 150 small", ["slow readers"] = "3 150 small slow" } do
    it("loses nothing uncounted with " .. name, function()
      assert_passes("race " .. how, ("TSAN_OPTIONS=halt_on_error=1:suppressions=%s %s"):format(overtaken, fixed))
    end)
  end
end)

describe("a reader of the journal that is killed", function()
  for _, how in ipairs { "reads", "reads appending", "kept", "overflow", "ahead", "keeps" } do
    it("after any step of the processor loses the one event that it had begun with: " .. how, function()
      assert_passes("kill step " .. how)
    end)
  end

  it("at any time in a storm leaves the rest to the next", function()
    assert_passes "kill storm 1 60"
  end)
end)

describe("a reader of the journal that lies", function()
  it("harms nobody but itself", function()
    assert_passes "lies 1 60"
  end)
end)

describe("the journal, refused", function()
  local cases = {
    { "12 MB of address space, takes half of it", "a_half" },
    { "all but little address space, takes the least", "the_least" },
    { "all address space, is none", "none" },
    { "a large mapping by strict overcommit, takes a smaller one", "strict_overcommit" },
    { "its first pages, is none", "no_first_pages" },
    { "descriptors, is none", "no_descriptors" },
    { "a page, counts in one overflow event what would have stood there", "no_page" },
    { "a page, remembers what must be kept", "no_page_for_children" },
    { "the call that makes sure of pages, as by an old kernel, goes without", "old_kernel" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      assert_passes("room " .. case[2])
    end)
  end

  it("memory by a cgroup, counts what does not fit and takes up again what was given back", function()
    local directory = os.tmpname()
    os.remove(directory)
    local code, text = run("room memory_cgroup /sys/fs/cgroup/memory/" .. directory:match "[^/]+$")
    if code == CANNOT_TRY then
      pending "no memory cgroup (version 1) can be made here"
      return
    end
    assert.are.equal(0, code, text)
  end)
end)
