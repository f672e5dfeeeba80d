"""Bringing machines to what the repository says: manifest, plan, apply, health, rollback."""
