"""Whether tests notice that a job does nothing: `scripts/mutate`.

A job is emptied in two ways. `nothing` returns None; `pretending` returns what looks like a good
result, as placeholders do. The tests of the job are then run until one fails. A job that none of
them misses, or that has no test, is a failure, and is named.

    bodies.py       what stands in a job's place
    candidates.py   which tests are a job's own, the likeliest first
    loop.py         one session of pytest's for all jobs, so that what tests share is opened once
"""
