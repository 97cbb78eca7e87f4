"""A real Label Studio server: a study goes there and comes back as it was.

LABEL_STUDIO_PYTHON names the python of an environment with label-studio and label-studio-sdk; where it is unset, one is
made in the user's cache on the first run, which takes minutes and a network.
"""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from core.annotation import exports, imports, label_files, latest, rounds, saving
from core.annotation.assignment import assignment
from core.annotation.labels import Span, blank
from core.workbench import Workbench
from tests.support.annotated import pairs, rating

pytestmark = pytest.mark.slow
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundwork-label-studio"
START_S = 480  # its first migration of a new database takes minutes on a busy disk


@pytest.fixture(scope="module")
def python() -> Path:
    if given := os.environ.get("LABEL_STUDIO_PYTHON"):
        return Path(given)
    path = CACHE / "bin" / "python"
    if not (CACHE / "bin" / "label-studio").exists():
        for command in (
            [sys.executable, "-m", "venv", CACHE],
            [path, "-m", "pip", "install", "--quiet", "label-studio", "label-studio-sdk==2.1.2"],
        ):
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"label-studio cannot be installed here: {made.stderr.strip().splitlines()[-1:]}")
    return path


@pytest.fixture(scope="module")
def server(python, tmp_path_factory, port):
    """(address, key) of a server on this machine, with a data folder of its own."""
    home, key = tmp_path_factory.mktemp("label-studio"), secrets.token_hex(20)
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(home),
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_USERNAME": "owner@example.org",
        "LABEL_STUDIO_PASSWORD": secrets.token_hex(8),
        "LABEL_STUDIO_USER_TOKEN": key,
    }
    command = [python.with_name("label-studio"), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    with open(home / "log.txt", "w") as log:
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"the server does not start: {(home / 'log.txt').read_text()[-500:]}")
            time.sleep(1)
        yield url, key
    finally:
        child.terminate()
        child.wait(120)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("made", [rating(6, 0), pairs(4, ask=("sentences", "helpful", "preference"))], ids=["rating", "pairs"])
def test_a_study_goes_to_the_server_and_comes_back(made, server, python, tmp_path, monkeypatch):
    url, key = server
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
    monkeypatch.setenv("LABEL_STUDIO_PYTHON", str(python))
    study = made.model_copy(update={"items": tuple(item.model_copy(update={"round": "main"}) for item in made.items)})
    first, second = Workbench(tmp_path / "first"), Workbench(tmp_path / "second")
    frozen = rounds.freeze(first, study, "main")
    rounds.freeze(second, study, "main")
    for number, (who, items) in enumerate(assignment(study, "main").items()):
        for item in items:
            empty = blank(study, "main", study.item(item), who)
            saving.label(
                first,
                frozen,
                empty.model_copy(
                    update={
                        "sentences": tuple(
                            tuple(study.names[(number + n) % 5] for n in range(len(one))) for one in empty.sentences
                        ),
                        "helpful": (number + 1,) * len(empty.helpful),
                        "spans": (Span(response=0, first=1, last=3),),
                        "seconds": 3.25,
                        "preference": ("a", "b", "tie")[number] if study.kind == "pairs" else None,
                        "comment": "<i>Ω</i> 😀\nline",
                    }
                ),
            )
    project = exports.push(first, study.id, url)
    assert project["tasks"] == len(study.items)
    found = imports.pull(second, study.id, project["project"], url)
    sent = {one.id: one for one in latest.labels(first, study.id)}
    assert (found.added, found.problems) == (len(sent), ())
    assert {one.id: one.model_copy(update={"origin": ""}) for one in latest.labels(second, study.id)} == sent
    assert imports.pull(second, study.id, project["project"], url)[:2] == (0, len(sent))
    _relabel(url, key, project["project"])
    with pytest.raises(label_files.ImportProblems, match="has a different label"):
        imports.pull(first, study.id, project["project"], url)
    again = imports.pull(first, study.id, project["project"], url, replace=True)
    assert again.added == again.replaced == 1 and "not_in_context" in str(
        [one.sentences for one in latest.labels(first, study.id) if one.replaces]
    )


def _relabel(url: str, key: str, project: int) -> None:
    """Changes one sentence's label on the server, as a person would there."""

    def ask(path: str, method: str = "GET", body: dict | None = None):
        request = urllib.request.Request(
            f"{url}/api/{path}",
            json.dumps(body).encode() if body else None,
            method=method,
            headers={"Authorization": f"Token {key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    annotation = ask(f"projects/{project}/export?exportType=JSON")[0]["annotations"][0]
    region = next(one for one in annotation["result"] if one["from_name"] == "sentence_1")
    region["value"]["labels"] = ["cannot_judge" if region["value"]["labels"] == ["not_in_context"] else "not_in_context"]
    ask(f"annotations/{annotation['id']}/", "PATCH", {"result": annotation["result"]})
