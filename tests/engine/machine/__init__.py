"""The queue as a state machine: steps in any order on a real server, and what follows from each.

picture      all that Redis holds at one moment
model        what it should hold, by rules that know nothing of Lua
invariants   what must be true of every picture, whatever the model says
working      what clients and workers do
machine      what others do, and the whole
turns        which of that comes next
"""
