"""Made-up data for tests, whole and the same for the same seed.

performance.py      measures of tasks and of the machine, minute by minute
series.py           samples of machines and queues whose course is known
"""
