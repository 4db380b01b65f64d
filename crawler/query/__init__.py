"""Read-only looks at a crawl: SQL under guard, named queries, status, and why a URL was or was not fetched.

Nothing here writes, and nothing here needs the crawl to be at rest. Import from the modules: `reader`, `named`, `output`,
`status`, `explain`; this package imports none of them, so that a command loads only what it uses.
"""
