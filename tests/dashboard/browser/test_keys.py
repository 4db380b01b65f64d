"""Everything can be done without a mouse: what can be clicked is reached, its focus is seen, and data that arrives takes nothing away."""

from __future__ import annotations

import pytest

from crawler.control.dialogue import ask

from .conftest import serving
from .test_live import news

pytestmark = pytest.mark.asyncio(loop_scope="package")

NAMED = "(el => el && `${el.tagName} ${el.id || el.name || el.getAttribute('aria-label') || el.innerText || el.title}`.trim().slice(0, 90))"
CLICKABLE = f"""[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
    .filter(el => el.checkVisibility() && !el.matches(':disabled') && !el.closest('dialog:not([open])')).map({NAMED})"""
FOCUSED = f"""(() => {{
    const el = document.activeElement;
    if (!el || el === document.body) return null;
    const style = getComputedStyle(el);
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && style.outlineColor !== 'rgba(0, 0, 0, 0)';
    const box = el.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + Math.min(box.width / 2, 40), box.y + box.height / 2);
    return [{NAMED}(el), ring && el.matches(':focus-visible'), box.width > 0 && el.contains(top)];
}})()"""
"""What has the focus, whether that is seen on it, and whether it is in sight itself."""
ORDERED = "document.querySelector('#hosts thead [data-key=host]').getAttribute('aria-sort')"


async def walk(page, *, back: bool = False) -> dict[str, tuple[bool, bool]]:
    """Press Tab from the first to the last; return what is met, whether its focus is seen, and whether it is in sight."""
    await page.js("document.activeElement.blur()")
    met: dict[str, tuple[bool, bool]] = {}
    for _ in range(400):
        await page.press("Tab", shift=back)
        here = await page.js(FOCUSED)
        if here is None:
            break
        met[here[0]] = here[1], here[2]
    return met


async def test_tab_reaches_all_that_can_be_clicked_and_one_sees_where_one_is(crawl, steered):
    await steered.prefer(motion="reduce")
    await ask(crawl.folder, {"command": "pause"})       # what comes and goes would be met by chance
    await steered.find("button", "Resume")
    await news(steered)
    wanted = set(await steered.js(CLICKABLE))
    for back in (False, True):
        met = await walk(steered, back=back)

        assert set() == wanted - set(met)
        assert [] == [name for name, (seen, _) in met.items() if not seen]
        assert [] == [name for name, (_, in_sight) in met.items() if not in_sight]


async def test_keys_lead_to_the_filter_and_the_help_and_escape_closes_it(crawl, steered):
    page = steered
    await news(page, 1)
    await page.press("/")
    assert "filter" == await page.js("document.activeElement.id")
    await page.type("0.0.13")
    await page.until("document.querySelectorAll('#hosts tbody tr').length === 1")
    await page.press("Escape")
    await page.until("document.querySelectorAll('#hosts tbody tr').length === 20 && document.querySelector('#filter').value === ''")

    await page.js("document.activeElement.blur()")
    await page.press("?", shift=True)
    await page.find("dialog", "Help")
    await page.press("p")
    await page.press("Escape")
    await page.until("!document.querySelector('dialog[open]')")
    assert not (await crawl.says()).paused


async def test_help_gives_the_focus_back_to_where_it_was(crawl, steered):
    page = steered
    button = await page.find("button", "Help")
    await button.js("el => el.focus()")
    await page.press("Enter")
    await page.find("dialog", "Help")
    await page.press("Escape")
    await page.until("!document.querySelector('dialog[open]')")

    assert await button.js("el => el === document.activeElement")


async def test_a_column_is_sorted_by_enter_and_keeps_the_focus_while_data_arrives(crawl, steered):
    page = steered
    await news(page, 1)
    await page.js("document.querySelector('#hosts thead [data-key=host] button').focus()")
    for order in ("ascending", "descending", None):
        await page.press("Enter")
        await news(page, 2)

        assert order == await page.js(ORDERED)
        assert "host" == await page.js("document.activeElement.closest('th').dataset.key")


async def test_a_row_keeps_the_focus_while_it_moves_among_others(steered):
    button = await steered.find("button", await steered.js("[...document.querySelectorAll('#hosts tbody button')].at(-1).ariaLabel"))
    await button.js("el => el.focus()")
    first = await button.js("el => el.closest('tr').rowIndex")
    await steered.until(f"document.activeElement.closest('tr')?.rowIndex !== {first}")

    assert await button.js("el => el === document.activeElement")


async def test_on_lists_the_slash_leads_to_the_first_field(page, demo_crawl):
    async with serving(demo_crawl) as served:
        await page.go(f"{served.url}list/errors")
        await page.press("/")
        assert "text" == await page.js("document.activeElement.name")
        await page.type("gone")
        await page.press("Enter")
        await page.until("new URLSearchParams(location.search).get('text') === 'gone' && document.readyState === 'complete'")
