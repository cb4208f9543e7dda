-- What the demo cluster's Pods say, and what is said of them.

local support = require "tests.spec.support"
local client = require "tests.both.support.client"
local demo = require "tests.both.support.demo"

local list = support.json.list

describe("a Pod of the demo cluster", function()
  local api
  local PODS = "/api/v1/namespaces/default/pods"

  setup(function()
    api = client.new(demo.start().kubeconfig)
  end)

  local function get(path)
    return api:request("GET", path).json()
  end

  local function pod(name, notes, more)
    local spec = { containers = list { { name = "web", image = "example/web:1", ports = list { { containerPort = 8080 } } } } }
    for key, value in pairs(more or {}) do spec[key] = value end
    assert.equal(201, api:request("POST", PODS, { apiVersion = "v1", kind = "Pod", spec = spec,
      metadata = { name = name, annotations = notes } }).status)
  end

  -- Waits for a state of its first container: "running", "terminated", or the reason why it waits.
  local function waits_for(name, word)
    return support.eventually(name .. ": " .. word, function()
      local found = get(PODS .. "/" .. name)
      local first = found.status.containerStatuses and found.status.containerStatuses[1]
      local state = first and first.state or {}
      return (state[word] or state.waiting and state.waiting.reason == word) and found
    end, support.seconds(20))
  end

  local function log(name, query)
    return api:request("GET", ("%s/%s/log?%s"):format(PODS, name, query or ""))
  end

  local function lines(text)
    local found = {}
    for text_line in text:gmatch("([^\n]*)\n") do found[#found + 1] = text_line end
    return found
  end

  it("writes how it started and then what it does, the same each time", function()
    pod("talks")
    waits_for("talks", "running")
    local found = support.eventually("it works", function()
      local answer = log("talks")
      return #lines(answer.text) >= 5 and answer
    end, support.seconds(20))
    assert.matches("[Cc]ontent%-[Tt]ype: text/plain", found.headers)
    local said = lines(found.text)
    assert.same({ "web starts, image example/web:1", "configuration read", "listening on port 8080" },
      { said[1], said[2], said[3] })
    assert.equal(found.text, log("talks").text:sub(1, #found.text))
  end)

  it("shows as much of its log as was asked for", function()
    local whole = lines(log("talks", "timestamps=true").text)
    assert.matches("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d000000Z web starts", whole[1])
    assert.equal(2, #lines(log("talks", "tailLines=2").text))
    assert.equal("", log("talks", "tailLines=0").text)
    assert.equal("web st", log("talks", "limitBytes=6").text)
    assert.is_true(#lines(log("talks", "sinceSeconds=1").text) <= 2)
    local refused = log("talks", "tailLines=-1").json()
    assert.equal('PodLogOptions "talks" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
      refused.message)
  end)

  it("is followed line by line until it is deleted", function()
    local following = support.start { "curl", "-sSN", "--max-time", "30", "-H", "Authorization: Bearer " .. api.token,
      api.server .. PODS .. "/talks/log?follow=true&tailLines=1" }
    local seen = {}
    for i = 1, 3 do seen[i] = following:line(support.seconds(10)) end
    local whole = log("talks").text
    assert.truthy(whole:find(table.concat(seen, "\n"), 1, true))
    api:request("DELETE", PODS .. "/talks")
    assert.equal(0, following:finish(support.seconds(10)).code)
    assert.equal(404, log("talks").status)
  end)

  it("has no log while its image does not come, and says why", function()
    pod("stuck", { ["demo/fail"] = "image-pull" })
    waits_for("stuck", "ImagePullBackOff")
    local answer = log("stuck")
    assert.equal(400, answer.status)
    assert.equal('container "web" in pod "stuck" is waiting to start: trying and failing to pull image', answer.json().message)
    local reasons = {}
    for _, event in ipairs(get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dstuck").items) do
      assert.equal("stuck", event.involvedObject.name)
      reasons[event.reason .. ": " .. event.message] = event.involvedObject.fieldPath or "the Pod"
    end
    assert.equal("spec.containers{web}", reasons["Failed: Error: ErrImagePull"])
    assert.equal("spec.containers{web}", reasons['BackOff: Back-off pulling image "example/web:1"'])
    assert.equal("spec.containers{web}", reasons['Pulling: Pulling image "example/web:1"'])
  end)

  it("that crashes says its last words, also once it runs again", function()
    pod("breaks", { ["demo/fail"] = "crash" })
    waits_for("breaks", "CrashLoopBackOff")
    assert.equal("fatal: it cannot go on, exit code 1", lines(log("breaks").text)[4])
    waits_for("breaks", "running")
    assert.matches("fatal: it cannot go on, exit code 1\n$", log("breaks", "previous=true").text)
    pod("lives")
    waits_for("lives", "running")
    assert.equal('previous terminated container "web" in pod "lives" not found', log("lives", "previous=true").json().message)
  end)

  it("of several containers wants to know which", function()
    pod("two", nil, { containers = list { { name = "a", image = "example/a:1" }, { name = "b", image = "example/b:1" } } })
    waits_for("two", "running")
    assert.equal("a container name must be specified for pod two, choose one of: [a b]", log("two").json().message)
    assert.equal("container c is not valid for pod two", log("two", "container=c").json().message)
    assert.matches("^b starts, image example/b:1\n", log("two", "container=b").text)
  end)

  it("is told of from where it was put to its end", function()
    pod("told")
    waits_for("told", "running")
    api:request("DELETE", PODS .. "/told")
    local reasons = {}
    support.eventually("it is gone", function() return api:request("GET", PODS .. "/told").status == 404 end)
    for _, event in ipairs(get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dtold").items) do
      reasons[#reasons + 1] = event.reason
    end
    table.sort(reasons)
    assert.same({ "Created", "Killing", "Pulled", "Pulling", "Scheduled", "Started" }, reasons)
  end)
end)

describe("a CronJob of the demo cluster", function()
  it("has a schedule of five fields, or is refused", function()
    local api = client.new(demo.kubeconfig())
    local function create(schedule)
      return api:request("POST", "/apis/batch/v1/namespaces/default/cronjobs?dryRun=All", { apiVersion = "batch/v1", kind = "CronJob",
        metadata = { name = "c" }, spec = { schedule = schedule, jobTemplate = { spec = { template = { spec = {
          restartPolicy = "Never", containers = list { { name = "c", image = "example/c:1" } } } } } } } }).status
    end
    for _, schedule in ipairs { "* * * * *", "*/5 0-6,22 1 jan-MAR mon", "0 0 29 2 *", "@hourly", "5/10 * ? * *" } do
      assert.equal(201, create(schedule), schedule)
    end
    for _, schedule in ipairs { "every day", "* * * *", "60 * * * *", "*/0 * * * *", "5-1 * * * *", "* * * * 7" } do
      assert.equal(422, create(schedule), schedule)
    end
  end)
end)
