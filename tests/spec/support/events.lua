--- What a list of events says, as tests ask it.

local json = require "tests.spec.support.json"

local events = {}

--- Those of one type.
function events.of(all, kind)
  local found = {}
  for _, event in ipairs(all) do
    if event.type == kind then found[#found + 1] = event end
  end
  return found
end

--- The texts of the lines, of one stream or of both.
function events.lines(all, stream)
  local texts = {}
  for _, event in ipairs(events.of(all, "line")) do
    if not stream or event.stream == stream then texts[#texts + 1] = event.text end
  end
  return texts
end

--- The status words in their order, joined: "planned running succeeded".
function events.states(all)
  local words = {}
  for _, event in ipairs(events.of(all, "state")) do words[#words + 1] = event.status end
  return table.concat(words, " ")
end

--- The complete event; raises where it is not the last one, with the final state just before it.
function events.complete(all)
  local last, before = all[#all], all[#all - 1]
  if not last or last.type ~= "complete" then
    error("the last event is no complete: " .. json.encode(last or {}), 2)
  end
  if not before or before.type ~= "state" or before.status ~= last.status then
    error("before complete comes no state of the same status: " .. json.encode(before or {}), 2)
  end
  return last
end

--- Raises unless the seqs of the lists, one after the other, go on from `first` (1) without hole
-- and without repeat; a gap event stands for what it names. Returns the last seq.
function events.gapless(all, first)
  local expected = first or 1
  for i, event in ipairs(all) do
    local from = event.type == "gap" and event.fromSeq or event.seq
    if from ~= expected then
      error(("event %d has seq %s where %d is expected: %s"):format(i, tostring(from), expected, json.encode(event)), 2)
    end
    expected = (event.type == "gap" and event.toSeq or event.seq) + 1
  end
  return expected - 1
end

return events
