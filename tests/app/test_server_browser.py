"""Who may show the workbench in a frame: no page of another address, nor of another port of this machine."""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.steps import no_error, open_page


@pytest.fixture
def elsewhere(app):
    """Address of a page that shows the app in a frame."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<button>Press</button><iframe src='{app}'></iframe>".encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/static/absent.js"])
def test_each_reply_says_that_only_its_own_pages_may_show_it(app, path):
    try:
        reply = urllib.request.urlopen(app + path)
    except urllib.error.HTTPError as error:
        reply = error
    assert reply.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert reply.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.slow
def test_a_page_elsewhere_cannot_show_the_app(app, elsewhere, tab):
    tab.goto(elsewhere)
    [framed] = [frame for frame in tab.frames if frame.parent_frame]
    framed.wait_for_load_state()
    assert "Groundwork" not in framed.content() and not framed.query_selector("#root")
    open_page(tab, f"{app}/query_store")  # the overview would prepare a corpus
    no_error(tab)
