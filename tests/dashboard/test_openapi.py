"""openapi.json says what there is, no more and no less, and what comes is as it says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import WSServerHandshakeError

from crawler.control.client import NotRunning, Reply, Unanswered, Unwilling
from crawler.core import tokens
from crawler.core.forecast import Eta, Growth, NoEta, Queue, Rates
from crawler.core.metrics import Flying, HostView, Recent, Snapshot, View
from crawler.core.settings import Settings
from crawler.dashboard import address, api, changes, desk, gate, single
from crawler.dashboard.app import make_app
from crawler.dashboard.desk import Busy, NotThere
from crawler.dashboard.gate import LONGEST_BODY, PLAIN, TOKEN_HEADER, Told
from crawler.dashboard.live import Live, Tile, seen
from crawler.dashboard.series import Series
from crawler.dashboard.serving import served
from crawler.engine.steering import CHANGEABLE
from crawler.folder import CrawlError, Holder, InUse, NewerFormat, StorageError
from crawler.query import facts
from crawler.query.errors import NOTHING_HERE, UNUSABLE, GivenUp, QueryError
from crawler.query.hosts import HostStatus, Waiting
from crawler.query.named import NAMED
from crawler.query.own import FOLDER
from crawler.query.reader import Reader
from crawler.query.search import NoIndex
from crawler.query.status import RunStatus, Status, read_status

SPEC: dict[str, Any] = json.loads(resources.files("crawler.dashboard").joinpath("openapi.json").read_text(encoding="utf-8"))
SCHEMAS = SPEC["components"]["schemas"]
CONFIG = Path(__file__).with_name("schemathesis.toml")

ANSWERED = {
    "Live": Live, "Tile": Tile, "HostView": HostView, "Flying": Flying, "Recent": Recent, "Series": Series, "Status": Status,
    "RunStatus": RunStatus, "Holder": Holder, "HostStatus": HostStatus, "Waiting": Waiting, "Rates": Rates, "Growth": Growth, "Eta": Eta,
    "NoEta": NoEta, "Queue": Queue, "Explanation": facts.Explanation, "Known": facts.Known, "Step": facts.Step, "Attempt": facts.Attempt,
    "Stored": facts.Stored, "Hop": facts.Hop, "Listed": facts.Listed, "HostFacts": facts.HostFacts, "RobotsFacts": facts.RobotsFacts,
    "Decision": facts.Decision, "ScopeVerdict": facts.Bounds, "Changed": changes.Changed, "Told": Told,
}  # fmt: skip
TAKEN = {kind.__name__: kind for kind in (*get_args(changes.Control), changes.Urls)}
MADE_HERE = {"Questions", "Question", "Parameter", "Answer", "Found", "Result", "Piece", "Control"}
"""What api.py puts together without a struct; `faults` looks at the answers."""


def faults(schema: dict[str, Any], value: object, at: str = "$") -> list[str]:
    """Return where a value is not what a schema says, and which fields it has that the schema does not name."""
    if "$ref" in schema:
        return faults(SCHEMAS[schema["$ref"].rpartition("/")[2]], value, at)
    if "anyOf" in schema:
        tried = [faults(each, value, at) for each in schema["anyOf"]]
        return [] if [] in tried else min(tried, key=len)
    found = [] if "const" not in schema or value == schema["const"] else [f"{at}: not {schema['const']!r}"]
    if "type" in schema and not (kinds(value) & set([schema["type"]] if isinstance(schema["type"], str) else schema["type"])):
        return [*found, f"{at}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, list):
        found += [fault for number, each in enumerate(value) for fault in faults(schema["items"], each, f"{at}[{number}]")]
    if isinstance(value, dict) and "properties" in schema | {"additionalProperties": {}}:
        named = schema.get("properties", {})
        found += [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, each in value.items():
            inner = named.get(name, schema.get("additionalProperties"))
            found += [f"{at}: {name} is not described"] if inner is None else faults(inner, each, f"{at}.{name}")
    return found


def kinds(value: object) -> set[str]:
    match value:
        case None:
            return {"null"}
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"number"}
        case str():
            return {"string"}
    return {"array" if isinstance(value, list) else "object"}


def schema_of(path: str, status: str = "200") -> dict[str, Any]:
    return SPEC["paths"][path]["get"]["responses"][status]["content"]["application/json"]["schema"]


# --- paths and parameters -------------------------------------------------------------------------------------------


def test_every_path_for_programs_is_described_and_no_other(tmp_path):
    app = make_app(tmp_path, hosts=frozenset({"here"}), token="t")
    there = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.method != "HEAD" and (route.resource.canonical.startswith("/api/") or route.resource.canonical in PLAIN)
    }

    assert there == {(path, method) for path, methods in SPEC["paths"].items() for method in methods}


def test_every_operation_has_a_name_of_its_own_and_leads_to_what_there_is():
    operations = [operation for methods in SPEC["paths"].values() for operation in methods.values()]
    text = json.dumps(SPEC)

    assert len(operations) == len({operation["operationId"] for operation in operations})
    for reference in re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', text):
        assert reference[1] in SPEC["components"][reference[0]]
    for kind in ("schemas", "responses"):
        unused = [name for name in SPEC["components"][kind] if f'"#/components/{kind}/{name}"' not in text]
        assert [] == unused
    links = [link for op in operations for response in op["responses"].values() for link in response.get("links", {}).values()]
    assert {link["operationId"] for link in links} <= {operation["operationId"] for operation in operations}


def test_bounds_are_those_of_the_code():
    bound = {
        (path, each["name"]): each["schema"]
        for path, methods in SPEC["paths"].items()
        for operation in methods.values()
        for each in operation.get("parameters", ())
    }

    assert single.LONGEST_ASKED == bound["/api/explain", "url"]["maxLength"]
    assert tokens.MOST_QUESTION == bound["/api/search", "q"]["maxLength"]
    assert api.MOST_ROWS == SCHEMAS["Answer"]["properties"]["rows"]["maxItems"]
    assert single.RESULTS == SCHEMAS["Found"]["properties"]["results"]["maxItems"]
    assert f"{api.MOST_SOCKETS} clients" in SPEC["paths"]["/api/live/socket"]["get"]["description"]
    assert LONGEST_BODY == 1024 * 1024
    assert "1 MiB" in SPEC["components"]["responses"]["TooLarge"]["description"]
    assert TOKEN_HEADER == SPEC["components"]["securitySchemes"]["token"]["name"]


def test_what_changes_something_needs_the_token_and_nothing_else_does():
    secured = {path for path, methods in SPEC["paths"].items() for operation in methods.values() if operation.get("security")}

    assert secured == {"/api/control", "/api/urls", "/api/token"}


# --- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERED)
def test_an_answer_has_the_fields_of_its_struct(name: str):
    fields = ANSWERED[name].__struct_fields__

    assert list(fields) == list(SCHEMAS[name]["properties"]) == SCHEMAS[name]["required"]


@pytest.mark.parametrize("name", TAKEN)
def test_a_change_has_the_fields_of_its_struct(name: str):
    kind = TAKEN[name]
    tag = kind.__struct_config__.tag
    head = [] if tag is None else ["command"]

    assert [*head, *kind.__struct_fields__] == list(SCHEMAS[name]["properties"])
    assert [*head, *(field.name for field in msgspec.structs.fields(kind) if field.required)] == SCHEMAS[name]["required"]
    assert SCHEMAS[name]["additionalProperties"] is False
    assert tag is None or tag == SCHEMAS[name]["properties"]["command"]["const"]


def test_all_shapes_are_looked_at():
    assert set(SCHEMAS) == {*ANSWERED, *TAKEN, *MADE_HERE}
    assert [f"#/components/schemas/{kind.__name__}" for kind in get_args(changes.Control)] == [each["$ref"] for each in SCHEMAS["Control"]["oneOf"]]


def test_settings_that_can_change_have_the_bounds_that_they_have():
    described = SCHEMAS["Set"]["properties"]["settings"]["properties"]
    _, shapes = msgspec.json.schema_components([Settings])
    real = shapes["Settings"]["properties"]
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    bounds = {}
    for name in CHANGEABLE:
        found: dict[str, object] = {}
        for each in real[name].get("anyOf", [real[name]]):
            found |= {key: each[key] for key in names if key in each}
        bounds[name] = found

    assert bounds == {name: {key: each[key] for key in names if key in each} for name, each in described.items()}
    assert [name for name in CHANGEABLE if getattr(Settings(), name) is None] == [
        name for name, each in described.items() if "null" in each["type"]
    ]


# --- answers --------------------------------------------------------------------------------------------------------


async def test_a_crawl_at_rest_answers_as_described(client, demo_crawl):
    with_body = await asyncio.to_thread(_first, demo_crawl, "SELECT url FROM pages ORDER BY url DESC")
    asked = {
        "/api/live": "", "/api/status": "", "/api/samples": "?run=1", "/api/questions": "", "/api/ask/{name}": "/api/ask/urls-with-status?status=200",
        "/api/explain": f"?url={quote(with_body)}", "/api/openapi.json": "",
    }  # fmt: skip
    for path, rest in asked.items():
        async with client.get(rest if rest.startswith("/") else path + rest) as answer:
            assert (200, "application/json") == (answer.status, answer.content_type)
            assert path == "/api/openapi.json" or [] == faults(schema_of(path), await answer.json())


def _first(folder: Path, sql: str) -> str:
    with Reader.open(folder) as reader:
        row = reader.one(sql)
        assert row is not None
        return str(row[0])


async def test_every_question_answers_as_described(client):
    hostile = ["0", "-1", "", "x'--", "\x00", "9" * 40, "1e999", "\U0001f600", "%"]
    for named in NAMED:
        given = {each.name: each.default or "http://a.test/" for each in named.parameters}
        asked = [given, *({**given, each.name: text} for each in named.parameters for text in hostile)]
        for values in asked:
            async with client.get(f"/api/ask/{named.name}", params=values) as answer:
                assert (200, []) == (answer.status, faults(SCHEMAS["Answer"], found := await answer.json())), values
            assert {len(found["columns"])} >= {len(row) for row in found["rows"]}


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
async def test_a_folder_whose_name_is_no_utf8_is_shown_all_the_same(serving, demo_crawl, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    await asyncio.to_thread(shutil.copytree, demo_crawl, folder)
    client = await serving(folder)
    for path in ("/", "/list/pages", "/api/live", "/api/status", "/metrics"):
        assert 200 == (await client.get(path)).status
    assert "caf\\udce9" == (await (await client.get("/api/live")).json())["name"]
    await asyncio.to_thread((folder / "crawl.db").unlink)
    for status, path in ((200, "/"), (503, "/list/pages"), (503, "/api/samples"), (503, "/healthz"), (200, "/api/live")):
        async with client.get(path) as answer:
            assert (status, True) == (answer.status, "caf\\udce9" in (await answer.text()).replace("\\\\", "\\"))


async def test_refusals_are_as_described(client, token):
    refused = (
        ("GET", "/api/samples?run=x", {}, 400), ("GET", "/api/explain?url=", {}, 400),
        ("GET", "/api/ask/nothing", {}, 404), ("GET", "/api/live", {"Origin": "http://evil.example"}, 403),
        ("GET", "/api/live", {"Host": "evil.example"}, 421), ("POST", "/api/control", {"Content-Type": "text/plain"}, 415),
    )  # fmt: skip
    for method, path, headers, status in refused:
        async with client.request(method, path, headers={TOKEN_HEADER: token, **headers}) as answer:
            assert (status, "application/json") == (answer.status, answer.content_type)
            assert [] == faults(SCHEMAS["Told"], await answer.json())


async def test_what_is_no_url_is_explained_as_such(client):
    """Whatever counts as a space."""
    for text in (" ", "\x85", "\x1f", "\ufeff", "\u2003", "\x00", "::"):
        async with client.get("/api/explain", params={"url": text}) as answer:
            found = await answer.json()
            assert (200, [], True) == (answer.status, faults(schema_of("/api/explain"), found), bool(found["problem"]))


async def test_a_search_answers_as_described(client):
    async with client.get("/api/search?q=the") as answer:
        found = await answer.json()
    assert [] == faults(schema_of("/api/search"), found)
    assert 0 < len(found["results"]) <= found["total"]
    for words in ("%3F%3F", "-leave", "x" * 1_001):
        assert 400 == (await client.get(f"/api/search?q={words}")).status


def test_a_crawl_that_runs_answers_as_described(demo_crawl):
    status = read_status(demo_crawl)
    snapshot = Snapshot(60.0, 40, 40, 300, 2, 5_000, 2.0, 80.0, 3, 5, 1)
    view = View(
        (HostView("a.test", 3, 1, 0.5, 0.1, "Crawl-delay", None),), (Flying("http://a.test/x", "a.test", 0.3, 1),),
        (Recent(1.0, "http://a.test/", 200, "Title", 4),), (Recent(1.0, "http://a.test/y", None, None, 0, "timeout", final=False),),
        {"timeout": 1}, 0.1, 90_000_000,
    )  # fmt: skip
    settings = {name: getattr(Settings(), name) for name in CHANGEABLE}
    look = seen("demo", demo_crawl, status, Reply(ok=True, snapshot=snapshot, view=view, settings=settings), 2.0)

    assert [] == faults(SCHEMAS["Live"], msgspec.json.decode(msgspec.json.encode(look)))
    assert look.hosts
    assert look.settings


async def test_what_is_described_is_what_is_served(client):
    async with client.get("/api/openapi.json") as answer:
        assert SPEC == await answer.json()


async def test_the_socket_opens_by_the_headers_that_are_described(client):
    described = SPEC["paths"]["/api/live/socket"]["get"]["parameters"]
    fixed = {each["name"]: each["schema"]["const"] for each in described if "const" in each["schema"]}
    headers = {**fixed, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    for left_out in ({"Upgrade"}, {"Connection"}, {"Sec-WebSocket-Version"}, {"Sec-WebSocket-Key"}):
        async with client.get("/api/live/socket", headers={name: headers[name] for name in headers.keys() - left_out}) as answer:
            assert (400, []) == (answer.status, faults(SCHEMAS["Told"], await answer.json()))
    try:
        async with client.ws_connect("/api/live/socket") as socket:
            assert [] == faults(SCHEMAS["Live"], json.loads((await socket.receive()).data))
    except WSServerHandshakeError as error:
        pytest.fail(str(error))


async def test_a_path_that_is_not_there_and_a_method_that_is_not_taken_are_told_without_a_token(client):
    for path in ("/api/live", "/metrics", "/healthz"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
            async with client.request(method, path) as answer:
                assert (405, "GET,HEAD") == (answer.status, answer.headers["Allow"])
    assert 404 == (await client.post("/api/nothing")).status
    assert 405 == (await client.get("/api/control")).status


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, QueryError("no such column")), (400, Unwilling("no such host")), (404, NoIndex("no index")), (404, NotThere("no body")),
        (409, NotRunning("nobody crawls")), (409, InUse("somebody else does")), (503, Unanswered("no answer")), (503, GivenUp("10 s", "", NOTHING_HERE)),
        (503, Busy()), (503, QueryError("damaged", "", UNUSABLE)), (503, StorageError("disk full")), (503, NewerFormat("format 5")), (500, CrawlError("a bug")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)  # fmt: skip
def test_a_refusal_says_whose_fault_it_is_and_whether_to_come_again(status, error):
    assert status == gate.status_of(error)


async def test_a_question_that_takes_too_long_may_be_asked_again_later(serving, demo_crawl, tmp_path, monkeypatch):
    folder = Path(await asyncio.to_thread(shutil.copytree, demo_crawl, tmp_path / "copy"))
    await _write(folder / FOLDER / "long.sql", "-- name: long\n-- counts for ever\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;\n")
    client = await serving(folder)
    monkeypatch.setattr(desk.Desk.ask, "__defaults__", (0.05,))
    async with client.get("/api/ask/long") as answer:
        assert (503, "the query took longer than 0.05 s") == (answer.status, (await answer.json())["error"])


async def _write(file: Path, text: str) -> None:
    await asyncio.to_thread(file.parent.mkdir)
    await asyncio.to_thread(file.write_text, text)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"command": "pause", "pattern": "x"}, "unknown field `pattern`"), ({"command": "set", "settings": {}}, "$.settings"), ({"command": "seed"}, "`lines`"),
        ({"command": "seed", "lines": []}, "$.lines"), ({"command": "exclude", "pattern": ""}, "$.pattern"), ({"command": "park"}, "`host`"),
        ({"command": "burn"}, "burn"), ({"command": "stop", "now": "yes"}, "$.now"), ([], "object"), ({"command": "seed", "lines": ["ftp://a.test/"]}, "line 1"),
    ],
)  # fmt: skip
async def test_a_command_that_lacks_something_or_has_too_much_is_told_so(client, token, sent, said):
    async with client.post("/api/control", json=sent, headers={TOKEN_HEADER: token}) as answer:
        found = (await answer.json())["error"]
        assert (400, True) == (answer.status, said in found), found


async def test_a_question_of_ones_own_can_be_asked_like_any_other(serving, demo_crawl, tmp_path):
    folder = Path(await asyncio.to_thread(shutil.copytree, demo_crawl, tmp_path / "copy"))
    await _write(folder / FOLDER / "mine.sql", "-- name: mine\n-- what I ask\nSELECT :n AS n;\n")
    client = await serving(folder)
    async with client.get("/api/questions") as answer:
        named = [each["name"] for each in await answer.json()]
    async with client.get("/api/ask/mine?n=7") as answer:
        assert ("mine", {"columns": ["n"], "rows": [[7]], "more": False}) == (named[-1], await answer.json())


# --- Schemathesis ---------------------------------------------------------------------------------------------------


@contextmanager
def standing(folder: Path, token: str):
    """Serve a folder from a thread, as `crawler serve` does; what comes back is its address."""
    bound = address.bind(address.Address(port=0))
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        async with served(folder, bound, token):
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield bound.url.rstrip("/")
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()


@pytest.fixture
def copy(demo_crawl, tmp_path):
    """A crawl that may be changed."""
    return Path(shutil.copytree(demo_crawl, tmp_path / "copy"))


def test_a_url_as_long_as_may_be_asked_for_comes_through(demo_crawl):
    """Escaped it has twelve bytes a character, more than aiohttp's own limit for the first line of a request."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    asked = "https://example.org/" + "\U0001f600" * (single.LONGEST_ASKED - 20)
    with standing(demo_crawl, "t") as base:
        with urlopen(f"{base}/api/explain?url={quote(asked)}", timeout=10) as answer:
            assert [] == faults(schema_of("/api/explain"), json.load(answer))
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{base}/api/explain?url=+{quote(asked)}", timeout=10)
        with refused.value as answer:
            assert (400, []) == (answer.code, faults(SCHEMAS["Told"], json.load(answer)))


def test_what_is_no_http_is_answered_and_not_logged(demo_crawl, caplog):
    import socket

    with standing(demo_crawl, "t") as base, socket.create_connection(base.removeprefix("http://").split(":")) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n")
        assert b"400" in sock.recv(100)
    assert [] == caplog.records


def test_schemathesis_finds_nothing(copy, token):
    """A few requests to each operation, of every kind that it thinks of by itself; the long test has hundreds."""
    schemathesis = pytest.importorskip("schemathesis", reason="Schemathesis judges the API where it is installed: pip install schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_dict(SPEC, config=schemathesis.Config.from_path(CONFIG))
    few = settings(
        max_examples=3, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    with standing(copy, token) as base:

        def judge(case):
            case.call_and_validate(base_url=base, headers={TOKEN_HEADER: token})

        for found in schema.exclude(path="/api/live/socket").get_all_operations():
            operation = found.ok()
            few(given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))(judge))()
            if operation.method == "post" or list(operation.iter_parameters()):
                few(given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))(judge))()


@pytest.mark.long
@pytest.mark.parametrize("methods", [["GET"], ["POST"]], ids=str)
def test_schemathesis_finds_nothing_with_hundreds_of_requests(copy, token, methods):
    pytest.importorskip("schemathesis", reason="Schemathesis judges the API where it is installed: pip install schemathesis")
    with standing(copy, token) as base:
        ran = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "run", f"{base}/api/openapi.json", "--checks", "all",
             "--seed", "1", "-n", "300", "-H", f"{TOKEN_HEADER}: {token}", *(word for each in methods for word in ("--include-method", each)),
             *(["--phases", "examples,coverage,fuzzing"] if methods == ["POST"] else [])],
            check=False, capture_output=True, text=True, cwd=copy.parent,
        )  # fmt: skip

    assert 0 == ran.returncode, ran.stdout + ran.stderr
