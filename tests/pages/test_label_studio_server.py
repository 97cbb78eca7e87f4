"""Labels to a Label Studio server and back, through the page Study design: jobs of their own, the SDK, and a server that
answers as Label Studio does. What goes wrong is told on the page, the key is told nowhere, and nothing is lost."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from core.annotation import latest, rounds, saving
from core.annotation.labels import blank
from core.workbench import Workbench
from tests.support.annotated import rating
from tests.support.screen import visit

pytestmark = pytest.mark.slow  # each job is a process of its own, and starts the SDK in another
KEY = "0123456789abcdef-secret"


class Server(ThreadingHTTPServer):
    """One project, kept as it was sent."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.project: dict = {}
        self.tasks: list[dict] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if not self.allowed():
            return
        if self.path.startswith("/api/projects/7/import"):
            self.server.tasks = given
            return self.say(201, {"task_count": len(given)})
        self.server.project = given
        self.say(201, {"id": 7, **given})

    def do_GET(self):
        if not self.allowed():
            return
        if self.path.startswith("/api/version"):
            return self.say(200, {"release": "1.20.0", "edition": "Community"})
        if self.path.startswith("/api/projects/7/export"):
            return self.say(200, [{"id": n, **task} for n, task in enumerate(self.server.tasks, 1)])
        self.say(404, {"detail": "Not found."})

    def allowed(self) -> bool:
        if self.headers["Authorization"] != f"Token {KEY}":
            self.say(401, {"detail": "Invalid token."})
            return False
        return True

    def say(self, status: int, what) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A study of two items that one of two people labelled."""
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    frozen = rounds.freeze(bench, rating(2, 0, annotators=("Ann", "Ben"), per_item=2), "main")
    for item in frozen.study.items:
        empty = blank(frozen.study, "main", item, "Ann")
        saving.label(bench, frozen, empty.model_copy(update={"sentences": (("supported", "partly"),), "helpful": (4,)}))
    return bench


def open_page(url: str) -> AppTest:
    app = visit("design_study", {"study": "toy", "section": "Record"})
    return sound(app.text_input(key="label_studio_url").set_value(url).run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception and "unexpected error" not in words(app)
    return app


def words(app: AppTest) -> str:
    shown = [*app.text, *app.caption, *app.error, *app.warning, *app.success, *app.info, *app.markdown, *app.code]
    return " ".join([str(one.value) for one in shown] + [one.proto.body for one in app.get("html")])


def ended(app: AppTest, bench: Workbench, button: str) -> AppTest:
    """Presses a button that starts a job, waits for its end, and draws the page again; the key is told nowhere."""
    sound(next(one for one in app.button if one.label == button).click().run())
    deadline = time.monotonic() + 600
    while any(job.active for job in bench.jobs.list()) and time.monotonic() < deadline:
        time.sleep(0.1)
    app = sound(app.run())
    kept = [path.read_text() for path in (bench.home / "jobs").rglob("*") if path.is_file()]
    assert kept and not any(KEY in text or "wrong-key" in text for text in [words(app), *kept])
    return app


def said(bench: Workbench) -> dict:
    return {(one.annotator, one.item): (one.sentences, one.helpful) for one in latest.labels(bench, "toy")}


def test_labels_go_to_the_server_and_what_is_changed_there_comes_back(bench, server, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
    before = said(bench)
    app = ended(open_page(server.url), bench, "Push as a new project")
    assert "Project 7, 2 tasks" in words(app)
    assert "sentence_1" in server.project["label_config"] and len(server.tasks) == 2
    app = sound(app.number_input(key="label_studio_project").set_value(7).run())
    app = ended(app, bench, "Pull its labels")
    assert "0 labels added, 2 were here already" in words(app) and said(bench) == before

    task = server.tasks[0]
    regions = task["annotations"][0]["result"]
    next(one for one in regions if one["from_name"] == "sentence_1")["value"]["labels"] = ["contradicted"]
    task["annotations"].append(
        {
            **task["annotations"][0],
            "completed_by": {"email": "ben@example.org"},
            "result": [one for one in regions if one["from_name"] != "record"],
        }
    )
    app = ended(app, bench, "Pull its labels")
    assert "'ben@example.org' is no annotator of the main round" in words(app) and "'Ann' has a different label" in words(app)
    assert said(bench) == before
    app = sound(app.text_area(key="label_studio_names").set_value("ben@example.org = Ben").run())
    app = sound(app.toggle(key="label_studio_replace").set_value(True).run())
    app = ended(app, bench, "Pull its labels")
    assert "2 labels added, 1 of them in place of others, 1 were here already" in words(app)
    item = task["data"]["item"]
    changed = ((("contradicted", "partly"),), (4,))
    assert said(bench) == {**before, ("Ann", item): changed, ("Ben", item): changed}


def test_no_server_wrong_key_and_no_key_are_told_and_the_job_can_go_on(bench, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = said(bench)
    app = ended(open_page(f"http://127.0.0.1:{port}"), bench, "Push as a new project")
    assert "There is no key for the Label Studio server." in words(app) and "LABEL_STUDIO_API_KEY" in words(app)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "wrong-key")
    app = ended(app, bench, "Resume")
    assert "Label Studio does not answer" in words(app) and "Is it running, at this address?" in words(app)
    server = Server(port)
    try:
        app = ended(app, bench, "Resume")
        assert "Invalid token" in words(app) and "Check the address and the key." in words(app)
        assert not server.project
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
        app = ended(app, bench, "Resume")
        assert "Project 7, 2 tasks" in words(app) and len(server.tasks) == 2
        assert said(bench) == before
    finally:
        server.shutdown()
        server.server_close()
