"""The caching recipe: one module per task of the plan."""
