"""The CI server: starting pipelines and reading what they did."""
