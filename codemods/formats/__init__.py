"""Reading with exact positions, and edits into the original text; knows nothing of registries."""
