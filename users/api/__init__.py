"""The REST API of people, acts and the audit log, under /api/v1/: a second skin over the same
listings and operations that the pages use."""
