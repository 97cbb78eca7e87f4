"""A small served corpus: a played model, and an application over a real socket."""

import socket
import threading
import time

import httpx2
import pytest

from core.serving.web import ServiceLimits, make_app
from tests.support.failing import prepared

template = prepared


@pytest.fixture
def serve(monkeypatch):
    """Serves an application over a real socket on this machine; gives a client of it. Stopped at the test's end."""
    import uvicorn

    monkeypatch.setattr("core.serving.service.QUICK_S", float("inf"))  # as on a machine that is not busy
    servers = []

    def start(service, limits=ServiceLimits(), keys=None, recorder=None, against=None):  # noqa: B008
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(make_app(service, limits, keys, recorder, against), log_level="error", timeout_graceful_shutdown=5)
        )
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        client = httpx2.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=120)
        servers.append((server, thread, client))
        while client.get("/ready").status_code == 503 and service.missing == "It is starting.":
            time.sleep(0.01)
        return client

    yield start
    for server, thread, client in servers:
        client.close()
        server.should_exit = True
        thread.join(60)
