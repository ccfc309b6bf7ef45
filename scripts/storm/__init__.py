"""The storm: everything that can go wrong at once, for as long as wanted, and then a verdict.

The story of one storm, in the order of the files that tell it:

    options      how many runs, how long, with which seed
    plan         the same in full: how often what happens
    jobs         what is run; each job writes down what it does, for the oracle
    mix          how much there is of each
    worker       a worker process, of this release or of the one before
    nursery      forks them, so that the next one is at work at once
    fleet        keeps the workers going, and kills one every now and then
    network      between all of them and Redis: some connections are slow, some are cut
    weather      kills Redis and starts it again, and makes connections toxic
    producer     a process that asks, to be killed at it
    producers    enqueue until every run has its receipt, however often they have to ask
    meddler      cancels some runs, has dead letters run again, and sets schedules back
    faults       how much of all that there was, and whether it was enough
    pulse        feels how much of the machine others take, where it is shared
    storm        has them all at work, waits until every run is over, and asks the oracle
    table        what came of it

The oracle and its witness are those of the tests (tests/life/oracle.py).
"""
