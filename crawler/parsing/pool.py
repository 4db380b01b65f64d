"""Placeholder while the real pool is written: parses in this process."""
from crawler.parsing.harvest import Config, Harvester
from crawler.core.model import Parsed
class ParserPool:
    def __init__(self, *, processes: int) -> None: pass
    def configure(self, c: Config) -> None: self.h = Harvester.of(c)
    async def __aenter__(self): return self
    async def __aexit__(self, *a: object) -> None: pass
    async def parse(self, body: bytes, *, url: str, content_type: str | None, depth: int, ruleset: int) -> Parsed:
        return self.h.harvest(body, url, content_type, depth, ruleset)
