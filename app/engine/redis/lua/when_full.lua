-- Stands before the steps that a server without memory must let pass: those that end runs, and those that keep
-- workers at work. It refuses a script whose first write may take memory, and lets all others go on to their end.
call('DEL', NOTHING)
