"""The second factor of staff: what it is, its forms, and its reset by a colleague."""
