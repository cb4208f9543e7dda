-- A dry-run of what needs a Namespace or a CRD of the same bundle: checked as far as it can be before they are
-- there, and with the same verdict as the server's once they are.

local support = require "tests.spec.support"
local cluster = require "tests.both.support"

local made = 0

local function fresh(text)
  made = made + 1
  local name = ("d%d-%d"):format(support.pid, made)
  return (text:gsub("NAME", name)), name
end

local CRD = [[
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: ships.NAME.moonsail.dev }
spec:
  group: NAME.moonsail.dev
  scope: Cluster
  names: { kind: Ship, plural: ships, singular: ship, listKind: ShipList }
  versions:
  - { name: v0, served: false, storage: false, schema: { openAPIV3Schema: { type: object } } }
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [sails, home]
            properties:
              sails: { type: integer, minimum: 1, maximum: 9 }
              home: { type: string, minLength: 2, maxLength: 5 }
              rig: { type: string, enum: [sloop, ketch], default: sloop }
              keel: { type: object, required: [depth], properties: { depth: { type: number, default: 1.5 } } }
              speed: { type: number, minimum: 0, exclusiveMinimum: true }
              knots: { type: number, multipleOf: 0.5 }
              port: { x-kubernetes-int-or-string: true }
              crew:
                type: array
                minItems: 1
                maxItems: 3
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: { type: object, required: [name], properties: { name: { type: string }, age: { type: integer } } }
              flags: { type: array, x-kubernetes-list-type: set, items: { type: string } }
              marks: { type: object, maxProperties: 2, additionalProperties: { type: string } }
              cargo: { type: object, x-kubernetes-preserve-unknown-fields: true, properties: { tons: { type: integer } } }
              boat: { type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true }
              note: { type: string, nullable: true }
              by: { type: object, properties: { sea: { type: string }, air: { type: string } }, oneOf: [{ required: [sea] }, { required: [air] }] }
              any:
                type: object
                properties: { a: { type: integer }, b: { type: integer } }
                anyOf: [{ properties: { a: { minimum: 5 } }, required: [a] }, { required: [b] }]
              luck: { type: integer, not: { enum: [13] } }
]]

-- Each: what of a spec that has `sails: 3, home: here`, the version where it is not v1, and what both the dry-run
-- and the server name of what is wrong; nothing where it is good.
local cases = {
  { "all is well", "" },
  { "a required field is missing", "", without = "home", wrong = { "spec.home: Required value" } },
  { "a required field is null", "home: null", wrong = { "spec.home" } },
  { "a required field is missing deep inside", "crew: [{ name: a }, { age: 3 }]", wrong = { "spec.crew" } },
  { "a null for what may be left out", "by: null", wrong = { "spec.by" } },
  { "a null in a map", "marks: { a: null }", wrong = { "spec.marks.a" } },
  { "a null in a list", "flags: [null]", wrong = { "spec.flags" } },
  { "a number of which only the type is known", "cargo: { tons: 1e3 }" },
  { "nothing of what is required", "by: {}", wrong = { "spec.by" } },
  { "a text where a number belongs", "sails: many", wrong = { "spec.sails" } },
  { "a number where a text belongs", "home: 12", wrong = { "spec.home" } },
  { "a fraction where an integer belongs", "sails: 1.5", wrong = { "spec.sails" } },
  { "a whole number that is written as a fraction", "sails: 2.0" },
  { "an unknown field", "sail: 3", wrong = { "spec.sail" } },
  { "an unknown field in a list", "crew: [{ name: a, rank: b }]", wrong = { "rank" } },
  { "too much", "sails: 10", wrong = { "spec.sails in body should be less than or equal to 9" } },
  { "too little", "sails: 0", wrong = { "spec.sails in body should be greater than or equal to 1" } },
  { "what must be more", "speed: 0", wrong = { "spec.speed in body should be greater than 0" } },
  { "no multiple", "knots: 0.75", wrong = { "spec.knots in body should be a multiple of 0.5" } },
  { "too long", "home: faraway", wrong = { "spec.home: Too long: may not be " } },
  { "too short", "home: x", wrong = { "spec.home in body should be at least 2 chars long" } },
  { "a word that is none of those allowed", "rig: brig",
    wrong = { 'spec.rig: Unsupported value: "brig": supported values: "sloop", "ketch"' } },
  { "a default that fills a required field", "keel: {}" },
  { "a null for what may be null", "note: null" },
  { "a null for what may not be", "rig: null" },
  { "a number or a text", "port: 80, crew: [{ name: a, age: 3 }, { name: b }]" },
  { "neither a number nor a text", "port: [80]", wrong = { "spec.port" } },
  { "too many items", "flags: [a], crew: [{ name: a }, { name: b }, { name: c }, { name: d }]",
    wrong = { "spec.crew: Too many: 4: must have at most 3 items" } },
  { "too few items", "crew: []", wrong = { "spec.crew in body should have at least 1 items" } },
  { "two items of one key", "crew: [{ name: a }, { name: a }]", wrong = { "spec.crew" } },
  { "the same twice in a set", "flags: [a, a]", wrong = { "spec.flags" } },
  { "an item without its key", "crew: [{ age: 3 }]", wrong = { "spec.crew" } },
  { "any names of one type", "marks: { x: a, y: b }" },
  { "any names of another type", "marks: { x: 1 }", wrong = { "spec.marks.x" } },
  { "too many names", "marks: { x: a, y: b, z: c }", wrong = { "spec.marks: Too many: 3: must have at most 2 items" } },
  { "fields that nobody named", "cargo: { tons: 3, of: { gold: [1, a] } }" },
  { "a named one among them", "cargo: { tons: much }", wrong = { "spec.cargo.tons" } },
  { "an object inside", "boat: { apiVersion: v1, kind: Boat, metadata: { name: small }, oars: 2 }" },
  { "an object inside without its kind", "boat: { apiVersion: v1, oars: 2 }", wrong = { "spec.boat.kind: Required value" } },
  { "one of two", "by: { sea: a }" },
  { "both of two", "by: { sea: a, air: b }", wrong = { '"spec.by" must validate one and only one schema (oneOf)' } },
  { "any of two", "any: { b: 1, a: 2 }" },
  { "none of two", "any: { a: 2 }", wrong = { '"spec.any" must validate at least one schema (anyOf)' } },
  { "what may not be", "luck: 13", wrong = { '"spec.luck" must not validate the schema (not)' } },
  { "a map where a list belongs", "flags: { a: b }", wrong = { "spec.flags" } },
}

local function complete_of(result)
  local last
  for line in result.stdout:gmatch("[^\n]+") do last = support.json.decode(line) end
  assert(last and last.type == "complete", result.stdout .. result.stderr)
  return last
end

local function dry_run(text)
  return complete_of(cluster.cli({ "apply", "-f", "-", "--cluster-wide", "--dry-run", "--json" }, { stdin = text }))
end

local function ship(name, i, fields, without)
  local spec = { sails = "sails: 3", home = "home: here" }
  for key in pairs(spec) do
    if key == without or fields:match("%f[%w]" .. key .. ":") then spec[key] = nil end
  end
  local all = {}
  for _, text in pairs(spec) do all[#all + 1] = text end
  all[#all + 1] = fields ~= "" and fields or nil
  return ("apiVersion: %s.moonsail.dev/v1\nkind: Ship\nmetadata: { name: s%d }\nspec: { %s }\n"):format(name, i,
    table.concat(all, ", "))
end

-- The rows of a dry-run of the objects of all cases, beside `first` where it is given.
local function rows_of(name, first)
  local texts = { first }
  for i, case in ipairs(cases) do texts[#texts + 1] = ship(name, i, case[2], case.without) end
  local rows = {}
  for _, row in ipairs(dry_run(table.concat(texts, "---\n")).summary.documents) do
    rows[tonumber(row.ref:match("/s(%d+)$")) or 0] = row
  end
  return rows
end

describe("a dry-run of an object whose CRD is in the bundle", function()
  local crd, name = fresh(CRD)
  local ours, theirs

  setup(function()
    ours = rows_of(name, crd)
    if not cluster.real then return end
    assert.equal(0, cluster.cli({ "apply", "-f", "-", "--cluster-wide" }, { stdin = crd }).code)
    theirs = rows_of(name)
  end)

  for i, case in ipairs(cases) do
    it("says what the server will say: " .. case[1], function()
      local row = ours[i]
      assert.equal(case.wrong and "failed" or "deferred", row.outcome, row.message)
      for _, piece in ipairs(case.wrong or { "is in the same bundle and not there yet; checked against its schema" }) do
        assert.matches(piece, row.message, 1, true)
      end
      if not theirs then return end
      assert.equal(case.wrong and "failed" or "created", theirs[i].outcome, theirs[i].message)
      for _, piece in ipairs(case.wrong or {}) do assert.matches(piece, theirs[i].message, 1, true) end
    end)
  end

  it("refuses a version that the CRD does not serve", function()
    local text, of = fresh(CRD)
    local row = dry_run(text .. "---\n" .. ship(of, 1, ""):gsub("/v1", "/v0", 1)).summary.documents[2]
    assert.equal("failed", row.outcome)
    assert.matches('the CRD does not serve version "v0", only v1', row.message, 1, true)
  end)

  it("says which of the checks only the server can do", function()
    local text, of = fresh(CRD:gsub("minLength: 2", "pattern: '^h', x-kubernetes-validations: [{ rule: 'self != \"h\"' }]"))
    local row = dry_run(text .. "---\n" .. ship(of, 1, "")).summary.documents[2]
    assert.equal("deferred", row.outcome)
    assert.matches("checked against its schema, but for patterns, rules (CEL)", row.message, 1, true)
  end)

  it("takes the schema as it will be where the bundle changes the CRD", function()
    local text, of = fresh(CRD)
    assert.equal(0, cluster.cli({ "apply", "-f", "-", "--cluster-wide" }, { stdin = text }).code)
    text = text:gsub("rig: {", "mast: { type: integer }\n              rig: {", 1)
    local row = dry_run(text .. "---\n" .. ship(of, 1, "mast: tall")).summary.documents[2]
    assert.equal("failed", row.outcome)
    assert.matches("spec.mast in body must be of type integer", row.message, 1, true)
    row = dry_run(text .. "---\n" .. ship(of, 1, "mast: 2")).summary.documents[2]
    if cluster.real then
      assert.equal("deferred", row.outcome)
      assert.matches("is changed by the same bundle; checked against its schema; by the one that is there: ", row.message,
        1, true)
    else
      assert.equal("created", row.outcome) -- it checks nothing by a schema
    end
  end)
end)

describe("a dry-run of an object whose Namespace is in the bundle", function()
  local SPACE = "apiVersion: v1\nkind: Namespace\nmetadata: { name: NAME }\n---\n"

  local function row_of(text, options)
    text = fresh(SPACE .. text)
    local result = cluster.cli({ "apply", "-f", "-", "--cluster-wide", "--dry-run", "--json" },
      { stdin = text, env = options })
    return complete_of(result).summary.documents[2]
  end

  it("is checked by the server elsewhere, and says so", function()
    local row = row_of "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: log, namespace: NAME }\n"
    assert.equal("deferred", row.outcome)
    assert.matches("^namespace/d[%d%-]+ is in the same bundle and not there yet; checked by a dry%-run in namespace default$",
      row.message)
    assert.is_nil(cluster.get("configmap", "log", "default"))
  end)

  it("fails with what the server says of it", function()
    local row = row_of [[
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: NAME }
spec:
  selector: { matchLabels: { app: web } }
  template: { metadata: { labels: { app: other } }, spec: { containers: [{ name: web, image: web }] } }
]]
    assert.equal("failed", row.outcome)
    assert.matches("`selector` does not match template `labels` (by a dry-run in namespace default: namespace/", row.message,
      1, true)
  end)

  it("is not mistaken for one of that name that is there", function()
    local taken = ("taken-%d"):format(support.pid)
    cluster.create("configmap", "default", { metadata = { name = taken }, immutable = true, data = { a = "1" } })
    local row = row_of(("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: %s, namespace: NAME }\ndata: { a: '2' }\n")
      :format(taken))
    assert.equal("deferred", row.outcome, row.message)
    assert.equal("1", cluster.get("configmap", taken, "default").data.a)
  end)
end)
