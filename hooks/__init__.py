"""pre-commit hooks: each names its files and rules; `codemods.cli.hook` does the work."""
