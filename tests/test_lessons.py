"""docs/lessons.md and the README's tour: their addresses open what they say, and their commands and names are there."""

import re
import shlex
from urllib.parse import parse_qsl, urlsplit

import pytest

from app import navigation, session
from core.__main__ import parse
from core.cli.frame import Call
from core.config import TrialConfig, difference, with_settings
from core.workbench import Workbench
from tests.support.screen import visit
from tests.support.sources import ROOT

LESSONS = (ROOT / "docs/lessons.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
TOUR = README.partition("## A tour in five minutes")[2].partition("### Every page")[0]
ADDRESSES = re.findall(r"\]\((http://127\.0\.0\.1:8501/[^)]+)\)", LESSONS)
STAGES = tuple(session.FIELDS)


def opened(address: str) -> tuple[str, dict[str, str]]:
    """A page, and what its address says."""
    parts = urlsplit(address)
    return parts.path.strip("/"), dict(parse_qsl(parts.query, strict_parsing=True))


def settings(said: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in said.items() if key.partition(".")[0] in STAGES}


def test_a_lesson_asks_links_and_keeps_its_answer_folded():
    lessons = LESSONS.split("\n## ")[1:]
    assert len(lessons) == 9
    for lesson in lessons:
        asks, _, answer = lesson.partition("<details>")
        assert "?*" in asks and "http://127.0.0.1:8501/" in asks and "</details>" in answer, lesson.partition("\n")[0]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_of_a_page_and_its_settings_are_valid(address):
    page, said = opened(address)
    assert page in navigation.entries() and said
    for name in ("", "baseline."):
        own = {key.removeprefix(name): value for key, value in said.items() if key.startswith(name)}
        with_settings(TrialConfig(), settings(own))


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_opens_what_the_lesson_is_of(address, tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    page, said = opened(address)
    app = visit(page, said)
    assert not app.exception and not [error.value for error in app.error]
    assert difference(app.session_state["recipes"]["current"], with_settings(TrialConfig(), settings(said))) == {}
    views = {key for key in said if key.endswith("view")}
    assert {key: app.session_state[key] for key in views} == {key: said[key] for key in views}
    assert "was left out" not in " ".join(note.value for note in app.warning), "a setting of the address"
    offered = {box.key: box.options for box in (*app.selectbox, *app.multiselect)}  # an address holds what a value is called
    asked = parse_qsl(urlsplit(address).query)
    assert not [value for key, value in asked if key in offered and value not in offered[key]]


def test_every_command_of_the_readme_and_the_lessons_is_one():
    lines = [line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    commands = [line.partition("  #")[0].partition("python -m core ")[2] for line in lines if "python -m core " in line]
    assert len(commands) > 8
    for command in commands:
        assert isinstance(parse(shlex.split(command)), Call), command
    assert {"make app", "make test"} <= {line.partition("#")[0].strip() for line in lines}


def test_every_name_in_the_tour_is_on_a_screen():
    """A press or page that was renamed is renamed here too."""
    texts = "\n".join(path.read_text("utf-8") for top in ("app", "pages", "core") for path in (ROOT / top).rglob("*.py"))
    names = set(re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", TOUR))
    assert len(names) > 20
    missing = {name for name in names if f'"{name}' not in texts and name.lower().replace(" ", "_") not in texts}
    assert missing == set()


@pytest.mark.slow
def test_every_page_of_the_tour_opens(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    pages = dict.fromkeys(re.findall(r"docs/guide/(\w+)\.md", TOUR))
    assert len(pages) > 10
    for page in pages:
        app = visit(page)
        assert not app.exception and not app.error, page
