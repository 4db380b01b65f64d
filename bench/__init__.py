"""Measurements of the crawler and of its peers; see README.md for how to repeat each figure."""
