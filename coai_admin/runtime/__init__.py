"""What stands behind bin/: installation, the embedded PostgreSQL and Valkey, and the supervisor. Imports no app and no Django."""
