"""Runs rules over documents, proves their edits, and writes the result; knows no rule."""
