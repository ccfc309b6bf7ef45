"""The benchmark: Steward beside stock arq, beside what no queue could beat, on this machine.

The story of one run, in the order of the files that tell it:

    options      what to measure, how much of it, who takes part
    server       a private Valkey, without persistence, stopped at the end
    contestant   an adapter (scripts/bench_*.py) in one of its variants; `agent` speaks for it
    tournament   the contestants take turns at every workload, round after round
    workloads    one file each: what is done, and which rows of the table it fills
    stage        where a workload happens: an emptied server, workers, and the file in which every
                 run leaves a mark (`marks`), so that none is lost or doubled unseen
    measured     what comes out: figures, costs, notes, and what was wrong
    report       all that was measured, as it is written to JSON and read back
    table        the report as Markdown
    picture      the report as SVG, of `bars` and `curves`
    publication  both put where README shows them
"""
