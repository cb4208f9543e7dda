-- Whoever runs a host sees from outside how it fares: numbers for Prometheus, and a log that a machine can read.

local support = require "tests.spec.support"
local json = support.json

-- ---- the text format, read strictly ----

local function unescape(text)
  return (text:gsub("\\(.)", function(c)
    return assert(({ n = "\n", ["\\"] = "\\", ['"'] = '"' })[c], "no such escape: \\" .. c)
  end))
end

-- The labels between the braces, as they come: { { name, value } … }.
local function read_labels(text)
  local labels, at = {}, 1
  while at <= #text do
    local name, open = text:match('^([%a_][%w_]*)="()', at)
    assert(name, "no label: " .. text:sub(at))
    local close = open
    while text:sub(close, close) ~= '"' do
      assert(close <= #text, "a label that does not end: " .. text)
      close = close + (text:sub(close, close) == "\\" and 2 or 1)
    end
    labels[#labels + 1] = { name, unescape(text:sub(open, close - 1)) }
    at = close + 1
    if at <= #text then
      assert(text:sub(at, at) == ",", "no comma between labels: " .. text)
      at = at + 1
    end
  end
  return labels
end

local function key_of(name, labels)
  local parts = {}
  for _, label in ipairs(labels) do parts[#parts + 1] = label[1] .. "=" .. label[2] end
  table.sort(parts)
  return name .. "{" .. table.concat(parts, ",") .. "}"
end

local suffixes = { histogram = { _bucket = true, _sum = true, _count = true }, counter = { [""] = true },
  gauge = { [""] = true } }

local function read_sample(said, family, line)
  local name, rest = line:match "^([%a_:][%w_:]*)(.*)$"
  assert(name, "no sample: " .. line)
  local labels, value = rest:match "^{(.*)} (%S+)$"
  value = value or rest:match "^ (%S+)$"
  assert(tonumber(value), "no number: " .. line)
  assert(family and name:sub(1, #family.name) == family.name, "a sample outside of its family: " .. line)
  assert(suffixes[family.type][name:sub(#family.name + 1)], "not of a " .. family.type .. ": " .. line)
  local key = key_of(name, read_labels(labels or ""))
  assert(not said.values[key], "twice: " .. key)
  said.values[key] = tonumber(value)
  said.order[#said.order + 1] = { name = name, labels = read_labels(labels or ""), value = tonumber(value) }
end

local function check_histograms(said)
  local before
  for _, sample in ipairs(said.order) do
    local base = sample.name:match "^(.*)_bucket$"
    if base then
      local le = table.remove(sample.labels)
      assert(le[1] == "le")
      local key = key_of(base, sample.labels)
      if before and before.key == key then
        assert(sample.value >= before.value, "buckets fall: " .. key)
        assert(tonumber(before.le) < (tonumber(le[2]) or math.huge), "bounds fall: " .. key)
      end
      before = { key = key, value = sample.value, le = le[2] }
      if le[2] == "+Inf" then
        assert.equal(sample.value, said.values[key_of(base .. "_count", sample.labels)])
        assert(said.values[key_of(base .. "_sum", sample.labels)])
      end
    end
  end
end

-- { values: "name{a=b}" to number, families: name to type }
local function parse(text)
  local said, family, helped = { values = {}, families = {}, order = {} }, nil, nil
  assert(text:sub(-1) == "\n", "the last line does not end")
  for line in text:gmatch "([^\n]*)\n" do
    local name = line:match "^# HELP ([%a_:][%w_:]*) %S"
    local typed, kind = line:match "^# TYPE ([%a_:][%w_:]*) (%a+)$"
    if name then
      assert(not said.families[name], "described twice: " .. name)
      helped = name
    elseif typed then
      assert(typed == helped and suffixes[kind], "a TYPE without its HELP: " .. line)
      said.families[typed] = kind
      family = { name = typed, type = kind }
    else
      read_sample(said, family, line)
    end
  end
  check_histograms(said)
  return said
end

local function scrape(host)
  local answer = host:get "/metrics"
  assert.equal(200, answer.status, answer.text)
  assert.matches("^text/plain; version=0%.0%.4", answer.headers:get "content-type")
  local said = parse(answer.text)
  return setmetatable(said, { __call = function(_, key)
    return said.values[key:find("{", 1, true) and key or key .. "{}"] or 0
  end })
end

local function configmap(name, value)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s }\ndata: { k: %q }\n"):format(name, value)
end

local function of_metrics_listener(host)
  local url = support.eventually("the log says where metrics are", function()
    return host:stderr():match "metrics on (http://[%w%.:%[%]]+)/metrics"
  end)
  return support.at(url)
end

describe("the metrics of a host", function()
  local host

  lazy_setup(function()
    host = support.serve { demo = true, args = { "--scripts", support.tree {
      ["guardrails/rule.lua"] = "return guardrail { name = 'no-bad', level = 'deny', help = 'h', resources = { 'configmaps' },\n"
        .. "  check = function(req, obj) if obj.data.k == 'bad' then return deny('data.k', 'no') end end }\n",
      ["flows/spin.lua"] = "return flow { name = 'spin', help = 'h', label = 'Spin', resources = { 'configmaps' }, action = 'get',\n"
        .. "  run = function(ctx) local t = {} for i = 1, 300 do t[i] = i end\n"
        .. "    table.sort(t, function(a, b) while true do end end) end }\n",
    } } }
  end)
  lazy_teardown(function() host:stop() end)

  local function apply(text)
    return support.cli({ "apply", "-f", "-" }, { home = host.process.home, stdin = text })
  end

  it("are text that Prometheus takes, with what every process should tell", function()
    local said = scrape(host)
    assert.equal("gauge", said.families.moonsail_executions)
    assert.equal("histogram", said.families.moonsail_loop_delay_seconds)
    assert.is_true(said "process_resident_memory_bytes" > 1e6)
    assert.is_true(said "process_open_fds" > 3)
    assert.is_true(said "process_cpu_seconds_total" > 0)
    assert.is_true(math.abs(os.time() - said "process_start_time_seconds") < support.seconds(120))
    assert.equal(1, said "moonsail_scripts_generation")
    assert.equal(0, said "moonsail_scripts_faults")
    local version = support.cli({ "version", "--json" }).stdout
    version = json.decode(version)
    assert.equal(1, said("moonsail_build_info{commit=" .. version.commit .. ",version=" .. version.moonsail .. "}"))
  end)

  it("count executions by kind and outcome, and their events", function()
    local before = scrape(host)
    assert.equal(0, apply(configmap("one", "x")).code)
    host:events_of { command = "true" }
    host:events_of { command = "sh", args = { "-c", "echo a; echo b; exit 3" } }
    local run = host:start { command = "sleep", args = { "1000" } }
    run:read_until(function(e) return e.status == "running" end)
    local during = scrape(host)
    run:send { type = "cancel" }
    run:to_end()
    local after = scrape(host)
    local function more(key) return after(key) - before(key) end
    assert.equal(1, more "moonsail_executions_total{kind=apply,outcome=succeeded}")
    assert.equal(1, more "moonsail_executions_total{kind=command,outcome=succeeded}")
    assert.equal(1, more "moonsail_executions_total{kind=command,outcome=failed}")
    assert.equal(1, more "moonsail_executions_total{kind=command,outcome=cancelled}")
    assert.equal(1, during "moonsail_executions{status=running}")
    assert.equal(0, after "moonsail_executions{status=running}")
    assert.equal(2, more "moonsail_executions{status=succeeded}")
    assert.equal(2, more "moonsail_executions{status=failed}")
    assert.equal(3, more "moonsail_execution_duration_seconds_count{kind=command}")
    assert.equal(4, more "moonsail_events_total{type=complete}")
    assert.is_true(more "moonsail_events_total{type=line}" >= 3)
    assert.is_true(more "moonsail_journal_bytes" > 0)
    assert.is_true(after "moonsail_journal_limit_bytes" > after "moonsail_journal_bytes")
    assert.is_true(more "moonsail_loop_delay_seconds_count{}" > 0)
  end)

  it("count requests to the cluster by method and answer", function()
    local before = scrape(host)
    assert.equal(0, apply(configmap("asked", "x")).code)
    local after = scrape(host)
    local function more(key) return after(key) - before(key) end
    assert.is_true(more "moonsail_api_requests_total{code=404,method=GET}" >= 1)
    assert.is_true(more "moonsail_api_requests_total{code=201,method=PATCH}"
      + more "moonsail_api_requests_total{code=201,method=POST}" >= 1)
    assert.is_true(more "moonsail_api_request_duration_seconds_count{method=GET}" >= 1)
    assert.is_true(more "moonsail_lua_cpu_seconds_total" > 0)
  end)

  it("show who watches", function()
    local run = host:start { command = "sleep", args = { "1000" } }
    run:read_until(function(e) return e.status == "running" end)
    local other = host:attach(run.id)
    other:read_until(function(e) return e.status == "running" end)
    assert.equal(2, scrape(host) "moonsail_viewers")
    other:drop()
    support.eventually("one has gone", function() return scrape(host) "moonsail_viewers" == 1 end)
    run:send { type = "cancel" }
    run:to_end()
    support.eventually("nobody watches", function() return scrape(host) "moonsail_viewers" == 0 end)
  end)

  it("show what guardrails deny", function()
    assert.equal(3, apply(configmap("refused", "bad")).code)
    assert.equal(1, scrape(host) "moonsail_guardrail_verdicts_total{level=deny,rule=no-bad}")
    local row = host:get("/api/guardrails"):json().guardrails[1]
    assert.same({ "no-bad", 1, 0 }, { row.name, row.stopped, row.warned })
  end)

  it("show scripts that had to be ended", function()
    assert.equal(0, apply(configmap("spun", "x")).code)
    host:events_of { intent = "spin", namespace = "default", resource = "configmaps", name = "spun" }
    assert.equal(1, scrape(host) "moonsail_lua_killed_total{limit=stuck}")
    assert.is_true(scrape(host) "moonsail_lua_cpu_seconds_total" >= 0.1)
  end)

  it("count what was masked", function()
    local before = scrape(host) "moonsail_redactions_total"
    local all = host:events_of { command = "echo", args = { "password: hunter2hunter2" } }
    assert.matches("[REDACTED]", support.events.lines(all)[1], 1, true)
    assert.is_true(scrape(host) "moonsail_redactions_total" > before)
  end)

  it("tell the longest turn of the loop since the last look, and cost little themselves", function()
    scrape(host)
    local said = scrape(host)
    assert.is_true(said "moonsail_loop_delay_max_seconds" > 0)
    assert.is_true(said "moonsail_loop_delay_max_seconds" < support.seconds(1))
  end)

  it("are not read by a page of another site", function()
    assert.equal(403, host:get("/metrics", { ["sec-fetch-site"] = "cross-site" }).status)
    assert.equal(403, host:get("/metrics", { host = "evil.example" }).status)
    assert.equal(405, host:post("/metrics").status)
  end)

  it("have every name that the dashboard and the alert rules in examples/monitoring use", function()
    local said = scrape(host)
    for _, file in ipairs { "dashboard.json", "alerts.yaml" } do
      local text = assert(io.open("examples/monitoring/" .. file)):read "a"
      local count = 0
      for name in text:gmatch "%f[%w_][%a_][%w_]*" do
        if name:find "^moonsail_" or name:find "^process_" then
          count = count + 1
          local base = name:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")
          assert.is_truthy(said.families[name] or said.families[base] == "histogram", file .. ": " .. name)
        end
      end
      assert.is_true(count >= 5, file)
      if file == "dashboard.json" then assert.is_true(#json.decode(text).panels >= 8) end
    end
  end)
end)

describe("serve with --metrics-listen", function()
  it("serves metrics and probes there to whoever asks, and nothing else", function()
    local host = support.serve { args = { "--metrics-listen", "127.0.0.1:0" } }
    local open = of_metrics_listener(host)
    for _, headers in ipairs { {}, { host = "prometheus.example:80" }, { ["sec-fetch-site"] = "cross-site" } } do
      local answer = open:get("/metrics", headers)
      assert.equal(200, answer.status, answer.text)
      parse(answer.text)
      assert.equal(200, open:get("/healthz", headers).status)
      assert.equal(200, open:get("/readyz", headers).status)
    end
    for _, path in ipairs { "/", "/index.html", "/api/me", "/api/executions", "/api/execution/stream", "/api/object" } do
      assert.equal(404, open:get(path).status, path)
    end
    assert.equal(404, open:post("/api/executions", { command = "true" }).status)
    assert.equal(405, open:post("/metrics").status)
    assert.is_nil((open:socket "/api/execution/stream"))
    assert.same({}, host:get("/api/executions"):json())
    host:stop()
  end)

  it("lets another user of the machine read them, and nothing of the host's own address", function()
    if support.run({ "id", "-u" }).stdout ~= "0\n" then return pending "only root can become somebody else" end
    local host = support.serve { args = { "--metrics-listen", "127.0.0.1:0" } }
    local function as_nobody(url)
      return support.run({ "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--",
        "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url }).stdout
    end
    assert.equal("200", as_nobody(of_metrics_listener(host):url "/metrics"))
    assert.equal("403", as_nobody(host:url "/metrics"))
    host:stop()
  end)

  it("takes no more than 64 connections there, which are nobody else's loss", function()
    local host = support.serve { args = { "--metrics-listen", "127.0.0.1:0" } }
    local open, peers = of_metrics_listener(host), {}
    for i = 1, 64 do
      peers[i] = open:connect()
      assert(peers[i]:connect())
    end
    assert.has_error(function() open:get "/metrics" end)
    assert.equal("admin", host:get("/api/me"):json().role)
    for _, peer in ipairs(peers) do peer:close() end
    support.eventually("there is room again", function() return pcall(open.get, open, "/metrics") end)
    host:stop()
  end)

  it("still answers probes while the host drains", function()
    local host = support.serve { demo = true, args = { "--metrics-listen", "127.0.0.1:0" } }
    local open = of_metrics_listener(host)
    local run = host:start { command = "sh", args = { "-c", "trap '' TERM; echo ready; while :; do sleep 1; done" } }
    run:read_until(function(e) return e.type == "line" and e.text == "ready" end)
    host.process:signal "TERM"
    support.eventually("it says that it is not ready any more", function() return open:get("/readyz").status == 503 end)
    assert.equal(200, open:get("/metrics").status)
    host.process:finish(support.seconds(40))
  end)

  it("takes the address as it is named", function()
    for named, shown in pairs { ["0.0.0.0"] = "0.0.0.0", ["[::]"] = "[::]", ["[::1]"] = "127.0.0.1", localhost = "127.0.0.1" } do
      local host = support.serve { args = { "--metrics-listen", named .. ":0" } }
      local open = of_metrics_listener(host)
      assert.equal(shown, open.base:match "^http://(.*):%d+$")
      assert.equal(200, open:by(named == "0.0.0.0" and "127.0.0.1" or "[::1]"):get("/metrics").status, named)
      host:stop()
    end
  end)

  it("refuses what is no address, before anything is started", function()
    for address, says in pairs { ["nowhere.example:9090"] = "HOST must be an address", ["9090"] = "expected HOST:PORT" } do
      local said = support.cli({ "serve", "--metrics-listen", address }, { home = support.home() })
      assert.equal(2, said.code)
      assert.matches("--metrics-listen " .. address .. ": " .. says, said.stderr, 1, true)
    end
  end)

  it("says so where the port is taken", function()
    local host = support.serve()
    local address = "127.0.0.1:" .. host:port()
    local said = support.cli({ "serve", "--listen", "127.0.0.1:0", "--metrics-listen", address }, { home = support.home() })
    assert.equal(2, said.code)
    assert.matches("cannot listen on " .. address .. ": address already in use", said.stderr, 1, true)
    assert.matches("with --metrics-listen", said.stderr, 1, true)
    host:stop()
  end)
end)

describe("the log of a host", function()
  local secret = "kq7Vw2xLp9Rt4Zy8"

  local function serve(args)
    local scripts = support.tree {
      ["flows/tell.lua"] = "return flow { name = 'tell', help = 'h', label = 'Tell', resources = { 'configmaps' }, action = 'get',\n"
        .. "  input = { what = { type = 'string', help = 'h' } },\n"
        .. "  run = function(ctx, input) print('print', input.what) ctx:log('told\\n%s', input.what) end }\n",
      ["guardrails/watch.lua"] = "return guardrail { name = 'watch', level = 'observe', help = 'h', resources = { 'configmaps' },\n"
        .. "  check = function(req, obj) return deny('data.k', 'holds token=%s', obj.data.k) end }\n",
    }
    table.move({ "--scripts", scripts, "--log-level", "debug" }, 1, 4, #args + 1, args)
    local host = support.serve { demo = true, args = args }
    local applied = support.cli({ "apply", "-f", "-" }, { home = host.process.home, stdin = configmap("told", secret) })
    assert.equal(0, applied.code, applied.stderr)
    local all = host:events_of { executionId = "the-run", intent = "tell", namespace = "default", resource = "configmaps",
      name = "told", input = { what = "password: " .. secret } }
    assert.equal("succeeded", support.events.complete(all).status)
    host:stop()
    return host:stderr()
  end

  it("is JSON lines with --log json, each on its own, without a secret that a request has carried", function()
    local about, levels, said = {}, {}, serve { "--log", "json" }
    assert.is_nil(said:find(secret, 1, true))
    for line in said:gmatch "([^\n]*)\n" do
      local row = json.decode(line)
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", row.time)
      levels[row.level] = true
      assert.equal("string", type(row.message))
      if row.execution == "the-run" then about[#about + 1] = row.message end
    end
    assert.is_true(levels.info and levels.debug)
    assert.same({ "print password: [REDACTED]", "told password: [REDACTED]" }, about)
    assert.matches("observed by guardrail watch: data.k: holds token=[REDACTED]", said, 1, true)
  end)

  it("warns of a folder of scripts that a group may write to, when it is read for the first time and again", function()
    local scripts = support.tree { ["flows/.keep"] = "" }
    assert(os.execute("chmod g+w " .. scripts .. "/flows"))
    local host = support.serve { args = { "--scripts", scripts } }
    local function warnings() return select(2, host:stderr():gsub("flows: its group can write to this folder", "")) end
    assert.equal(1, warnings())
    host.process:signal "HUP"
    support.eventually("it says so again", function() return warnings() == 2 end)
    host:stop()
  end)

  it("is text without it, as free of secrets, a line each", function()
    local said = serve {}
    assert.is_nil(said:find(secret, 1, true))
    assert.matches("\n%S+Z info  the%-run: told password: %[REDACTED%]\n", said)
    for line in said:gmatch "([^\n]*)\n" do assert.matches("^%d%d%d%d%-%S+Z %l+ ", line) end
  end)
end)
