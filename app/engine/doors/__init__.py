"""Where others come in: to enqueue, to look a run up, to replay a dead letter, to hear events."""
