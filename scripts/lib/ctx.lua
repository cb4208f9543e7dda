-- lib/ctx.lua: the methods of `ctx`, made of the host's primitives (`core`).
-- Returns a function of the primitives and the fields (request, user, dry_run) that gives the object.
local apply = require "lib.apply"
local object = require "lib.object"
local wait = require "lib.wait"

local PATCH_TYPES = {
  merge = "application/merge-patch+json",
  json = "application/json-patch+json",
  strategic = "application/strategic-merge-patch+json",
}

-- "%d of %d", 1, 2 → text; a lone text is taken as it is.
local function text(format, ...)
  if select("#", ...) == 0 then return tostring(format) end
  return format:format(...)
end

return function(core, fields)
  local ctx = fields

  -- Says what happens now: { detail = text, progress = n, total = n }.
  function ctx:phase(name, options)
    options = options or {}
    core.phase(name, options.detail, options.progress, options.total)
  end

  -- A line on stdout.
  function ctx:line(format, ...) core.line("stdout", text(format, ...)) end

  -- A line on stderr.
  function ctx:warn(format, ...) core.line("stderr", text(format, ...)) end

  -- Ends this document or flow with a sentence.
  function ctx:fail(format, ...) core.raise(text(format, ...)) end

  -- Counts one object: "created", "configured", "unchanged" or "deleted".
  function ctx:changed(outcome) core.changed(outcome) end

  -- Puts conflicts (of lib.conflict) into the document's row.
  function ctx:conflicts(list)
    for _, c in ipairs(list) do core.conflict(c.field, c.manager, c.live, c.since) end
  end

  -- A line in the host's own log.
  function ctx:log(format, ...) core.log(text(format, ...)) end

  -- The time, RFC 3339 in UTC.
  function ctx:now() return core.now() end

  -- Waits for so many seconds.
  function ctx:sleep(seconds) core.sleep(seconds) end

  -- Seconds that only grow, for measuring.
  function ctx:clock() return core.clock() end

  -- Waits until the object is a later one than that of `version` (a resourceVersion), `seconds` at most.
  -- Returns it; nil, "deleted"; or nil, "timeout".
  function ctx:next_change(target, version, seconds) return core.next_change(target, version, seconds) end

  -- Waits until the object of a reference is ready (options.timeout in seconds), telling how far it is and what
  -- hinders it. `ready(obj, ctx)` is asked first, then what lib.status knows of the kind.
  function ctx:wait(target, options, ready)
    options = options or {}
    return wait.until_ready(self, target, { timeout = options.timeout, ready = ready or options.ready })
  end

  -- Waits until an object is gone (options.timeout in seconds).
  function ctx:wait_gone(target, options) return wait.until_gone(self, target, options) end

  -- Brings a Pod's log as lines, to its end: { container, follow, tail, since, previous, timestamps, prefix, after }.
  -- Returns how many lines, the time of the newest one (`after` goes on there) and, where it broke off, why.
  function ctx:logs(pod, options) return core.logs(pod, options or {}) end

  -- Has somebody asked to cancel?
  function ctx:cancelled() return core.cancelled() end

  -- May the user do `action` to such an object?
  function ctx:may(action, target) return core.may(action, target) end

  -- A copy of a value that shares nothing with it.
  function ctx:copy(value) return object.copy(value) end

  -- The reference of an object: apiVersion, kind, namespace, name and text ("deployment.apps/api").
  function ctx:ref(obj) return object.ref(obj) end

  -- The object (or with options.subresource that of it), or nil where it is not there.
  function ctx:get(target, options)
    return (core.request("get", target, nil, {
      missing_is_nil = true, subresource = options and options.subresource,
    }))
  end

  -- All objects of the target's kind and namespace; options.query is added to the request.
  function ctx:list(target, options)
    return (core.request("list", target, nil, { query = options and options.query })).items
  end

  -- POST. Returns the object as the server answers.
  function ctx:create(obj) return (core.request("create", obj, obj)) end

  -- Asks the server whether it would create such an object, and creates none.
  function ctx:create_trial(obj)
    return (core.request("create", obj, obj, { query = not self.dry_run and "dryRun=All" or nil }))
  end

  -- Asks a Pod to go, as its disruption budgets allow: where they do not, it raises with status 429.
  function ctx:evict(pod)
    local ref = object.ref(pod)
    core.request("create", ref, { apiVersion = "policy/v1", kind = "Eviction", metadata = {
      name = ref.name, namespace = ref.namespace } }, { subresource = "eviction" })
  end

  -- PUT. Returns the object as the server answers.
  function ctx:update(obj) return (core.request("update", obj, obj)) end

  -- PATCH with type "merge" (the default), "json" or "strategic"; options.subresource too.
  function ctx:patch(target, patch, options)
    options = options or {}
    local content_type = PATCH_TYPES[options.type or "merge"]
    if not content_type then error(("no patch type %q"):format(tostring(options.type)), 2) end
    return (core.request("update", target, patch, {
      content_type = content_type,
      subresource = options.subresource,
    }))
  end

  -- DELETE; options.propagation is "Foreground", "Background" or "Orphan".
  function ctx:delete(target, options)
    local propagation = options and options.propagation
    return (core.request("delete", target, nil, {
      query = propagation and "propagationPolicy=" .. tostring(propagation),
    }))
  end

  -- One server-side apply patch, as it is: object, HTTP status. `force` takes conflicting fields.
  function ctx:send_apply(obj, force)
    return core.request("apply", obj, obj, {
      content_type = "application/apply-patch+yaml",
      query = force and "force=true" or nil,
    })
  end

  -- Applies an object with everything that belongs to it: ownership first, conflicts, comparison.
  -- Returns the object and "created", "configured" or "unchanged".
  function ctx:apply(obj) return apply.object(self, obj) end

  -- Notes what an object was before a write (nil: not there) and what it is after it (nil: gone), for an undo.
  -- In a plan it is shown instead.
  function ctx:remember(after, before)
    if self.plan then
      self:_show_change(after, before)
    elseif not self.dry_run then
      core.remember(before, after)
    end
  end

  -- What changes from one state of an object to another (nil: not there), as a unified diff of YAML without what
  -- changes by itself; "" where nothing does. A Secret's values are masked.
  function ctx:diff(before, after) return core.diff(before, after) end

  -- In a plan: notes what the document would change.
  function ctx:_show_change(after, before)
    local diff, err = self:try(function() return self:diff(before, after) end)
    core.planned(self.document.index, diff or ("\\ There is no diff: %s\n"):format(err.message))
  end

  -- In a plan: notes for which fields the document was refused.
  function ctx:_show_refusal(index, err)
    core.refused(index, { message = err.message, details = err.details })
  end

  -- What an execution that has ended changed here: how many objects, how many were not kept, and of the n-th
  -- { before, after }, as they were given to remember.
  function ctx:remembered(execution_id, n) return core.remembered(execution_id, n) end

  -- fn's results, or nil and the error ({ code, status, reason, message }) where the API refused.
  function ctx:try(fn)
    local results = table.pack(pcall(fn))
    if results[1] then return table.unpack(results, 2, results.n) end
    local err = results[2]
    if type(err) == "table" and err.code then return nil, err end
    error(err, 0)
  end

  -- Starts fn as a task beside this one.
  local failure
  function ctx:spawn(fn)
    core.spawn(function()
      local ok, err = pcall(fn)
      if not ok and not failure then failure = { err } end
    end)
  end

  -- Waits until every task has ended, and raises the first error of one.
  function ctx:all()
    core.join()
    local first = failure
    failure = nil
    if first then error(first[1], 0) end
  end

  -- Runs fn at the end of the flow, however it ends; the last one first.
  function ctx:defer(fn) core.defer(fn) end

  -- Runs a command, its lines as this flow's. Returns its exit code and, with capture, what it printed.
  -- options: stdin, capture, quiet, timeout (seconds), dry_run_safe (it only reads: a dry-run may run it).
  function ctx:exec(command, args, options) return core.exec(command, args, options) end

  return ctx
end
