"""A crawl's results for other programs: pages and links in formats that they read, in memory that does not grow.

`exporting.export` is the door; `formats.FORMATS` is the list of what it can write.
"""
