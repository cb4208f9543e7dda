-- Manifests mean here what they mean to Kubernetes: the host's reader and sigs.k8s.io/yaml,
-- behind kubectl's splitting (tests/oracle), read the same files and must say the same.

local root = debug.getinfo(1, "S").source:match("^@(.-)[^/]*$") .. "../.."
local build = os.getenv("MOONSAIL_BUILD") or root .. "/build/release"

-- Where the two may differ: why, and what Moonsail says instead.
local differences = {
  ["differs-root-list.yaml"] = {
    why = "a document is an object; kubectl fails later and says less",
    refuses = "1:1: the document is a list and no map",
  },
  ["differs-root-text.yaml"] = {
    why = "a document is an object; kubectl fails later and says less",
    refuses = '1:1: the document is "just text" and no map',
  },
  ["differs-escaped-slash.json"] = {
    why = "JSON allows \\/, and kubectl reads such a file as JSON",
    reads = '[{"kind":"X","url":"http://x"}]',
  },
  ["differs-surrogates.json"] = {
    why = "JSON writes characters beyond U+FFFF in two escapes, and kubectl reads such a file as JSON",
    reads = '[{"a":"🚀","b":"\\\\ud83d 😀!","kind":"X"}]',
  },
  ["differs-json-stream.json"] = {
    why = "the oracle drops the second object, and kubectl applies it: no guess, a line --- is asked for",
    refuses = "1:14: the document has ended before this",
  },
  ["differs-on-separator-line.yaml"] = {
    why = "YAML allows a document to begin on the --- line; kubectl refuses it, so nothing is misread",
    reads = '[{"kind":"X"},{"kind":true},{"kind":"Z"}]',
  },
  ["differs-directive.yaml"] = {
    why = "YAML allows %YAML and %TAG; kubectl refuses them, so nothing is misread",
    reads = '[{"a":"x","kind":"X"},{"kind":true}]',
  },
  ["differs-end-then-bare.yaml"] = {
    why = "kubectl drops in silence what follows the end marker",
    refuses = "3:1: the document has ended before this",
  },
  ["differs-carriage-returns.yaml"] = {
    why = "kubectl knows no line ends of carriage returns alone and drops the second document in silence",
    refuses = "2:1: a further document begins here",
  },
  ["differs-merge-overridden.yaml"] = {
    why = "the oracle is strict and calls an overridden key of a merge a duplicate; kubectl is not and reads it",
    reads = '[{"b":{"a":1,"c":{"d":1}},"e":{"a":2,"c":{"d":1}},"f":{"a":2,"c":{"d":1}},'
      .. '"g":{"a":5,"c":{"d":1}},"h":{"a":9,"c":{"d":1}},"kind":"X"}]',
  },
  ["differs-merge-list-anchor.yaml"] = {
    why = "an anchor on the list behind << is not kept",
    refuses = "2:9: the list that << merges cannot have an anchor",
  },
  ["differs-key-number-and-text.yaml"] = {
    why = "1 and \"1\" are one key in JSON; go-yaml keeps either by chance",
    refuses = '3:1: duplicate key "1" (first on line 2)',
  },
  ["differs-colon-before-bracket.yaml"] = {
    why = "libyaml does not end a plain text with a colon inside brackets",
    refuses = '2:7: put a text with ":"',
  },
  ["differs-tag-before-comma.yaml"] = {
    why = "a tag ends before a comma in brackets; go-yaml takes the comma for a part of the tag",
    reads = '[{"a":["sh","","x"],"kind":"X"}]',
  },
  ["differs-depth-101.yaml"] = { why = "nesting is limited to 100", refuses = "2:103: maps and lists nest deeper" },
  ["differs-byte-order-mark-inside.yaml"] = {
    why = "go-yaml makes the mark part of a key, which no one sees",
    refuses = "2:1: a byte order mark stands inside a document",
  },
}

-- Every scalar is put in every context. Two that differ are in the table above: "\/", and "on:" in brackets.
local scalars = {
  "y", "Y", "yes", "Yes", "YES", "yEs", "n", "N", "no", "No", "NO", "true", "True", "TRUE", "tRUE", "on", "On", "ON",
  "off", "Off", "OFF", "false", "False", "FALSE", "~", "null", "Null", "NULL", "nULL", ".nan", ".NaN", ".inf", "+.inf",
  "-.INF", ".iNf", "<<", "0", "-0", "+0", "00", "+1", "007", "017", "-017", "08", "09", "0o17", "0O17", "-0o17", "0o8",
  "0o", "0x1F", "0X1f", "-0xff", "0x", "0xg", "0b101", "0B1", "-0b101", "0b", "0b2", "0b-101", "0b+1", "-0b-1", "1_000",
  "1__0", "1_", "_1", "-_1", "+_", "0_17", "0x_ff", "0b1_0", "1.0", "1.", ".5", "-.5", "+.5", "1e3", "1E3", "1e+3",
  "1e-3", "1.e2", "1e", "1e+", "e1", ".e1", ".", "..", "-", "+", "--", "-a", "1:20", "190:20:30.15", "12:30:45",
  "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
  "18446744073709551615", "18446744073709551616", "+18446744073709551615", "0xFFFFFFFFFFFFFFFF", "0x10000000000000000",
  "-0x8000000000000000", "-0x8000000000000001", "0777777777777777777777", "07777777777777777777777777",
  "123456789012345678901234567890", "1e400", "1e-400", "4.9e-324", "1.7976931348623157e308", "1e20", "1e21", "-1e21",
  "123456789.123456789", "0.1", "0.000001", "0.0000001", "1e-7", "100000000000000000000.0", "2001-12-14", "2001-1-1",
  "2001-12-14T21:59:43Z", "2001-13-01", "2001-02-30", "20011214", "1.2.3", "1,000", "0x1p-2", "Infinity", "inf", "nan",
  ".5_0", "._5", ".5_", "1_0.5_0", "1e1_0", "100m", "1Gi", "1e3Mi", "10%", "1/2", "v1", "apps/v1", "a=b", "=", "~a",
  "é", "日本", '""', "''", '"1"', "'1'", '"y"', "'null'", '"\\u00e9"', '"\\x41"', '"a\\tb"', '"\\0"', '"\\U0001F600"',
  "''''", '"<>&"', '"\\u2028"', '"\\x7f"', '"\\ud800"', '"\\q"', "[]", "{}", "[1]", "{a}", "{a,}", "[a:1]", "1.10",
  "1.23e-5", "-0.0", "0e0", "0123.5", "1.5e300", "-08", "1_2_3.4_5", "aGk=", "/w==", "aGk", "@a", "`a", "%a", "*a",
  "!!int", ":1", "- 1", "a: b", "a #b", "a#b", "|", ">", "&a", "&a 1", "?", "? a",
}
local contexts = {
  ["a value"] = "a: %s\n", ["an item"] = "l:\n- %s\n- x\n", ["a key"] = "kind: X\n%s: v\n",
  ["in brackets"] = "a: [%s]\n", ["in braces"] = "a: {b: %s}\n", ["a key in braces"] = "a: {%s: b}\n",
  ["an explicit key"] = "kind: X\n? %s\n: v\n", ["behind an anchor"] = "a: &x %s\nb: *x\nc: {*x : 1}\n",
  ["a block"] = "a: |\n  %s\n", ["over two lines"] = "a: %s\n  x\n", ["!!str"] = "a: !!str %s\n",
  ["!!int"] = "a: !!int %s\n", ["!!float"] = "a: !!float %s\n", ["!!bool"] = "a: !!bool %s\n",
  ["!!null"] = "a: !!null %s\n", ["!!timestamp"] = "a: !!timestamp %s\n", ["!!binary"] = "a: !!binary %s\n",
  ["!!merge"] = "a: !!merge %s\n", ["a tag of one's own"] = "a: !own %s\n", ["!"] = "a: ! %s\n",
  ["a key with !!int"] = "kind: X\n!!int %s: v\n", ["a key with !!str"] = "kind: X\n!!str %s: v\n",
}

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  return lines, pipe:close()
end

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function is_program(path)
  return os.execute("test -f " .. quoted(path) .. " -a -x " .. quoted(path)) == true
end

local function find_oracle()
  local path = os.getenv("MOONSAIL_YAML_ORACLE")
  if not path then
    path = lines_of(quoted(root .. "/tests/cluster/build") .. " --print --only yaml-oracle")[1]
  end
  if not path or not is_program(path) then
    error("the YAML oracle is missing: MOONSAIL_YAML_ORACLE names none, or tests/cluster/build could not build it")
  end
  return path
end

local function find_reader()
  local path = build .. "/yaml2json"
  if not is_program(path) then
    error(path .. " is missing: build with MOONSAIL_TESTS, and let MOONSAIL_BUILD name the build's folder")
  end
  return path
end

local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- A JSON string's inside, with as few escapes as can be. Both sides escape as they like.
local function plain_string(inside)
  return (inside:gsub("\\(.)(%x?%x?%x?%x?)", function(kind, digits)
    if kind == "u" then
      local code = tonumber(digits, 16)
      if code < 0x20 or code == 0x22 or code == 0x5C then return ("\\u%04x"):format(code) end
      return utf8.char(code)
    end
    local char = escapes[kind] or kind
    if char:find('[%c"\\]') then char = ("\\u%04x"):format(char:byte()) end
    return char .. digits
  end))
end

-- JSON text with its strings in one form. Numbers and order stay as they are written.
local function normal(json)
  local out, at = {}, 1
  while true do
    local open = json:find('"', at, true)
    if not open then break end
    local close = open + 1
    while json:sub(close, close) ~= '"' do
      close = close + (json:sub(close, close) == "\\" and 2 or 1)
    end
    out[#out + 1] = json:sub(at, open) .. plain_string(json:sub(open + 1, close - 1)) .. '"'
    at = close + 1
  end
  return table.concat(out) .. json:sub(at)
end

local function reason_of(line)
  local reason = line:match('^{"error":"(.*)"}$')
  return reason and (reason:gsub('\\(["\\])', "%1"))
end

-- Runs a program over the files of a folder: name → line.
local function answers(program, folder, names)
  local list = os.tmpname()
  local file = assert(io.open(list, "w"))
  for _, name in ipairs(names) do file:write(name, "\0") end
  file:close()
  local lines = lines_of(("cd %s && xargs -0 %s < %s"):format(quoted(folder), quoted(program), quoted(list)))
  os.remove(list)
  assert.are.equal(#names, #lines, program .. " did not answer for every file")
  local by_name = {}
  for i, name in ipairs(names) do by_name[name] = lines[i] end
  return by_name
end

local function absolute(path)
  return path:sub(1, 1) == "/" and path or lines_of("pwd")[1] .. "/" .. path
end

local function compare(ours, theirs)
  if reason_of(ours) then
    assert.matches("^%d+:%d+: .", reason_of(ours))
    assert.is_truthy(reason_of(theirs), "refused here: " .. ours .. "\nread there: " .. theirs)
  else
    assert.are.equal(normal(theirs), normal(ours))
  end
end

describe("a manifest", function()
  local folder = root .. "/tests/spec/manifests"
  local names = lines_of("LC_ALL=C ls " .. quoted(folder))
  local ours, theirs

  lazy_setup(function()
    ours = answers(absolute(find_reader()), folder, names)
    theirs = answers(absolute(find_oracle()), folder, names)
  end)

  for _, name in ipairs(names) do
    local difference = differences[name]
    if difference then
      it("may differ from Kubernetes in " .. name .. ": " .. difference.why, function()
        if difference.reads then
          assert.are.equal(normal(difference.reads), normal(ours[name]))
        else
          assert.are.equal(difference.refuses, (reason_of(ours[name]) or ours[name]):sub(1, #difference.refuses))
        end
        assert.are_not.equal(normal(theirs[name]), normal(ours[name]))
        assert.is_false(reason_of(theirs[name]) ~= nil and reason_of(ours[name]) ~= nil, "they agree by now")
      end)
    else
      it("is read as Kubernetes reads it: " .. name, function() compare(ours[name], theirs[name]) end)
      if name:find("^bad%-") then
        it("is refused with its place: " .. name, function()
          assert.matches("^%d+:%d+: .", reason_of(ours[name]) or "read: " .. ours[name])
        end)
      end
    end
  end

  it("is there for each difference that is allowed", function()
    for name in pairs(differences) do assert.is_truthy(ours[name], name) end
  end)
end)

describe("a scalar is read as Kubernetes reads it", function()
  local folder, names, ours, theirs = nil, {}, nil, nil

  local function file_name(context, index) return ("%s-%03d"):format(context:gsub("%W", "_"), index) end

  lazy_setup(function()
    folder = lines_of("mktemp -d")[1]
    for context, form in pairs(contexts) do
      for i, scalar in ipairs(scalars) do
        local name = file_name(context, i)
        names[#names + 1] = name
        local file = assert(io.open(folder .. "/" .. name, "w"))
        file:write((form:gsub("%%s", function() return scalar end)))
        file:close()
      end
    end
    ours = answers(absolute(find_reader()), folder, names)
    theirs = answers(absolute(find_oracle()), folder, names)
  end)

  lazy_teardown(function()
    if folder then os.execute("rm -rf " .. quoted(folder)) end
  end)

  local order = {}
  for context in pairs(contexts) do order[#order + 1] = context end
  table.sort(order)
  for _, context in ipairs(order) do
    it("as " .. context, function()
      for i, scalar in ipairs(scalars) do
        local name = file_name(context, i)
        local ok, why = pcall(compare, ours[name], theirs[name])
        if not ok then error(scalar .. ": " .. tostring(type(why) == "table" and why.message or why)) end
      end
    end)
  end
end)
