"""What the engine does in Redis: each step one Lua file, every key name in one place, one line."""
