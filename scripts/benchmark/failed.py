"""The one thing that can go wrong with a measurement, told to whoever asked for it."""


class Failed(Exception):
    """A workload could not be measured; the text says why."""
