"""docs/reference/dashboard.md and docs/grafana.json say what the dashboard serves."""

from __future__ import annotations

import inspect
import json
import re
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest

from crawler.dashboard import browse, changes, single
from crawler.dashboard.app import make_app
from crawler.dashboard.gate import PLAIN, TOKEN_HEADER
from crawler.dashboard.lists import LISTS
from crawler.dashboard.metrics import METERS
from crawler.dashboard.verdict import Phase

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/reference/dashboard.md").read_text(encoding="utf-8")
SPEC = json.loads((ROOT / "crawler/dashboard/openapi.json").read_text(encoding="utf-8"))
GRAFANA = json.loads((ROOT / "docs/grafana.json").read_text(encoding="utf-8"))
OPERATIONS = {f"{method.upper()} {path}": found for path, methods in SPEC["paths"].items() for method, found in methods.items()}
SERIES = {meter.series for meter in METERS}
NAME = re.compile(r"\bcrawler_[a-z_]+")
EXPRESSIONS = [target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"]]


def table(heading: str) -> list[list[str]]:
    """Return the rows below a heading, up to the next one."""
    below = TEXT.split(f"\n{heading}\n", 1)[1]
    lines = re.split(r"\n#+ ", below)[0].split("\n")
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return found[2:]


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def lowered(text: str) -> str:
    """A sentence as the cell of a table; an abbreviation stays as it is."""
    text = " ".join(text.split()).rstrip(".")
    return text if text[:2].isupper() else text[0].lower() + text[1:]


# --- the page -------------------------------------------------------------------------------------------------------


def test_every_page_is_described(tmp_path):
    app = make_app(tmp_path, hosts=frozenset({"here"}), token="t")
    there = {route.resource.canonical for route in app.router.routes()}
    own = {path for path in there if path not in PLAIN and not path.startswith(("/api/", "/static/", "/favicon"))}

    assert own == {ticked(row[0])[0] for row in table("## Pages")}


def test_every_parameter_of_a_page_is_described():
    """Those that the code asks for by name; filters and parameters of queries have tables of their own."""
    asked = {name for module in (browse, single) for name in re.findall(r'query\.get\("(\w+)"', inspect.getsource(module))}

    assert asked == {name for row in table("## Pages") for name in ticked(re.sub(r"\[.*?\]\(.*?\)", "", row[1]))}


def test_every_list_is_described_with_its_filters():
    expected = {each.name: ([one.name for one in each.filters], lowered(each.meaning)) for each in LISTS.values()}

    assert expected == {ticked(row[0])[0]: (ticked(row[1]), row[2]) for row in table("### Lists")}


def test_every_operation_is_described_as_in_the_openapi_file():
    expected = {
        name: ([each["name"] for each in one.get("parameters", ()) if each["in"] == "query"], "requestBody" in one, lowered(one["summary"]))
        for name, one in OPERATIONS.items()
    }

    assert expected == {ticked(row[0])[0]: (ticked(row[1]), row[1] == "the body", row[2]) for row in table("## API")}
    assert f"`{TOKEN_HEADER}`" in TEXT


def test_every_command_is_described():
    expected = {
        kind.__struct_config__.tag: (list(kind.__struct_fields__), lowered(inspect.getdoc(kind) or "")) for kind in get_args(changes.Control)
    }

    assert expected == {ticked(row[0])[0]: (ticked(row[1]), row[2]) for row in table("### Commands of `/api/control`")}


def test_every_refusal_is_described():
    """And 405, which is an answer of no operation."""
    statuses = {int(status) for one in OPERATIONS.values() for status in one["responses"] if status >= "400"}

    assert sorted(statuses | {405}) == [int(row[0]) for row in table("### Refusals")]


def test_every_metric_is_described():
    expected = {meter.series: [meter.kind, f"`{meter.label}`" if meter.label else "", lowered(meter.meaning), meter.when] for meter in METERS}

    assert expected == {ticked(row[0])[0]: row[1:] for row in table("## Metrics")}
    assert f"live page: {', '.join(get_args(Phase))}." in " ".join(TEXT.split())


def test_the_settings_for_prometheus_name_what_there_is():
    blocks = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    rules = [line.split("expr: ")[1] for block in blocks for line in block.split("\n") if "expr: " in line]

    assert 2 == len(blocks)
    assert len(rules) >= 4
    assert {name for rule in rules for name in NAME.findall(rule)} <= SERIES
    assert all("on (" in rule for rule in rules if " and " in rule)     # their labels differ, and nothing would match
    assert {phase for rule in rules for phase in re.findall(r'phase="(\w+)"', rule)} <= set(get_args(Phase))


# --- Grafana --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_panel_asks_for_what_is_exported(expression):
    names = NAME.findall(expression)

    assert names
    assert set(names) <= SERIES
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)
    for meter in METERS:        # a counter says something only as a rate
        if meter.kind == "counter" and meter.series in names:
            assert len(re.findall(rf"\brate\({meter.series}\{{[^}}]*\}}\[\$__rate_interval\]\)", expression)) == names.count(meter.series)


def test_the_panels_show_all_that_matters():
    shown = {name for expression in EXPRESSIONS for name in NAME.findall(expression)}

    assert SERIES - shown == {"crawler_build_info", "crawler_up", "crawler_running", "crawler_hosts", "crawler_run_id", "crawler_run_end_time_seconds"}


def test_the_dashboard_can_be_imported_anywhere():
    """No data source of one machine, and places that do not lie over each other."""
    variables = {one["name"]: one for one in GRAFANA["templating"]["list"]}
    used = [one["datasource"] for panel in GRAFANA["panels"] for one in (panel, *panel["targets"])] + [variables["job"]["datasource"]]

    assert "id" not in GRAFANA
    assert "datasource" == variables["datasource"]["type"]
    assert all({"type": "prometheus", "uid": "${datasource}"} == each for each in used)
    assert {name for one in variables.values() if "definition" in one for name in NAME.findall(one["definition"])} <= SERIES
    assert {name for expression in EXPRESSIONS for name in re.findall(r"\$(\w+)", expression)} - {"__rate_interval"} <= variables.keys()
    assert len(GRAFANA["panels"]) == len({panel["id"] for panel in GRAFANA["panels"]})
    for one, other in combinations([panel["gridPos"] for panel in GRAFANA["panels"]], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"] or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in GRAFANA["panels"])
