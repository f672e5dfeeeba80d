"""The caching recipe backwards: what it added is taken out again, one module per rule of the recipe."""
