"""Sessions: kept in PostgreSQL, their limits, and making people sign in anew."""
