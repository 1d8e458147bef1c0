"""What is known of a person by others: names, tags, notes; and closing an account."""
