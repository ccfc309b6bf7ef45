"""The queue as a state machine: steps in any order on a real server, and what follows from each.

picture      all that Redis holds at one moment
model        what it should hold, by rules that know nothing of Lua
invariants   what must be true of every picture, whatever the model says
working      what clients and workers do
relaying     rows that are written down elsewhere, and the relays that bring them
doing        effects on the world outside, of which each happens once
offering     workers that wait, and runs that are handed to them
limiting     runs that start as far as limits allow
ledger       what the model knows of effects and of relays
machine      what others do, and the whole
turns        which of that comes next
"""
