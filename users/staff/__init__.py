"""Staff roles granted and revoked, and the list of colleagues."""
