"""Runs inside a network namespace of its own: a site of several hosts, a crawl of it, and the network that goes away.

    python scene.py FOLDER HOSTS SECONDS_UP SECONDS_DOWN [option of the crawl ...]

Prints one JSON object: how the crawl ended, what it said of the network, and what `status` said meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

PORT = 8080
PAGES = 60


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            status, body = (b"404 Not Found", b"") if path == b"/robots.txt" else (b"200 OK", b"<p>page</p>")
            if path == b"/":
                body = b"".join(b"<a href='/%d'>x</a>" % number for number in range(PAGES))
            writer.write(b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


def network(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


async def main(folder: Path, hosts: int, up: float, down: float, options: list[str]) -> None:
    network("up")
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=1024)
    seeds = [f"http://127.0.1.{number}:{PORT}/" for number in range(1, hosts + 1)]
    command = [sys.executable, "-m", "crawler"]
    words = ["crawl", *seeds, "-o", str(folder), "--delay", "0.1", "--min-free", "0", "--no-config", "--json", "-q", *options]
    crawl = await asyncio.create_subprocess_exec(*command, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ending = asyncio.create_task(crawl.communicate())
    await asyncio.sleep(up)
    network("down")
    await asyncio.sleep(down * 0.8)
    status = await asyncio.create_subprocess_exec(*command, "status", "-o", str(folder), stdout=subprocess.PIPE)
    said = (await status.communicate())[0].decode()
    await asyncio.sleep(down * 0.2)
    network("up")
    out, err = await ending
    server.close()
    events = re.findall(r'"type":"(network_down|network_up|error)"', out.decode())
    print(json.dumps({"code": crawl.returncode, "events": events, "status": said, "err": err.decode()[-2000:]}))  # noqa: T201 - the answer


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]))
