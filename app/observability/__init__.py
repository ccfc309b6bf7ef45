"""What Steward knows about itself.

recorder.py     the engine's event stream becomes the history of runs
"""
