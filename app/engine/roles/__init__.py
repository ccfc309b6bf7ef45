"""Who works in a worker: each role plays its part in a run's life, and leaves the rest alone."""
