---@meta
-- The whole of what scripts have, for the Lua language server. Point it here in .luarc.json:
--   { "runtime.version": "Lua 5.4", "workspace.library": ["/usr/share/moonsail/scripts"] }

-- ---- what a file returns

---@class moonsail.Resource
---@field name string what requests and permissions call it: small letters, digits and -
---@field kind string as manifests have it: "Deployment"
---@field help string one sentence for people
---@field aliases? string[] other names: singular, plural, short
---@field versions? string[] the first that the cluster serves is used; default { "v1" }
---@field convert? table<string, fun(obj: moonsail.Object): moonsail.Object?, string?> by version: the object in it, or nil and what it cannot hold
---@field defaults? fun(obj: moonsail.Object): moonsail.Object? fills in; may return another object
---@field validate? fun(obj: moonsail.Object): string? a sentence that refuses the object, or nothing
---@field apply? fun(ctx: moonsail.Ctx, obj: moonsail.Object): moonsail.Object, moonsail.Outcome, string? instead of ctx:apply(obj)
---@field ready? fun(obj: moonsail.Object, ctx: moonsail.Ctx): boolean?, string?, integer? ready or not yet and why, how far; nil and why: never
---@field stage? integer when in a bundle: lower goes first; by kind where it is not said
---@field columns? table
---@field actions? string[]
---@field flows? string[]
---@field api? integer the interface that the file is written for: 1

---@class moonsail.Flow
---@field name string
---@field label string what the button says
---@field help string one sentence for people
---@field action string the permission that it needs on its target: "update"
---@field resources string[] names of the resources that it is offered on
---@field input? table<string, moonsail.Parameter>
---@field run fun(ctx: moonsail.Ctx, input: table): { summary: string }? the summary is its last line
---@field api? integer

---@class moonsail.Parameter
---@field type "string"|"integer"|"number"|"boolean"|"list"|"object"
---@field default? any
---@field required? boolean
---@field enum? any[] the values that it may have
---@field help? string

---@class moonsail.Guardrail
---@field name string
---@field level "deny"|"warn"|"observe" deny refuses, warn says it, observe only writes it down
---@field help string one sentence for people
---@field resources? string[] by name or alias; all where it is not said
---@field needs? string[] { "dry-run" }: req.result is what the API server would make of it
---@field check fun(req: moonsail.Req, obj: moonsail.Object): moonsail.Verdict|moonsail.Verdict[]|nil
---@field api? integer

-- ---- values

---An object of the cluster: plain tables; what comes in goes out the same.
---@class moonsail.Object
---@field apiVersion string
---@field kind string
---@field metadata table
---@field spec? any
---@field status? any
---@field data? any
---@field [string] any

---@class moonsail.Ref
---@field apiVersion string
---@field kind string
---@field namespace? string
---@field name? string
---@field text? string "deployment.apps/web"

---@alias moonsail.Target moonsail.Object|moonsail.Ref
---@alias moonsail.Outcome "created"|"configured"|"unchanged"|"deleted"

---What the API server refused, raised by whatever asks it; ctx:try(fn) returns it.
---@class moonsail.Refusal
---@field code string "not_found", "conflict", "forbidden", "unavailable", …
---@field status integer of HTTP; 0 where there was no answer
---@field reason string "NotFound"
---@field message string
---@field details? table

---@class moonsail.Verdict
---@field verdict "deny"|"warn"|"approve"
---@field field? string
---@field message string

---What a guardrail judges beside the object.
---@class moonsail.Req
---@field user string
---@field role string
---@field context string
---@field namespace string
---@field action string "create", "update", "delete", "scale" or that of a flow
---@field dry_run boolean
---@field time { unix: integer, iso: string, weekday: string, hour: integer, minute: integer, zone: string }
---@field live? moonsail.Object as the cluster has it
---@field bundle moonsail.BundleRow[] all documents of the manifest
---@field result? moonsail.Object with needs = { "dry-run" }

---@class moonsail.BundleRow
---@field apiVersion string
---@field kind string
---@field namespace string
---@field name string
---@field index integer

---@class moonsail.Request
---@field namespace string
---@field context string
---@field resource string
---@field action string
---@field intent string
---@field name string
---@field userAction string
---@field force boolean
---@field allowClusterWide boolean
---@field recreate boolean
---@field wait boolean
---@field timeout integer seconds
---@field replicas? integer
---@field propagation string
---@field leave { index: integer, field: string }[] fields that their owners keep
---@field takeOver? string[] managers whose fields become Moonsail's

-- ---- ctx

---@class moonsail.Ctx
---@field request moonsail.Request what was asked
---@field user { name: string, role: string } by whom
---@field dry_run boolean nothing may change
---@field target moonsail.Ref in a flow: its object
local ctx = {}

---Says what happens now.
---@param name string
---@param options? { detail?: string, progress?: integer, total?: integer }
function ctx:phase(name, options) end

---A line on stdout.
---@param format string
---@param ... any
function ctx:line(format, ...) end

---A line on stderr.
---@param format string
---@param ... any
function ctx:warn(format, ...) end

---Ends this document or flow with a sentence.
---@param format string
---@param ... any
function ctx:fail(format, ...) end

---A line in the host's own log.
---@param format string
---@param ... any
function ctx:log(format, ...) end

---Counts one more object.
---@param outcome moonsail.Outcome
function ctx:changed(outcome) end

---Puts conflicts into the document's row.
---@param list { field: string, manager: string, live: string, since: string }[]
function ctx:conflicts(list) end

---The object, or nil where it is not there.
---@param target moonsail.Target
---@param options? { subresource?: string }
---@return moonsail.Object?
function ctx:get(target, options) end

---All objects of the target's kind and namespace.
---@param target moonsail.Target
---@param options? { query?: string }
---@return moonsail.Object[]
function ctx:list(target, options) end

---POST.
---@param obj moonsail.Object
---@return moonsail.Object
function ctx:create(obj) end

---Asks the server whether it would create such an object, and creates none.
---@param obj moonsail.Object
---@return moonsail.Object
function ctx:create_trial(obj) end

---Asks a Pod to go, as its disruption budgets allow; where they do not, it raises with status 429.
---@param pod moonsail.Target
function ctx:evict(pod) end

---PUT.
---@param obj moonsail.Object
---@return moonsail.Object
function ctx:update(obj) end

---PATCH: "merge" is the default.
---@param target moonsail.Target
---@param patch table
---@param options? { type?: "merge"|"json"|"strategic", subresource?: string }
---@return moonsail.Object
function ctx:patch(target, patch, options) end

---DELETE.
---@param target moonsail.Target
---@param options? { propagation?: "Foreground"|"Background"|"Orphan" }
---@return moonsail.Object
function ctx:delete(target, options) end

---The whole of a server-side apply: ownership, conflicts, comparison.
---@param obj moonsail.Object
---@return moonsail.Object, moonsail.Outcome
function ctx:apply(obj) end

---One server-side apply patch, as it is: the object and the HTTP status.
---@param obj moonsail.Object
---@param force? boolean takes conflicting fields
---@return moonsail.Object, integer
function ctx:send_apply(obj, force) end

---Notes what an object was before a write (nil: not there) and is after it (nil: gone), for an undo. Whoever
---writes through ctx:apply need not.
---@param after moonsail.Object?
---@param before moonsail.Object?
function ctx:remember(after, before) end

---What an execution that has ended changed: how many objects, how many were not kept, and of the n-th what was
---remembered. Raises where it is not kept, is another user's, or has not ended.
---@param execution_id string
---@param n integer from 1; 0 only counts
---@return integer count, integer omitted, { before: moonsail.Object?, after: moonsail.Object? }? image
function ctx:remembered(execution_id, n) end

---What an execution that has ended changed: how many objects, how many were not kept, and of the n-th what was
---remembered. Raises where it is not kept, has not ended, or is somebody else's.
---@param execution_id string
---@param n integer from 1; another number asks only for the counts
---@return integer, integer, { before: moonsail.Object?, after: moonsail.Object? }?
function ctx:remembered(execution_id, n) end

---What changes from one state of an object to another (nil: not there), as a unified diff of YAML without what
---changes by itself; "" where nothing does. A Secret's values are masked.
---@param before moonsail.Object?
---@param after moonsail.Object?
---@return string
function ctx:diff(before, after) end

---fn's results, or nil and what the API server refused. Every other error goes on.
---@param fn fun(): ...
---@return any, moonsail.Refusal?
function ctx:try(fn) end

---May the user do this to such an object?
---@param action string "create", "update", "delete", "scale", "get", "list"
---@param target moonsail.Target
---@return boolean
function ctx:may(action, target) end

---Waits; others run meanwhile.
---@param seconds number 0 to 3600
function ctx:sleep(seconds) end

---Waits until the target is ready, telling how far it is and what hinders it; returns nothing, or fails with why not.
---@param target moonsail.Target
---@param options? { timeout?: number } seconds; 300
---@param ready? fun(obj: moonsail.Object, ctx: moonsail.Ctx): boolean?, string? asked before what is known of the kind
function ctx:wait(target, options, ready) end

---Waits until the target is gone.
---@param target moonsail.Target
---@param options? { timeout?: number, uid?: string }
function ctx:wait_gone(target, options) end

---Waits until the object is a later one than that of a resourceVersion, so many seconds at most.
---@param target moonsail.Target
---@param version string
---@param seconds number
---@return moonsail.Object? changed, string? why "deleted" or "timeout"
function ctx:next_change(target, version, seconds) end

---Seconds that only grow, for measuring.
---@return number
function ctx:clock() end

---Brings a Pod's log as lines, to its end: how many they were, the time of the newest one (`after` goes on there)
---and, where it broke off, why.
---@param pod moonsail.Target
---@param options? { container?: string, follow?: boolean, tail?: integer, since?: integer, previous?: boolean, timestamps?: boolean, prefix?: string, after?: string }
---@return integer lines, string? newest, string? why
function ctx:logs(pod, options) end

---Runs a command, its lines as this flow's. Returns its exit code and, with capture, what it printed.
---@param command string
---@param args? string[]
---@param options? { stdin?: string, capture?: boolean, quiet?: boolean, timeout?: number, dry_run_safe?: boolean } dry_run_safe: it only reads
---@return integer code, string? output
function ctx:exec(command, args, options) end

---Starts fn as a task beside this one.
---@param fn fun()
function ctx:spawn(fn) end

---Waits until every task has ended, and raises the first error of one.
function ctx:all() end

---Runs fn at the end of the flow, however it ends; the last one first.
---@param fn fun()
function ctx:defer(fn) end

---The time, RFC 3339 in UTC.
---@return string
function ctx:now() end

---Has somebody asked to cancel?
---@return boolean
function ctx:cancelled() end

---A copy that shares nothing with the value.
---@generic T
---@param value T
---@return T
function ctx:copy(value) end

---The reference of an object.
---@param obj moonsail.Target
---@return moonsail.Ref
function ctx:ref(obj) end

-- ---- globals

---Declares a kind of object: return resource { … }.
---@param declaration moonsail.Resource
---@return moonsail.Resource
function resource(declaration) end

---Declares an execution of several steps: return flow { … }.
---@param declaration moonsail.Flow
---@return moonsail.Flow
function flow(declaration) end

---Declares what is not acceptable: return guardrail { … }.
---@param declaration moonsail.Guardrail
---@return moonsail.Guardrail
function guardrail(declaration) end

---What this regular expression finds is taken out of everything that is shown.
---@param pattern string
function redact_pattern(pattern) end

---Refuses: deny(field, its values …, message, its values …), or deny(message, …).
---@param format string
---@param ... any
---@return moonsail.Verdict
function deny(format, ...) end

---Warns; arguments as deny's.
---@param format string
---@param ... any
---@return moonsail.Verdict
function warn(format, ...) end

---Wants somebody's approval; arguments as deny's.
---@param format string
---@param ... any
---@return moonsail.Verdict
function approve(format, ...) end

---Marks a table as a list, so that an empty one stays []; without one: a new list.
---@generic T
---@param items? T[]
---@return T[]
function list(items) end

---@param value any
---@return boolean
function is_list(value) end

---JSON's null: a field that is there and has no value. Lua takes it for true.
---@type lightuserdata
null = nil

---JSON inside strings: an annotation, a ConfigMap's value. Not for objects: [] becomes {}.
cjson = {}

---@param value any
---@return string
function cjson.encode(value) end

---@param text string
---@return any
function cjson.decode(text) end

---JSON's null, the same as the global.
---@type lightuserdata
cjson.null = nil

-- ---- require "moonsail.testing", in *_spec.lua

---@class moonsail.testing
---@field list fun(items?: table): table
---@field is_list fun(value: any): boolean
---@field null lightuserdata
local testing = {}

---@class moonsail.TestOptions
---@field objects? moonsail.Object[] what is in the cluster, taken as it is
---@field request? table fields of ctx.request
---@field user? { name: string, role: string }
---@field dry_run? boolean
---@field cancelled? boolean
---@field may? table<string, boolean> { delete = false }: what the user may not
---@field unserved? string[] versions that the cluster does not serve: { "policy/v1" }
---@field cluster_scoped? string[] custom kinds without a namespace
---@field commands? table<string, integer|fun(args: string[], options: table): integer, string?> what ctx:exec finds: exit code, output
---@field logs? table<string, string|fun(options: table): string> by Pod: its log
---@field on_sleep? fun(t: moonsail.Test, slept: number) what happens meanwhile

---A ctx over a cluster in memory.
---@param options? moonsail.TestOptions
---@return moonsail.Test
function testing.new(options) end

---What the file of that name declares.
---@param name string
---@return moonsail.Resource
function testing.resource(name) end

---@param name string
---@return moonsail.Flow
function testing.flow(name) end

---@param name string
---@return moonsail.Guardrail
function testing.guardrail(name) end

---A module: what require "lib.NAME" gives scripts.
---@param name string
---@return any
function testing.lib(name) end

---A recorded object: a table, or a JSON file beside the spec (kubectl get -o json).
---@param what string|table
---@return moonsail.Object
function testing.object(what) end

---The text of what fn fails with; nil where it does not fail.
---@param fn fun()
---@return string?
function testing.failure(fn) end

---@class moonsail.Test
---@field ctx moonsail.Ctx
---@field lines string[] on stdout
---@field warnings string[] on stderr
---@field phases { name: string, detail: string, progress: integer, total: integer }[]
---@field log string[]
---@field conflicts { field: string, manager: string, live: string, since: string }[]
---@field counts { created: integer, configured: integer, unchanged: integer, deleted: integer }
---@field calls { verb: string, ref: string, namespace: string, body: any, subresource: string?, query: string? }[]
---@field remembered { before: moonsail.Object?, after: moonsail.Object? }[] for an undo
---@field executed { command: string, args: string[], options: table }[]
---@field slept number seconds; time passes in no other way
local Test = {}

---Applies an object as the host applies a document; raises what a person would read of a refusal.
---@param resource moonsail.Resource?
---@param obj moonsail.Object
---@param base? moonsail.Object what an edit began with
---@return moonsail.Outcome
function Test:apply(resource, obj, base) end

---Runs a flow on its target, and what it has deferred. Returns its summary, where it has one.
---@param flow moonsail.Flow
---@param input? table
---@param target moonsail.Target
---@return string?
function Test:flow(flow, input, target) end

---What a guardrail says to an object.
---@param guardrail moonsail.Guardrail
---@param obj moonsail.Object
---@param req? table fields of req
---@return { verdict: string, level: string, field: string, message: string }[]
function Test:check(guardrail, obj, req) end

---Puts an object into the cluster as it is, unchecked.
---@param obj moonsail.Object
---@return moonsail.Object
function Test:put(obj) end

---Takes an object away at once.
---@param target moonsail.Target
function Test:remove(target) end

---The object as the cluster has it now.
---@param target moonsail.Target
---@return moonsail.Object?
function Test:get(target) end

---The next calls of a verb (get list create update patch apply delete evict) on the target fail; nil: on any.
---@param verb string
---@param target moonsail.Target?
---@param with { status?: integer, reason?: string, message?: string, details?: table, code?: string }
---@param times? integer 1
function Test:fail(verb, target, with, times) end
