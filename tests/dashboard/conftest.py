"""The pages of a crawl at rest, asked as a browser on this machine would."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import unused_port

from crawler.dashboard.app import make_app

TOKEN = "the-right-token"


@pytest.fixture
def token():
    return TOKEN


@pytest.fixture
def serving(aiohttp_client):
    """Serve a folder; what comes back asks it."""

    async def serve(folder):
        port = unused_port()
        app = await asyncio.to_thread(make_app, folder, hosts=frozenset({f"127.0.0.1:{port}"}), token=TOKEN)
        return await aiohttp_client(app, server_kwargs={"port": port})

    return serve


@pytest.fixture
async def client(serving, demo_crawl):
    """The pages of a crawl of the demo site."""
    return await serving(demo_crawl)
