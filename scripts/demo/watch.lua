-- demo/watch.lua: what C asks for each event of a watch that a script must shape.
local lists = require "demo.lists"
local logs = require "demo.logs"

return { event = lists.event, bookmark = lists.bookmark, more = logs.more }
