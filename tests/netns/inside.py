"""Run one scenario in the namespaces that this process was started in, and print what came of it as JSON.

    unshare --net --mount --pid --fork --kill-child --mount-proc python inside.py SCENARIO FOLDER ARGUMENTS

Whatever this process leaves behind ends with it: it is the first of its namespace of processes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from lab import PORT, Crawl, Names, Site, address, link

CANARY = "127.0.0.66"
PUBLIC = "10.9.0.1"


async def outage(folder: Path, *, hosts: int, pages: int, down: float, seen: bool, keep_alive: bool, options: list[str]) -> dict:
    """Take the network away in mid-crawl for so many seconds; *seen* is to ask meanwhile, once the crawl has found out."""
    places = [f"127.0.1.{number}" for number in range(1, hosts + 1)]
    site = Site(pages, keep_alive=keep_alive)
    await site.listen(*places)
    status, words = {}, ""
    async with Crawl(folder / "crawl", *(f"http://{place}:{PORT}/" for place in places), *options) as crawl:
        await site.until(len(places) * pages // 3)
        link("down")
        back = time.monotonic() + down
        if seen:
            await crawl.until("network_down")
            status, words = await crawl.status(), await crawl.status_in_words()
        await asyncio.sleep(max(0.0, back - time.monotonic()))
        link("up")
        found = await crawl.ended()
    return found | {"status": status, "words": words, "asked": site.asked}


async def names(folder: Path, *, zone: dict, late: dict, seeds: list[str], pages: int, options: list[str]) -> dict:
    """Crawl hosts by their names; the site listens at 127.0.1.1 and ::1."""
    site = Site(pages)
    await site.listen("127.0.1.1", "::1")
    server = await Names.serve(folder, zone, late)
    async with Crawl(folder / "crawl", *seeds, *options) as crawl:
        found = await crawl.ended()
    return found | {"asked": site.asked, "looked_up": server.asked, "connections": site.connections}


async def rebinding(folder: Path, *, options: list[str]) -> dict:
    """Crawl a page of a public address that links to a name whose address changes with every look-up."""
    address(f"{PUBLIC}/24")
    ports = range(PORT, PORT + 6)       # the client remembers the address of each name and port for a while
    links = [f"http://rebind.test:{port}/" for port in ports]
    site, canary = Site(0, links=(*links, f"http://both.test:{PORT}/")), Site(0)
    for port in ports:
        await site.listen(PUBLIC, port=port)
        await canary.listen(CANARY, port=port)
    turns = itertools.cycle([[PUBLIC], [CANARY]])
    zone = {"start.test": [PUBLIC], "rebind.test": lambda: next(turns), "both.test": [CANARY, PUBLIC]}
    server = await Names.serve(folder, zone)
    async with Crawl(folder / "crawl", f"http://start.test:{PORT}/", "--allow-net", f"{PUBLIC}/32", *options) as crawl:
        found = await crawl.ended()
    return found | {"canary": canary.connections, "looked_up": server.asked, "asked": site.asked}


async def black_hole(folder: Path, *, pages: int, options: list[str]) -> dict:
    """Crawl a good host, one whose port swallows connections, and one to which no route leads."""
    site = Site(pages)
    await site.listen("127.0.1.1")
    full = socket.socket()      # nobody accepts and the queue has one place, which is taken: the kernel drops all else
    full.bind(("127.0.1.2", PORT))
    full.listen(0)
    taken = socket.create_connection(("127.0.1.2", PORT))
    seeds = [f"http://127.0.1.{number}:{PORT}/" for number in (1, 2)] + [f"http://192.0.2.1:{PORT}/"]
    async with Crawl(folder / "crawl", *seeds, *options) as crawl:
        found = await crawl.ended()
    taken.close()
    full.close()
    return found | {"asked": site.asked}


SCENARIOS = {scenario.__name__: scenario for scenario in (outage, names, rebinding, black_hole)}


async def main(scenario: str, folder: Path, arguments: str) -> None:
    """Run a scenario and print what came of it."""
    link("up")
    found = await SCENARIOS[scenario](folder, **json.loads(arguments))
    print(json.dumps(found))        # noqa: T201 - it is what this is for


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
