"""Codemods and lint rules for infrastructure repositories."""

__version__ = "0.1.0"
