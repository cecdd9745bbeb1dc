-- reaper.supervisor.env_file: how files of environment variables are read.

package.path = package.path .. ";lua/?.lua;lua/?/init.lua"
package.cpath = "build/?.so;" .. package.cpath
local env_file = require "reaper.supervisor.env_file"

describe("an env_file has", function()
  local rows = {
    { "nothing", "", {} },
    { "empty lines and comments", "\n  \n\t\n# A=1\n  # B=2\n#\n", {} },
    { "variables", "A=1\nB_2=two words\n_c=x", { A = "1", B_2 = "two words", _c = "x" } },
    { "an empty value", "A=\nB= \nC=''\nD=\"\"\n", { A = "", B = "", C = "", D = "" } },
    { "a value with =", "A=b=c==\n", { A = "b=c==" } },
    { "names with a point and a dash", "spring.profiles.active=prod\nx-y=1\n",
      { ["spring.profiles.active"] = "prod", ["x-y"] = "1" } },
    { "the last of equal names", "A=1\nB=2\nA=3\n", { A = "3", B = "2" } },
    { "export", "export A=1\n  export\tB=2\nexport=3\nexports=4\n", { A = "1", B = "2", export = "3", exports = "4" } },
    { "blanks around a value", "  A=  x y  \n\tB=\tz\t\n", { A = "x y", B = "z" } },
    { "comments behind a value", "A=b # c\nB=b#c\nC=#c\nD= # c\nE=a\t#\nF='x' # c\nG=\"x\"\t# \"c\"\n",
      { A = "b", B = "b#c", C = "#c", D = "", E = "a", F = "x", G = "x" } },
    { "quotes within a value", [[A=it's "so"]] .. "\n", { A = [[it's "so"]] } },
    { "backslashes without quotes", [[A=C:\new\]] .. "\nB=1\n", { A = [[C:\new\]], B = "1" } },
    { "dollars", "A=$B ${C}\nB=\"$A\"\nC='$A'\n", { A = "$B ${C}", B = "$A", C = "$A" } },
    { "blanks and # in quotes", "A='  # x  '\nB=\"  # x  \"\n", { A = "  # x  ", B = "  # x  " } },
    { "one kind of quotes in the other", [[A='say "x"']] .. "\n" .. [[B="it's"]],
      { A = 'say "x"', B = "it's" } },
    { "escapes in double quotes", [[A="\n\r\t\\\"\$\x\'"]] .. "\n", { A = "\n\r\t\\\"$\\x\\'" } },
    { "an escaped quote in single quotes", [[A='it\'s \n \\']] .. "\n", { A = [[it's \n \\]] } },
    { "quoted values of several lines", "A=\"x\ny\n\"\nB='1\n#2\nC=3' # end\nD=4\n",
      { A = "x\ny\n", B = "1\n#2\nC=3", D = "4" } },
    { "Windows line ends", "A=1\r\n\r\n# x\r\nB=\"2\"\r\nC='3\r\n4'\r\nD=5\r",
      { A = "1", B = "2", C = "3\n4", D = "5" } },
    { "a byte order mark", "\xef\xbb\xbfA=1\n", { A = "1" } },
    { "bytes that are no UTF-8, and other control characters", "A=\xff\x01\n", { A = "\xff\x01" } },
    { "no line end at the end", "A='1'", { A = "1" } },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      assert.same({ n = 1, row[3] }, table.pack(env_file.parse(row[2], "f")))
    end)
  end

  it("10,000 lines, read in no time", function()
    local lines, expected = {}, {}
    for i = 1, 10000 do
      lines[i] = ("NAME_%d='value\n%d'"):format(i, i)
      expected["NAME_" .. i] = "value\n" .. i
    end
    local from = os.clock()
    assert.same(expected, env_file.parse(table.concat(lines, "\n"), "f"))
    assert.is_true(os.clock() - from < 2)
  end)
end)

describe("an env_file is refused with", function()
  local NO_NAME = 'f:1: what stands before "=" is no name: letters, digits, "_", "." and "-" expected'
  local rows = {
    { "a line without =", "A=1\n\nSECRET\n", 'f:3: there is no "="; NAME=value expected' },
    { "= in the next line only", "A\n=1\n", 'f:1: there is no "="; NAME=value expected' },
    { "export alone", "export A\n", 'f:1: there is no "="' },
    { "no name", "=SECRET\n", 'f:1: there is no name before "="; NAME=value expected' },
    { "export and no name", "export =SECRET\n", 'f:1: there is no name before "="' },
    { "a blank before =", "A =SECRET\n", 'f:1: there is a blank before "="; NAME=value expected' },
    { "two words before =", "A B=SECRET\n", NO_NAME },
    { "a digit first", "1A=SECRET\n", NO_NAME },
    { "a dash first", "-A=SECRET\n", NO_NAME },
    { "a quoted name", "'A'=SECRET\n", NO_NAME },
    { "a name that is not ASCII", "\u{c4}=SECRET\n", NO_NAME },
    { "a control character in a name", "A\27=SECRET\n", NO_NAME },
    { "a quote that is not closed", "A=1\nB='SECRET\nC=3\n", "f:2: the quote ' before the value is not closed" },
    { "a closing quote that is escaped", [[A="SECRET\"]] .. "\n", 'f:1: the quote " before the value is not closed' },
    { "text behind a quote", "A='x'\nB='x'SECRET\n", "f:2: text follows the quote ' that ends the value" },
    { "a comment directly behind a quote", 'A="x"#SECRET\n', 'f:1: text follows the quote "' },
    { "a fault behind a value of several lines", "A='x\ny\n'\n\nSECRET\n", 'f:5: there is no "="' },
    { "a NUL byte", "A=1\nB=SEC\0RET\n", "f:2: a NUL byte, which no variable can have" },
    { "a NUL byte in a comment", "#\0\n", "f:1: a NUL byte" },
  }
  for _, row in ipairs(rows) do
    it(row[1], function()
      local values, why = env_file.parse(row[2], "f")
      assert.is_nil(values)
      assert.equal(row[3], why:sub(1, #row[3]))
      assert.is_nil(why:find("SECRET", 1, true), why)
    end)
  end
end)

describe("an env_file on disk", function()
  local path

  before_each(function()
    path = os.tmpname()
  end)
  after_each(function()
    os.remove(path)
  end)

  local function write(text, times)
    local file = assert(io.open(path, "wb"))
    for _ = 1, times or 1 do
      assert(file:write(text))
    end
    assert(file:close())
  end

  it("is read", function()
    write "A=1\r\nB='2'\r\n"
    assert.same({ A = "1", B = "2" }, env_file.read(path))
    write ""
    assert.same({}, env_file.read(path))
  end)

  it("that is malformed: the message has its path and the line", function()
    write "A=1\nB\n"
    assert.same({ n = 2, nil, path .. ':2: there is no "="; NAME=value expected' }, table.pack(env_file.read(path)))
  end)

  it("that is missing, or a directory, is refused with errno", function()
    os.remove(path)
    assert.same({ n = 3, nil, path .. ": No such file or directory", 2 }, table.pack(env_file.read(path)))
    assert.same({ n = 3, nil, "/: Is a directory", 21 }, table.pack(env_file.read "/"))
  end)

  it("may have 1 MiB and not a byte more", function()
    write("# " .. ("x"):rep(1021) .. "\n", 1024)
    assert.same({}, env_file.read(path))
    write("# " .. ("x"):rep(1021) .. "\n", 1024)
    local file = assert(io.open(path, "ab"))
    file:write "\n"
    file:close()
    local values, why = env_file.read(path)
    assert.is_nil(values)
    assert.equal(path .. ": it has more than 1 MiB (1048576 bytes), which is the most that an env_file may have", why)
  end)

  it("is never read whole when it is too large, even without an end", function()
    write(("x"):rep(1024), 10 * 1024)
    collectgarbage()
    local before = collectgarbage "count"
    for _, name in ipairs { path, "/dev/zero" } do
      local values, why = env_file.read(name)
      assert.is_nil(values)
      assert.is_truthy(why:find("more than 1 MiB", 1, true))
    end
    assert.is_true(collectgarbage "count" - before < 5 * 1024)
  end)

  it("has a path, which is a text", function()
    for _, value in ipairs { 5, {}, "a\0b" } do
      assert.is_false(pcall(env_file.read, value))
    end
  end)
end)
