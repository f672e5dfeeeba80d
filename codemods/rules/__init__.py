"""Lint rules, one module each, grouped by the format of the file they look at."""
