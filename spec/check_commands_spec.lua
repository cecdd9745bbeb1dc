-- --check warns of commands that cannot be run. They may be there where the script is used, so the exit code is 0.

local container = require "spec.support.container"

describe("--check", function()
  after_each(container.close_all)

  local function check(services, options)
    local all = { args = { "--check" }, mode = "init", wrap = { "/bin/sh", "-c",
      'mkdir {folder}/bin {folder}/a-directory; echo true >{folder}/bin/plain; chmod 644 {folder}/bin/plain; '
      .. 'cp /bin/true {folder}/bin/mine; exec "$@"', "sh" } }
    all.script = "require 'reaper.supervisor'.run {\n" .. services .. "\n}"
    for key, value in pairs(options or {}) do
      all[key] = value
    end
    local code, out, err = container.run(all)
    assert.same({ 0, "" }, { code, out })
    return err
  end

  local PATH = 'env = { PATH = "/nowhere:{folder}/bin" }'

  for _, row in ipairs {
    { "a program that is not in PATH", '{ name = "a", command = { "nope" }, ' .. PATH .. " }",
      'warning: a.command: cannot run "nope": No such file or directory (PATH is /nowhere:' },
    { "a program that cannot be executed", '{ name = "a", command = { "plain" }, ' .. PATH .. " }",
      'warning: a.command: cannot run "plain": Permission denied (PATH is' },
    { "a path that leads nowhere", '{ name = "a", command = { "/nowhere/at-all" } }',
      'warning: a.command: cannot run "/nowhere/at-all": No such file or directory\n' },
    { "a directory", '{ name = "a", command = { "{folder}/a-directory" } }', "a-directory\": Permission denied\n" },
    { "pre_start", '{ name = "a", command = { "mine" }, pre_start = { "nope" }, ' .. PATH .. " }",
      'warning: a.pre_start: cannot run "nope"' },
    { "post_stop", '{ name = "a", command = { "mine" }, post_stop = { "nope" }, ' .. PATH .. " }",
      'warning: a.post_stop: cannot run "nope"' },
  } do
    it("warns of " .. row[1], function()
      local err = check(row[2])
      assert.matches(row[3], err, 1, true)
      assert.equal(1, select(2, err:gsub("\n", "")))
    end)
  end

  it("warns of COMMAND", function()
    assert.matches('warning: COMMAND: cannot run "nope": No such', check(
      '{ name = "a", command = { "true" } }', { command = { "nope", "word" } }), 1, true)
  end)

  it("finds what a start would find", function()
    assert.equal("", check('{ name = "a", command = { "mine" }, ' .. PATH .. " }"))
    assert.equal("", check '{ name = "a", command = { "./mine" }, cwd = "{folder}/bin" }')
    assert.equal("", check '{ name = "a", command = { "mine" }, cwd = "{folder}", env = { PATH = "bin" } }')
    assert.equal("", check '{ name = "a", command = { "mine" }, cwd = "{folder}/bin", env = { PATH = ":/bin" } }')
    assert.equal("", check('{ name = "a", command = { "true" }, clear_env = true }', { command = { "true" } }))
  end)
end)
