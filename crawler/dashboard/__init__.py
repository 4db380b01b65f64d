"""A crawl in the browser: watched while it runs, steered, and asked afterwards.

A process of its own. It asks the running crawl over the socket in the output folder and reads the database without ever
writing it, so that nothing a browser does takes place in the process that crawls.
"""
