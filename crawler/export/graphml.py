"""The link graph as GraphML (graphml.graphdrawing.org): every URL that has or gets a link is a node.

The nodes come first, as some readers want. Which URLs they are is found in a first pass over the links and kept as one bit for
each URL of the crawl: ten million take 1.3 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from crawler.export.lines import Watch
from crawler.export.selecting import checked
from crawler.export.texts import Tally
from crawler.export.xmltext import escaped
from crawler.query.reader import Reader, Row, Value

LINKS_A_STEP = 20_000
NODES_A_STEP = 2_000

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
"""
_NODE_KEYS = (("url", "string"), ("host", "string"), ("state", "string"), ("depth", "int"), ("status", "int"), ("title", "string"))
_EDGE_KEYS = (("kind", "string"), ("nofollow", "boolean"))
_NODES = """SELECT u.url_id, o.origin || u.path, h.name, s.name, u.depth, f.status, f.title
FROM url u CROSS JOIN origin o ON o.origin_id = u.origin_id CROSS JOIN host h ON h.host_id = u.host_id
  CROSS JOIN state s ON s.state = u.state LEFT JOIN fetch f ON f.fetch_id = coalesce(u.page_id, u.fetch_id)
WHERE u.url_id > ? AND u.url_id <= ? ORDER BY u.url_id"""


class Bits:
    """A set of small numbers."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> None:
        """Put a number in."""
        at = number >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 4096 - len(self._bits)))
        self._bits[at] |= 1 << (number & 7)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int) or not 0 <= number < self.end:
            return False
        return bool(self._bits[number >> 3] >> (number & 7) & 1)

    @property
    def end(self) -> int:
        """A number above all that are in it."""
        return len(self._bits) << 3


def write_graphml(file: BinaryIO, reader: Reader, where: str | None, tally: Tally, watch: Watch) -> None:
    """Write the links that meet a condition, and their URLs. `tally.rows` counts the links."""
    condition = checked(reader, "links", where)
    nodes = Bits()
    for rows, share in _links(reader, "src_id, dst_id", condition):
        for src, dst in rows:
            nodes.add(_id(src))
            nodes.add(_id(dst))
        watch(0, share / 3)
    file.write(_HEAD.encode())
    file.writelines(_keys())
    file.write(b'<graph edgedefault="directed">\n')
    for after in range(0, nodes.end, NODES_A_STEP):
        file.writelines(_node(row) for row in reader.all(_NODES, (after, after + NODES_A_STEP)) if row[0] in nodes)
        watch(0, (1 + after / nodes.end) / 3)
    for rows, share in _links(reader, "src_id, dst_id, kind, nofollow", condition):
        kept = [row for row in rows if row[0] in nodes and row[1] in nodes]     # a page that was fetched meanwhile may have new ones
        file.writelines(map(_edge, kept))
        tally.rows += len(kept)
        watch(tally.rows, (2 + share) / 3)
    file.write(b"</graph>\n</graphml>\n")


def _keys() -> Iterator[bytes]:
    for target, keys in (("node", _NODE_KEYS), ("edge", _EDGE_KEYS)):
        for name, kind in keys:
            yield f'<key id="{name}" for="{target}" attr.name="{name}" attr.type="{kind}"/>\n'.encode()


def _node(row: Row) -> bytes:
    return f'<node id="n{_id(row[0])}">{_data(_NODE_KEYS, row[1:])}</node>\n'.encode()


def _edge(row: Row) -> bytes:
    return f'<edge source="n{_id(row[0])}" target="n{_id(row[1])}">{_data(_EDGE_KEYS, row[2:])}</edge>\n'.encode()


def _links(reader: Reader, columns: str, condition: str) -> Iterator[tuple[Sequence[Row], float]]:
    """Yield links in steps of whole pages, and how much of the whole is done with each."""
    span = reader.one("SELECT max(src_id) FROM link") or (None,)
    until, after = _id(span[0]), 0
    sql = f"SELECT {columns} FROM links WHERE src_id > ? AND src_id <= ? AND {condition} ORDER BY src_id, dst_id, kind"
    while after < until:
        found = reader.one(
            "SELECT max(src_id) FROM (SELECT src_id FROM link WHERE src_id > ? ORDER BY src_id LIMIT ?)", (after, LINKS_A_STEP)
        )
        last = max(_id(found[0]) if found else 0, after + 1)
        yield reader.all(sql, (after, last)), min(last / until, 1)
        after = last


def _data(keys: Sequence[tuple[str, str]], values: Sequence[Value]) -> str:
    parts = []
    for (name, kind), value in zip(keys, values, strict=True):
        if value is not None:
            text = ("true" if value else "false") if kind == "boolean" else escaped(str(value))
            parts.append(f'<data key="{name}">{text}</data>')
    return "".join(parts)


def _id(value: Value) -> int:
    return value if isinstance(value, int) else 0
