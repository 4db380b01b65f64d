"""A small driver of Chromium: what a person does and sees, and what the browser says of it, over the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "no browser to test with: install Chromium (Debian and Ubuntu: apt install chromium)"
DEADLINE = 30.0
"""Seconds after which a condition counts as never met: generous, as machines that test are busy."""
GLANCE = 0.03

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--mute-audio",
    "--disable-dev-shm-usage", "--force-device-scale-factor=1", "--lang=en-US",
)  # fmt: skip
_CODES = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32}
_TEXTS = {"Enter": "\r"}

_SAYINGS = {
    "Runtime.exceptionThrown": ("exception", lambda about: json.dumps(about["exceptionDetails"])),
    "Runtime.consoleAPICalled": ("console", lambda about: json.dumps(about["args"])),
    "Log.entryAdded": ("log", lambda about: f"{about['entry']['text']} {about['entry'].get('url', '')}"),
    "Audits.issueAdded": ("issue", lambda about: json.dumps(about["issue"])),
    "Page.javascriptDialogOpening": ("dialog", lambda about: about["message"]),
}
_ADVICE = {"PerformanceIssue", "QuirksModeIssue", "info", "verbose"}
"""What the browser says of many a page: what could be better, and what it thought of it."""
_REQUESTS = {
    "Network.requestWillBeSent": lambda about: about["request"]["url"],
    "Network.webSocketCreated": lambda about: about["url"],
}


def _is_advice(about: dict) -> bool:
    return about.get("issue", {}).get("code") in _ADVICE or about.get("entry", {}).get("level") in _ADVICE


async def eventually(wanted: Callable[[], object]) -> object:
    """Return what a function returns once that is true. Raises AssertionError when it never is."""
    end = time.monotonic() + DEADLINE
    while True:
        if found := wanted():
            return found
        assert time.monotonic() < end, "never"
        await asyncio.sleep(GLANCE)


def installed() -> str | None:
    """Return where the browser is."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started(program: str, folder: Path) -> Iterator[str]:
    """Run a browser with a profile in *folder* for the length of the block; yield the address of its DevTools."""
    words = [program, *_FLAGS, f"--user-data-dir={folder}", "--no-startup-window"]
    with (folder / "said.txt").open("wb") as said, subprocess.Popen(words, stdout=said, stderr=said, stdin=subprocess.DEVNULL) as process:
        try:
            yield _address(process, folder / "DevToolsActivePort")
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            lines = file.read_text(encoding="ascii").split("\n")
            if len(lines) > 1:      # written whole
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(GLANCE)
    raise RuntimeError(f"the browser did not start: {file.with_name('said.txt').read_text(errors='replace')[-2000:]}")


class Browser:
    """A connection to a browser. All tabs of it belong to one profile of its own, which is gone afterwards."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._owed: dict[int, asyncio.Future[dict[str, object]]] = {}
        self._pages: dict[str, Page] = {}
        self.profile = ""
        self.downloads: dict[str, dict[str, object]] = {}

    async def say(self, method: str, session: str | None = None, **params: object) -> dict:
        """Send a command and return what it comes to."""
        self._number += 1
        number, command = self._number, {"id": self._number, "method": method, "params": params}
        self._owed[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(command if session is None else {**command, "sessionId": session})
        async with asyncio.timeout(DEADLINE):
            return await self._owed[number]

    async def listen(self) -> None:
        """Take what the browser says until it says no more."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                owed = self._owed.pop(said["id"])
                if owed.done():
                    continue
                if "error" in said:
                    owed.set_exception(RuntimeError(f"{said['error']}"))
                else:
                    owed.set_result(said["result"])
            elif said["method"].startswith("Browser.download"):
                self.downloads.setdefault(said["params"]["guid"], {}).update(said["params"])
            elif (page := self._pages.get(said.get("sessionId", ""))) is not None:
                page.hear(said["method"], said["params"])

    async def open(self) -> Page:
        """Open a tab."""
        target = (await self.say("Target.createTarget", url="about:blank", browserContextId=self.profile))["targetId"]
        session = (await self.say("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session, target)
        await asyncio.gather(*(page.say(f"{domain}.enable") for domain in ("Page", "Runtime", "Log", "Network", "Audits")))
        return page


class Page:
    """A tab: what it shows, and all that it did."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self.browser = browser
        self._session = session
        self._target = target
        self._loaded = asyncio.Event()
        self.said: list[str] = []
        """What the console says, scripts that end in an error, what the policy of the page stopped, and dialogs."""
        self.asked: list[str] = []
        """URLs of requests, those of WebSockets too."""
        self.sent: list[dict[str, str]] = []
        """Headers of requests as they went out."""
        self.statuses: dict[str, int] = {}
        """URL -> status of the latest answer."""
        self.frames = 0
        """Messages that came over WebSockets."""
        self.visited: list[str] = []
        self.forgiven: tuple[str, ...] = ()
        """Parts of what may be said: what a test sets off on purpose."""

    async def begin(self) -> None:
        """Be as new: with nothing on it, nothing kept of what was, and the size and preferences of most people."""
        with contextlib.suppress(RuntimeError):     # a page of no site keeps nothing
            await self.js("localStorage.clear(); sessionStorage.clear()")
        await self.go("about:blank")
        await self.size(1280, 900)
        await self.prefer()
        await self.say("Page.setBypassCSP", enabled=False)
        for noted in (self.said, self.asked, self.sent, self.statuses, self.visited, self.browser.downloads):
            noted.clear()
        self.forgiven = ()

    async def say(self, method: str, **params: object) -> dict:
        return await self.browser.say(method, self._session, **params)

    def hear(self, method: str, about: dict) -> None:
        """Note what happened."""
        if method in _SAYINGS and not _is_advice(about):
            kind, words = _SAYINGS[method]
            self.said.append(f"{kind}: {words(about)}"[:500])
        elif method in _REQUESTS:
            self.asked.append(_REQUESTS[method](about))
        elif method == "Network.requestWillBeSentExtraInfo":
            self.sent.append(about["headers"])
        elif method == "Network.responseReceived":
            self.statuses[about["response"]["url"]] = about["response"]["status"]
        elif method == "Network.webSocketFrameReceived":
            self.frames += 1
        elif method == "Page.loadEventFired":
            self._loaded.set()
        if method == "Page.javascriptDialogOpening":
            self._later = asyncio.ensure_future(self.say("Page.handleJavaScriptDialog", accept=True))

    def complaints(self, *expected: str) -> list[str]:
        """Return what was said, but for what contains one of *expected*."""
        return [line for line in self.said if not any(words in line for words in expected)]

    async def go(self, url: str) -> None:
        """Go to an address and wait until it is loaded. Raises RuntimeError where it cannot be had as a page."""
        self._loaded.clear()
        self.visited.append(url)
        went = await self.say("Page.navigate", url=url)
        if "errorText" in went:
            raise RuntimeError(f"{went['errorText']} at {url}")
        if "loaderId" in went:      # else only what stands behind the # is new
            async with asyncio.timeout(DEADLINE):
                await self._loaded.wait()

    async def js(self, script: str) -> object:
        """Return what an expression comes to in the page; a promise is waited for."""
        answer = await self.say("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script[:300]}: {json.dumps(answer['exceptionDetails'])[:600]}")
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true in the page. Raises AssertionError with what is seen instead."""
        end = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(RuntimeError):     # the page may be on its way to another
                if await self.js(f"Boolean({script})"):
                    return
            assert time.monotonic() < end, f"never: {script[:500]}\n{(await self.text())[:1500]}\n{self.said}"
            await asyncio.sleep(GLANCE)

    async def shows(self, words: str) -> None:
        """Wait until words can be read on the page."""
        await self.until(f"document.body.innerText.includes({json.dumps(words)})")

    async def text(self) -> str:
        """Return what can be read on the page."""
        return str(await self.js("document.body.innerText"))

    async def find(self, role: str, name: str) -> Element:
        """Wait for what has a role and a name for those who cannot see the page."""
        end = time.monotonic() + DEADLINE
        while True:
            root = (await self.say("DOM.getDocument", depth=0))["root"]["nodeId"]
            found = (await self.say("Accessibility.queryAXTree", nodeId=root, accessibleName=name, role=role))["nodes"]
            for node in found:
                if not node.get("ignored") and "backendDOMNodeId" in node:
                    resolved = await self.say("DOM.resolveNode", backendNodeId=node["backendDOMNodeId"])
                    return Element(self, resolved["object"]["objectId"])
            assert time.monotonic() < end, f"there is no {role} {name!r}\n{(await self.text())[:1500]}"
            await asyncio.sleep(GLANCE)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key."""
        code = _CODES.get(key, ord(key.upper()[0]) if len(key) == 1 and key.isalnum() else 0)
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = _TEXTS.get(key, key if len(key) == 1 else "")
        await self.say("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **about, **({"text": text} if text else {}))
        await self.say("Input.dispatchKeyEvent", type="keyUp", **about)

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self.say("Input.insertText", text=text)

    async def size(self, width: int, height: int) -> None:
        """Be as wide and high as this, in CSS pixels; what is narrower than 500 is a phone."""
        phone = width < 500
        await self.say("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        await self.say("Emulation.setTouchEmulationEnabled", enabled=phone)

    async def prefer(self, *, scheme: str = "light", motion: str = "no-preference") -> None:
        """Have the preferences of somebody's system."""
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]
        await self.say("Emulation.setEmulatedMedia", features=features)

    async def picture(self, file: Path) -> None:
        """Write what is seen, the whole length of the page, as a PNG."""
        size = (await self.say("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
        shot = await self.say("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        await asyncio.to_thread(file.write_bytes, base64.b64decode(shot["data"]))


MIDDLE = """el => {
  el.scrollIntoView({block: 'center', inline: 'nearest'});
  const box = el.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
}"""


class Element:
    """Something in a page."""

    def __init__(self, page: Page, handle: str) -> None:
        self._page = page
        self._handle = handle

    async def js(self, function: str, *given: object) -> object:
        """Return what a function of it comes to: `el => el.value`."""
        answer = await self._page.say(
            "Runtime.callFunctionOn", objectId=self._handle, functionDeclaration=f"function (...given) {{ return ({function})(this, ...given) }}",
            arguments=[{"value": each} for each in given], returnByValue=True, awaitPromise=True,
        )  # fmt: skip
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{function}: {json.dumps(answer['exceptionDetails'])[:600]}")
        return answer["result"].get("value")

    async def click(self) -> None:
        """Click it with the mouse, where it is, so that what covers it gets the click as it would from a person."""
        for kind in ("mouseMoved", "mouseMoved", "mousePressed", "mouseReleased"):      # once more where it has moved away, also out of sight
            x, y = await self.js(MIDDLE)
            about = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            await self._page.say("Input.dispatchMouseEvent", type=kind, x=x, y=y, **about)

    async def fill(self, text: str) -> None:
        """Write a text into a field as somebody would who types over what is there."""
        await self.js("el => { el.focus(); el.select() }")
        await self._page.type(text)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Browser]:
    """Connect to a browser, with a profile of its own for the length of the block."""
    async with aiohttp.ClientSession() as http, http.ws_connect(address, max_msg_size=0) as socket:
        browser = Browser(socket)
        listening = asyncio.create_task(browser.listen())
        browser.profile = (await browser.say("Target.createBrowserContext", disposeOnDetach=True))["browserContextId"]
        try:
            yield browser
        finally:
            await browser.say("Target.disposeBrowserContext", browserContextId=browser.profile)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
