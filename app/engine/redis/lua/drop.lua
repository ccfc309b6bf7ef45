-- Forget dead letters for good: their ids are free again.
-- ARGV    ids
-- Returns how many were there
local dropped = 0
for _, id in ipairs(ARGV) do
  if unbury(id) then
    call('DEL', RESULT .. id, BOOK .. id)
    dropped = dropped + 1
  end
end
return dropped
