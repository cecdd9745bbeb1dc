--- Waiting for a change of the script's page.

local core = require "reaper.core"

--- change.await(pages, seen, seconds) waits until core.page_changes(pages) is another number than `seen`, at most so
-- long. The porter, in which nothing may block, has a function of its own here.
return { await = core.await_change }
