"""The `steward` command as its users have it: real processes on a real home."""
