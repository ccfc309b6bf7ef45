"""Small pytest plugins of this project, loaded by name in pyproject.toml."""
