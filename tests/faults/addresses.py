"""Every page with what an address may hold: unknown ids, values that no widget offers, settings that are not valid."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.faults import homes
from tests.faults.__main__ import ROOT
from tests.faults.harness import Case, Lab, attack, forked
from tests.support.hostile_texts import TEXTS

BOUND = re.compile(r'key=f?"([a-z_]+)"[^\n]*\n?[^\n]*bind="query-params"')
READ = re.compile(r'query_params(?:\.get\(|\[)"([a-z_]+)"')
VALUES = (
    "",
    " ",
    "-1",
    "0",
    "999999999999",
    "1e400",
    "nan",
    "9" * 5000,
    "0.5",
    "true",
    "none",
    "null",
    "[]",
    "{}",
    "[" * 500,
    '"',
    "all",
    "nothing-like-it",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "![x](http://127.0.0.1:1/x.png)",
    ":material/home:",
    "\u202e\x00\ud7ff",
    "😀" * 300,
    "a,b,,c",
    "' OR 1=1 --",
    "%00",
    "01m7xpzz00jdnmankq1gs6d5em",
    "python-reference",
    "toy",
    "x" * 20_000,
    "__class__",
    "0x10",
    "１２",
    "-0",
    "2001-01-01",
)
HOSTILE = [text for text in TEXTS.values() if len(text) < 200_000 and text.isascii()]  # as a browser sends it
VALUES = (*VALUES, *(text for text in HOSTILE if len(text) < 20_000))
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
BASE = {
    "corpus.dataset": "towns",
    "embedding.part": "lsa",
    "embedding.dimensions": "8",
    "chunking.part": "fixed",
    "fusion.part": "sparse_only",
}


def parameters() -> list[str]:
    """Everything that a page reads from its address, as the code says it."""
    texts = [path.read_text("utf-8") for folder in ("app", "pages") for path in (ROOT / folder).rglob("*.py")]
    return sorted({name for text in texts for pattern in (BOUND, READ) for name in pattern.findall(text)})


def opened(page: str, address: dict[str, str]) -> Any:
    """The page at this address, as a session of the app draws it; what is wrong with it raises."""
    from streamlit.testing.v1 import AppTest

    from tests.support.played_model import play

    class Patch:  # what play() asks of a monkeypatch; this process ends after the page
        setattr = staticmethod(lambda target, name, value, raising=True: setattr(target, name, value))

    play(Patch)
    app = AppTest.from_file(ROOT / "app" / "main.py", default_timeout=120).run()
    assert not app.exception, f"the first page: {app.exception[0].value}"
    app.switch_page(str(ROOT / "pages" / f"{page}.py"))
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    if not app.exception and not any("Traceback" in code.value for code in app.code):
        app.run()  # what the first run wrote back is read again
    return calm(app)


def calm(app: Any) -> Any:
    """The page as drawn, which says in words what is wrong."""
    assert not app.exception, f"{app.exception[0].message}"
    traces = [code.value for code in app.code if "Traceback" in code.value]
    assert not traces, f"a traceback: {traces[0].strip().splitlines()[-1][:250]}"
    return app


def visited(
    lab: Lab,
    name: str,
    values: Sequence[str],
    address: Callable[[str, Random], dict[str, str]],
    act: Callable[[Any, str, Random], None] = lambda app, value, rng: None,
) -> Iterator[Case]:
    """Each page with each value: in the address that `address` draws, or where `act` puts it on the page."""
    homes.copy(lab, homes.measured, lab.folder / name)

    def check(page: str, value: str, rng: Random) -> None:
        given = address(value, rng)
        home = homes.copy(lab, homes.measured, Path.cwd() / "home")

        def work() -> int:
            act(opened(page, {**BASE, **given}), value, rng)
            return 0

        ran = forked(work, home, limit_s=60)
        shown = "&".join(f"{key}={text[:40]}" for key, text in given.items()) or ascii(value[:40])
        assert not ran.code, f"{page}?{shown}: {ran.err.strip().splitlines()[-1][:250] if ran.err.strip() else ran.code}"

    return lab.swept(name, dict.fromkeys(PAGES, values), check, 75.0)


@attack("addresses", "each page: values that none of its widgets offers, ids that are not here")
def widgets(lab: Lab) -> Iterator[Case]:
    known = parameters()

    def address(value: str, rng: Random) -> dict[str, str]:
        return {name: rng.choice((value, rng.choice(VALUES))) for name in known if rng.random() < 0.6}

    return visited(lab, "widgets", VALUES, address)


@attack("addresses", "each page: settings of the recipe that are not valid")
def settings(lab: Lab) -> Iterator[Case]:
    def address(value: str, rng: Random) -> dict[str, str]:
        from core.cli.parts import settings

        paths = [one["setting"] for one in settings() if not one["setting"].startswith(("corpus.dataset", "embedding"))]
        chosen = rng.sample(paths, 8)
        names = rng.choice([("",), ("", "baseline."), ("", "other.", "..")])
        return {f"{rng.choice(names)}{path}": rng.choice((value, rng.choice(VALUES))) for path in chosen} | {
            rng.choice(["seed", "baseline", "nonsense.x"]): "x"
        }

    return visited(lab, "settings", VALUES, address)


@attack("addresses", "each page alone, with nothing in its address but the corpus")
def plain(lab: Lab) -> Iterator[Case]:
    return visited(lab, "plain", [""], lambda value, rng: {})


@attack("addresses", "each page: its boxes for text, filled with what no text should be")
def boxes(lab: Lab) -> Iterator[Case]:
    def act(app: Any, value: str, rng: Random) -> None:
        many = [(kind, place) for kind in ("text_area", "text_input") for place in range(len(app.get(kind)))]
        for kind, place in rng.sample(many, min(4, len(many))):
            if place < len(app.get(kind)):  # the page may be another by now
                calm(app.get(kind)[place].set_value(value).run())

    return visited(lab, "boxes", HOSTILE, lambda value, rng: {}, act)
