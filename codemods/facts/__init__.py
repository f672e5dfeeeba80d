"""What rules may know across files: read from one document each, looked up through the context."""
