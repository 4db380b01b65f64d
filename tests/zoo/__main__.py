"""`python -m tests.zoo`: list the animals, and serve them until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

from .animal import ANIMALS, CANARY, DENIED
from .server import Zoo


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m tests.zoo", description="Serve hosts that behave badly, each on an address of its own.")
    words.add_argument("--list", action="store_true", help="only list the animals")
    words.add_argument("--port", type=int, default=0, help="the port that all of them listen on (default: any that is free)")
    words.add_argument("numbers", nargs="*", type=int, help="animals to serve (default: all)")
    given = words.parse_args()
    chosen = [animal for number, animal in sorted(ANIMALS.items()) if not given.numbers or number in given.numbers]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(chosen, given.port, only_list=given.list))


async def serve(chosen, port: int, *, only_list: bool) -> None:
    zoo = Zoo(chosen)
    if not only_list:
        await zoo.open(port)
    for one in chosen:
        cage = zoo.cages.get(one.number)
        urls = [f"http://{one.host}:PORT/"] if cage is None else cage.seeds
        expected = ", ".join(f"{path.replace('{second}', 'PORT').replace('{port}', 'PORT')} {word}" for path, word in list(one.expect.items())[:4]) or one.others
        notes = "".join(f"\n      {what}: {note}" for what, note in (("later", one.later), ("network of its own", one.netns)) if note)
        sys.stdout.write(f"Z{one.number:02}  {urls[0]:38} {one.name}: {one.does}\n      expected: {expected}{notes}\n")
    if not only_list:
        sys.stdout.write(f"Canary on {CANARY}:{zoo.port}; crawl with --deny-net {DENIED}. Ctrl-C ends.\n")
        sys.stdout.flush()
        try:
            await asyncio.Event().wait()
        finally:
            await zoo.close()


if __name__ == "__main__":
    main()
