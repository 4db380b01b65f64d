"""The parser processes: pages go to them in batches, judged links come back."""
