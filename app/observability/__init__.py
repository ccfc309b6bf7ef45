"""What Steward knows about itself.

recorder.py     the engine's event stream becomes the history of runs
health.py       the health check: every part is asked for something real
                its parts: stores, work, machine, and providers, which are those outside
watch.py        what a worker serves over HTTP, with watch_server; readiness: whether it can work
tally.py        runs counted as they happen; exposition.py: for Prometheus
sampler.py      how busy machine and process are, every minute (machine_sample, process)
rules.py        when somebody has to be told; alerting.py looks, alert_channels.py tells
failures.py     failed attempts, kept without what they were called with
summary.py      what runs took, exactly
advice.py       what samples say, and what to do; trend.py: where they lead
logging.py      log lines: one an event, for people or for machines
redaction.py    text without the secrets it may carry
printable.py    text that steers no terminal
"""
