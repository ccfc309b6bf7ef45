"""What Steward knows about itself.

recorder.py     the engine's event stream becomes the history of runs
health.py       the health check: every part is asked for something real
machine.py      disk, memory and processors, for the health check
logging.py      log lines: one an event, for people or for machines
redaction.py    text without the secrets it may carry
printable.py    text that steers no terminal
"""
