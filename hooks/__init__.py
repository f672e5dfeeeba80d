"""pre-commit hooks: each names its files and rules; the engine does the work."""
