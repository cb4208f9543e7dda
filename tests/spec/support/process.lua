--- Processes of a test: their own environment and folder, limits on every wait, and
-- an end with the test runner, however that ends.

local socket = require "cqueues.socket"
local wait = require "tests.spec.support.wait"

local process = {}
local methods = {}
local meta = { __index = methods }

process.binary = os.getenv("MOONSAIL") or error("MOONSAIL is not set: start the specs with ./dev test spec")

local tags = " " .. (os.getenv("MOONSAIL_TAGS") or "") .. " "

function process.tagged(tag)
  return tags:find(" " .. tag .. " ", 1, true) ~= nil
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  assert(pipe:close(), command)
  return (text:gsub("\n$", ""))
end

do
  local stat = assert(io.open("/proc/self/stat"))
  process.own_pid = stat:read("n")
  stat:close()
end

-- One folder for all, removed at the end of the run (helper.lua).
local root = output_of("mktemp -d \"${TMPDIR:-/tmp}/moonsail-spec.XXXXXX\"")
local made, running = 0, {}

--- Writes files below a folder: path → text.
function process.write(dir, files)
  for path, text in pairs(files) do
    local full = dir .. "/" .. path
    assert(os.execute("mkdir -p " .. quote(full:match("^(.*)/"))))
    local file = assert(io.open(full, "w"))
    file:write(text)
    file:close()
  end
end

--- A new folder, with files where there are some: path → text.
function process.tree(files)
  made = made + 1
  local dir = ("%s/%d"):format(root, made)
  assert(os.execute("mkdir -m 700 " .. quote(dir)))
  process.write(dir, files or {})
  return dir
end

local function read_file(path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

--- The environment of a fresh account whose home is `home`.
local function environment(home, more)
  local env = {
    PATH = os.getenv("PATH"), LANG = "C.UTF-8", TMPDIR = root,
    HOME = home, XDG_CONFIG_HOME = home .. "/.config", XDG_STATE_HOME = home .. "/.local/state",
    XDG_CACHE_HOME = home .. "/.cache",
    ASAN_OPTIONS = os.getenv("ASAN_OPTIONS"), UBSAN_OPTIONS = os.getenv("UBSAN_OPTIONS") or "print_stacktrace=1",
  }
  for name, value in pairs(more or {}) do env[name] = value end
  local words = {}
  for name, value in pairs(env) do
    if value then words[#words + 1] = quote(name .. "=" .. value) end
  end
  return table.concat(words, " ")
end

--- Starts options[1], options[2] … . `env` (name → text, false leaves one out), `home`, `cwd`,
-- `stdin` (a text; otherwise nothing can be read).
function process.start(options)
  local dir = process.tree(options.stdin and { stdin = options.stdin })
  local home = options.home or dir
  local words = {}
  for i, word in ipairs(options) do words[i] = quote(word) end
  -- The shell becomes the program, so its pid is the program's, and its parent is this
  -- process, whose end the kernel tells it.
  local command = ("echo $$; cd %s && exec env -i %s setpriv --pdeathsig KILL -- %s <%s 2>%s"):format(
    quote(options.cwd or home), environment(home, options.env), table.concat(words, " "),
    options.stdin and quote(dir .. "/stdin") or "/dev/null", quote(dir .. "/stderr"))
  local pipe = assert(io.popen(command))
  local out = assert(socket.dup(pipe))
  out:setmode("b", "b")
  out:onerror(function(_, _, code) return code end)
  local self = setmetatable({
    pipe = pipe, out = out, home = home, stderr_path = dir .. "/stderr",
    name = table.concat(options, " "), text = {},
  }, meta)
  self.pid = assert(math.tointeger(tonumber(self:line())), "the shell does not start")
  running[self] = true
  return self
end

--- Everything on its stderr up to now.
function methods:stderr()
  return read_file(self.stderr_path)
end

--- Raises `message` with what the process said last.
function methods:fail(message, level)
  local said = self:stderr()
  if #said > 8000 then said = "…" .. said:sub(-8000) end
  error(("%s\n--- stderr of %s ---\n%s---"):format(message, self.name, said), (level or 1) + 1)
end

--- The next line of its stdout; nil at the end of it. Raises at the limit.
function methods:line(limit)
  self.out:settimeout(limit or wait.seconds(10))
  local line, code = self.out:read("*l")
  if not line and code then self:fail("no line on stdout within the limit", 2) end
  return line
end

function methods:signal(name)
  if self.status then self:fail("it has ended already", 2) end
  assert(os.execute(("kill -%s %d"):format(name, self.pid)))
  return self
end

function methods:alive()
  local stat = not self.status and io.open(("/proc/%d/stat"):format(self.pid))
  if not stat then return false end
  local state = stat:read("a"):match(".*%) (%a)")
  stat:close()
  return state ~= "Z" and state ~= "X"
end

-- The end of a process is the end of its stdout: there is nothing to poll for.
local function reap(self)
  self.out:close()
  local _, kind, n = self.pipe:close()
  running[self] = nil
  self.status = kind == "signal" and 128 + n or n
  self.signalled = kind == "signal"
end

--- Waits for its end: { code, stdout, stderr }; code is 128 + N after signal N.
function methods:finish(limit)
  local deadline = wait.deadline(limit or wait.seconds(20))
  local parts = {}
  while not self.status do
    self.out:settimeout(wait.left(deadline))
    local part, code = self.out:read(-65536)
    if part then
      parts[#parts + 1] = part
    elseif code then
      self:signal("KILL")
      reap(self)
      self:fail(("it did not end within the limit; stdout: %s"):format(table.concat(parts):sub(-2000)), 2)
    else
      reap(self)
    end
  end
  local result = { code = self.status, stdout = table.concat(parts), stderr = self:stderr() }
  if result.stderr:find("Sanitizer:", 1, true) or result.stderr:find("runtime error:", 1, true) then
    self:fail("a sanitizer found a fault", 2)
  end
  return result
end

--- Ends it at once, without a check.
function methods:kill()
  if self.status then return end
  os.execute(("kill -KILL %d 2>/dev/null"):format(self.pid))
  reap(self)
end

function process.run(options)
  return process.start(options):finish(options.limit)
end

--- The binary with these arguments; options as for start.
function process.start_cli(args, options)
  local all = {}
  for name, value in pairs(options or {}) do all[name] = value end
  all[1] = process.binary
  table.move(args, 1, #args, 2, all)
  return process.start(all)
end

function process.cli(args, options)
  return process.start_cli(args, options):finish(options and options.limit)
end

--- Kills what a file of specs has left running.
function process.kill_all()
  for self in pairs(running) do self:kill() end
end

local last_wishes = {}

--- `fn` is called at the end of the run, before the folders go.
function process.at_exit(fn)
  last_wishes[#last_wishes + 1] = fn
end

function process.clean_up()
  for _, fn in ipairs(last_wishes) do fn() end
  process.kill_all()
  os.execute("rm -rf " .. quote(root))
end

return process
