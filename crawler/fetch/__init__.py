"""The only speaker of HTTP: one session, one connector with one address guard, every trouble named by one table."""
