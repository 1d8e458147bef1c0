"""Runs as people see them: in a line, on their page, in the form that confirms them, as a file."""
