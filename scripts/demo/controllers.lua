local M = {}
function M.touched() end
function M.run() end
return M
