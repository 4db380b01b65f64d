"""What stands in the files, read again by other programs' parsers."""

import csv
import io
import json

import pytest
from lxml import etree

from crawler.export import sitemap, texts
from crawler.export.cursor import Wish
from crawler.export.errors import ExportError
from crawler.export.exporting import Target, export
from crawler.export.sitemap import moment
from crawler.query.errors import QueryError
from crawler.query.reader import Reader

PAGES = 60
SITEMAPS = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
GRAPHS = "{http://graphml.graphdrawing.org/xmlns}"
STRICT = etree.XMLParser(resolve_entities=False, huge_tree=False)


@pytest.fixture
def exported(crawl, reader, tmp_path):
    """Export the crawl; return the path, and what became of it."""

    def run(kind, *, name="out", force=False, going_on=False, **wish):
        target = tmp_path / name
        return target, export(crawl, reader, kind, Wish(format=kind, **wish), Target(target, going_on, force))

    return run


@pytest.fixture
def titles(reader):
    return [title for (title,) in reader.all("SELECT title FROM pages ORDER BY url_id")]


def test_the_crawl_has_every_hostile_title(titles, hostile):
    assert set(hostile) == set(titles)
    assert PAGES == len(titles)


# --- lines --------------------------------------------------------------------------------------------------------


def test_jsonl_has_every_column_of_every_page_exactly(exported, reader):
    path, tally = exported("jsonl")
    rows = reader.rows("SELECT * FROM pages ORDER BY url_id")
    expected = [dict(zip(rows.columns, row, strict=True)) for row in rows]

    assert expected == [json.loads(line) for line in path.read_bytes().splitlines()]
    assert PAGES == tally.rows


def test_a_line_of_jsonl_has_nothing_that_acts_on_a_terminal(exported):
    content = exported("jsonl")[0].read_text(encoding="utf-8")

    assert not any(sign in content for sign in ("\x1b", "\x9b", "\u202e", "\u2028", "\x00"))


def test_csv_is_exact(exported, titles):
    path, _ = exported("csv", columns=("title", "url"))
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)

    assert ["title", "url"] == head
    assert titles == [row[0] for row in rows]


def test_csv_is_safe_for_spreadsheets_when_asked(exported):
    path, _ = exported("csv", columns=("title",), excel_safe=True)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))

    assert not [title for (title,) in rows if title.lstrip()[:1] in tuple("=+-@＝")]


def test_columns_are_chosen_and_the_digest_of_the_body_is_one(exported):
    path, _ = exported("jsonl", columns=("sha256", "url_id"), where="url_id = 7")

    assert {"sha256": "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451", "url_id": 7} == json.loads(path.read_bytes())


@pytest.mark.parametrize(
    ("columns", "message", "hint"),
    [(("tittle",), "pages have no column 'tittle'", "Try title or site or file."), (("url", "url"), "the column 'url' is named twice", "Try each column once.")],
)
def test_a_column_that_there_is_not_is_refused(exported, columns, message, hint):
    with pytest.raises(ExportError) as refused:
        exported("csv", columns=columns)

    assert (message, hint) == (refused.value.message, refused.value.hint)


def test_edges_are_tab_separated(exported, reader):
    path, tally = exported("edges", where="dst_id < 10")
    head, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]

    assert ["src", "dst", "kind", "nofollow"] == head
    assert sorted(reader.all("SELECT src, dst, kind, CAST(nofollow AS TEXT) FROM links WHERE dst_id < 10")) == sorted(map(tuple, rows))
    assert len(rows) == tally.rows


# --- conditions ---------------------------------------------------------------------------------------------------


def test_a_condition_chooses_pages(exported):
    path, _ = exported("jsonl", where="lang = 'ko' AND url_id < 10 -- a remark", columns=("url_id",))

    assert [3, 6, 9] == [json.loads(line)["url_id"] for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("statuss = 200", "--where, a condition over pages: no such column: statuss"),
        ("status = 200) OR (1", "--where, a condition over pages: syntax error near ')' (line 1, column 13)"),
        ("1 LIMIT 3", "--where, a condition over pages: syntax error near 'LIMIT' (line 1, column 3)"),
        ("1 ORDER BY url", "--where, a condition over pages: syntax error near 'ORDER' (line 1, column 3)"),
        ("status =", "--where, a condition over pages: the query ends too early"),
        ("1 /*", "--where, a condition over pages: syntax error near '*' (line 1, column 4)"),
        ("1; DELETE FROM url", "--where, a condition over pages: there is more than one statement"),
        ("url IN (SELECT load_extension('x'))", "--where, a condition over pages: the function load_extension() is refused: a query may only read"),
        (
            "url = ?",
            ("--where, a condition over pages: SQLite says: Incorrect number of bindings supplied. "
             "The current statement uses 1, and there are 0 supplied."),
        ),
    ],
)
def test_what_is_no_condition_is_refused_before_anything_is_written(exported, tmp_path, where, message):
    with pytest.raises(QueryError) as refused:
        exported("jsonl", where=where)

    assert message == refused.value.message
    assert [] == list(tmp_path.iterdir())


# --- XML ----------------------------------------------------------------------------------------------------------


def test_graphml_has_every_url_and_link_and_titles_stay_text(exported, reader, titles):
    path, tally = exported("graphml")
    graph = etree.parse(path, STRICT).getroot().find(f"{GRAPHS}graph")
    nodes = {node.get("id"): {data.get("key"): data.text for data in node} for node in graph.iter(f"{GRAPHS}node")}
    edges = [(nodes[edge.get("source")]["url"], nodes[edge.get("target")]["url"]) for edge in graph.iter(f"{GRAPHS}edge")]
    allowed = ["".join(c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in title) for title in titles]

    assert allowed == [node["title"] or "" for node in nodes.values()]
    assert sorted(reader.all("SELECT src, dst FROM links")) == sorted(edges)
    assert len(edges) == tally.rows


def test_graphml_is_read_by_networkx(exported):
    networkx = pytest.importorskip("networkx", reason="networkx is not installed")
    graph = networkx.read_graphml(exported("graphml", where="kind = 'a' AND src_id <= 5")[0])

    assert 15 == graph.number_of_edges()
    assert {"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"} == set(graph.nodes)


def urls_in(path):
    return [loc.text for loc in etree.parse(path, STRICT).iter(f"{SITEMAPS}loc")]


def test_a_sitemap_has_the_pages_that_may_be_listed(growing, added, tmp_path):
    folder, db = growing
    added(db, 11, 20)
    db.execute("UPDATE fetch SET noindex = 1 WHERE fetch_id = 12")
    db.execute("UPDATE fetch SET canonical_id = 13 WHERE fetch_id IN (13, 15)")
    db.execute("UPDATE fetch SET status = 203 WHERE fetch_id = 16")
    db.execute("UPDATE url SET path = '/' || hex(zeroblob(1100)) WHERE url_id = 19")
    with Reader.open(folder) as reader:
        tally = export(folder, reader, "sitemap", Wish(format="sitemap"), Target(tmp_path / "sitemap.xml"))

    images = {2, 5, 8, 11, 14, 17, 20}
    expected = set(range(5, 21)) - images - {12, 15, 16, 19}
    locs = urls_in(tmp_path / "sitemap.xml")
    assert {f"https://{'ab'[n % 2]}.example/page/{n}" for n in expected} == {loc for loc in locs if "/page/" in loc}
    assert {"https://b.example/?a=1&b=%3Cscript%3E", "https://b.example/%EA%B0%80", "https://a.example/=1+1"} == set(locs) - {
        loc for loc in locs if "/page/" in loc
    }
    assert len(locs) == tally.rows
    assert "1 URLs are longer" in tally.notes[1]


def test_a_large_sitemap_is_several_files_and_an_index(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(sitemap, "MAX_URLS", 15)
    path, tally = exported("sitemap", name="sitemap.xml", base="https://a.example/maps/")

    parts = [f"sitemap-{number}.xml" for number in (1, 2, 3)]
    assert [f"https://a.example/maps/{name}" for name in parts] == urls_in(path)
    assert [15, 15, 10] == [len(urls_in(tmp_path / name)) for name in parts]
    assert 40 == tally.rows
    assert {"sitemap.xml", *parts} == {found.name for found in tmp_path.iterdir()}


def test_a_sitemap_is_bounded_in_bytes(exported, tmp_path, monkeypatch):
    monkeypatch.setattr(sitemap, "MAX_BYTES", 1_000)
    exported("sitemap", name="sitemap.xml")

    parts = sorted(tmp_path.glob("sitemap-*.xml"))
    assert len(parts) > 1
    assert max(part.stat().st_size for part in parts) <= 1_000


@pytest.mark.parametrize(
    ("listed", "last_modified", "expected"),
    [
        (None, None, None),
        (None, "Wed, 21 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00+00:00"),
        (1_445_412_480, "Thu, 22 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00+00:00"),
        (None, "Wed, 21 Oct 2037 07:28:00 GMT", None),
        (None, "yesterday", None),
        (None, "Thu, 01 Jan 1970 00:00:00 GMT", None),
        (None, "Wed, 21 Oct 2015 99:28:00 GMT", None),
        (10**18, None, None),
    ],
)
def test_the_last_change_is_what_the_site_says(listed, last_modified, expected):
    assert expected == moment(listed, last_modified, 1_790_000_000)


# --- parquet ------------------------------------------------------------------------------------------------------


def test_parquet_has_typed_columns(exported, titles):
    pq = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    path, _ = exported("parquet")
    table = pq.read_table(path)

    assert titles == table.column("title").to_pylist()
    kinds = {"url_id": "int64", "fetched": "timestamp[ms, tz=UTC]", "noindex": "bool", "title": "string"}
    assert kinds == {name: str(table.schema.field(name).type) for name in kinds}
    assert "2026-09-21T14:13:21+00:00" == table.column("fetched")[0].as_py().isoformat()


def test_row_groups_of_parquet_are_bounded(exported, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    from crawler.export import tables

    monkeypatch.setattr(tables, "GROUP_ROWS", 25)
    found = pq.ParquetFile(exported("parquet")[0]).metadata
    assert [25, 25, 10] == [found.row_group(index).num_rows for index in range(found.num_row_groups)]

    monkeypatch.setattr(tables, "GROUP_BYTES", 100)
    found = pq.ParquetFile(exported("parquet", name="small", columns=("url",), where="url_id <= 8")[0]).metadata
    assert (8, 2) == (found.num_rows, found.num_row_groups)


def test_without_pyarrow_it_is_said_which_extra_brings_it(exported, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ExportError) as refused:
        exported("parquet")

    assert "Try pip install 'steadycrawl[parquet]'." == refused.value.hint


# --- bodies -------------------------------------------------------------------------------------------------------


def test_bodies_are_decoded_and_what_is_no_text_is_null(exported):
    path, tally = exported("jsonl", columns=("url_id",), body=True, where="url_id BETWEEN 3 AND 5")
    html, text, image = (json.loads(line)["body"] for line in path.read_bytes().splitlines())

    assert "이것은 본문이다." in html
    assert "Plain  text.\n" == text
    assert image is None
    assert 0 == tally.missing


def test_a_body_that_is_not_there_is_counted(made, tmp_path):
    folder = made(tmp_path / "lost", 6)
    (folder / "pages" / "page.html").unlink()
    with Reader.open(folder) as reader:
        tally = export(folder, reader, "jsonl", Wish(format="jsonl", body=True), Target(tmp_path / "out"))

    assert (6, 2) == (tally.rows, tally.missing)


@pytest.fixture
def _trafilatura():
    pytest.importorskip("trafilatura", reason="the extra `text` is not installed")


@pytest.mark.usefixtures("_trafilatura")
def test_main_texts_are_files_with_a_front_matter(exported, titles):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    path, tally = exported("markdown")
    found = {}
    for file in path.rglob("*.md"):
        _, head, text = file.read_text(encoding="utf-8").split("---\n", 2)
        front = yaml.safe_load(head)
        found[front["url"]] = (front["title"], text.strip())

    assert 40 == tally.rows == len(found)
    assert {title for n, title in enumerate(titles, 1) if n % 3 != 2} == {title for title, _ in found.values()}
    assert {"Plain  text.", "가나다라 마바사. 이것은 본문이다."} == {text for _, text in found.values()}
    assert (20, 0) == (tally.empty, tally.missing)


@pytest.mark.usefixtures("_trafilatura")
def test_main_texts_can_be_lines(exported):
    path, tally = exported("text", jsonl=True, where="url_id IN (1, 2, 4)")
    first, last = (json.loads(line) for line in path.read_bytes().splitlines())

    assert ["url", "title", "lang", "fetched", "sha256", "text"] == list(first)
    assert ("Plain  text.", "https://a.example/=1+1") == (first["text"], last["url"])
    assert 1 == tally.empty


@pytest.mark.usefixtures("_trafilatura")
def test_a_page_that_takes_too_long_costs_only_itself(made, tmp_path):
    folder = made(tmp_path / "slow", 6)
    (folder / "pages" / "page.html").write_bytes(b"<body>" + b"<a href=x>word word</a> " * 60_000)
    tally = texts.Tally()
    slow = ("pages/page.html", None, None, "text/html", None, "https://a.example/")
    (folder / "pages" / "good.html").write_bytes(b"<body><article><p>Some words of a text that is long enough.</p></article>")
    with texts.Texts(folder, tally, deadline=1) as found:
        assert None is found.main(slow)
        found._deadline = 60
        assert "Some words of a text that is long enough." == found.main(("pages/good.html", *slow[1:]))
    assert 1 == tally.empty


@pytest.mark.usefixtures("_trafilatura")
def test_markup_in_a_text_stays_text_in_markdown(tmp_path):
    (tmp_path / "x.html").write_bytes(b"<body><article><p>Words: &lt;script&gt;alert(1)&lt;/script&gt; and [x](javascript:y).</p></article>")
    with texts.Texts(tmp_path, texts.Tally(), markdown=True) as found:
        assert r"Words: \<script>alert(1)\</script> and \[x\](javascript:y)." == found.main(
            ("x.html", None, None, "text/html", None, "https://a.example/")
        )


def test_distinct_leaves_out_what_says_the_same_as_an_earlier_page(growing, answered, tmp_path):
    folder, db = growing
    db.execute("UPDATE fetch SET body_id = 1 WHERE fetch_id IN (4, 6)")
    db.execute("UPDATE fetch SET near_id = 2 WHERE fetch_id = 5")
    with Reader.open(folder) as reader:
        export(folder, reader, "jsonl", Wish(format="jsonl", columns=("url_id",), distinct=True), Target(tmp_path / "out"))

    assert [1, 2, 3, 7, 8, 9, 10] == [json.loads(line)["url_id"] for line in (tmp_path / "out").read_bytes().splitlines()]


def test_options_of_other_formats_are_refused(exported):
    for kind, wish, message in (
        ("edges", {"columns": ("url",)}, "--columns is not for --format edges"),
        ("graphml", {"distinct": True}, "--distinct is not for --format graphml"),
        ("jsonl", {"excel_safe": True}, "--excel-safe is not for --format jsonl"),
        ("parquet", {"going_on": True}, "--format parquet is written whole and cannot be added to"),
        ("sitemap", {"going_on": True}, "--format sitemap is written whole and cannot be added to"),
    ):
        with pytest.raises(ExportError) as refused:
            exported(kind, **wish)
        assert message == refused.value.message


def test_standard_output_is_utf_8_whatever_the_terminal_speaks(crawl, reader, capfdbinary):
    export(crawl, reader, "csv", Wish(format="csv", columns=("title",), where="title LIKE '한%'"), Target(None))

    head, *rows = csv.reader(io.StringIO(capfdbinary.readouterr().out.decode("utf-8")))
    assert (["title"], ["한국어 제목 🙂"]) == (head, rows[0])
