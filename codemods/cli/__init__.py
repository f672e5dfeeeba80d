"""One module per command: options in, report and exit code out."""
