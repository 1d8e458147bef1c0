"""What stands behind bin/: installation, embedded PostgreSQL and Valkey, and the supervisor.

Imports no app and no Django, so that it starts at once.
"""
