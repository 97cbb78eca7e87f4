"""Text of other people in a real browser: what looks like markup stays text, runs nothing, and asks nothing of the network."""

import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app import navigation
from tests.faults import homes
from tests.faults.harness import Case, Lab, attack, forked, verb
from tests.support.annotated import judge, rating
from tests.support.browser import FLAGS, serving

MARK = "http://evil.invalid"  # nothing may ask for it
MARKUP = (
    f"<script>window.evil = 1</script> <img src='{MARK}/a.png' onerror='window.evil = 2'> ![x]({MARK}/b.png) !![x]({MARK}/c.png) "
    f"[link](javascript:window.evil=3) <b class='evil'>bold</b> <style>body {{ display: none }}</style> <iframe src='{MARK}/d'></iframe> "
    f"<svg onload='window.evil=4'> [ref]: {MARK}/e <{MARK}/f> $$\\href{{{MARK}/g}}{{x}}$$ </div></div> "
    f"<a href='{MARK}/h' class='evil'>a</a>"
)
LITERAL = "def f(x) -> int: x >= 1 and x <= 2 -- :material/home: :red[warm] $a$ *star* _under_ `tick` ~~gone~~ :smile: <- (c) ..."
PEOPLE = ("Ann", "Ben")


def hostile(place: Path) -> None:
    """A corpus, questions, an answer's study, its guidelines, labels and comments, all of them markup."""
    source = place.parent / "hostile"
    source.mkdir(exist_ok=True)
    for number in range(4):
        (source / f"text {number}.txt").write_text(f"Tea number {number}. {MARKUP}\n\n{LITERAL}\n\nIt is kept in a cool cellar.")
    questions = place.parent / "hostile.jsonl"
    asked = [
        {
            "id": f"q{n}",
            "question": f"Tea number {n}? {LITERAL} {MARKUP}",
            "document": f"text {n}.txt",
            "answer": f"Tea number {n}.",
        }
        for n in range(4)
    ]
    questions.write_text("\n".join(map(json.dumps, asked)))
    verb(place, "ingest", "hostile", source, "--questions", questions).well()
    forked(lambda: _study(place), place).well()
    recipe = ("--dataset", "hostile", *homes.CHUNKS, *homes.LSA, "--set", "fusion.part=sparse_only")
    verb(place, "run", *recipe, "--experiment", "hostile").well()


def _study(place: Path) -> int:
    from core.annotation import rounds
    from core.annotation.drawing import Candidate, draw
    from core.annotation.rubric import default_rubric
    from core.annotation.study import Passage
    from core.labs.experiments import book
    from core.labs.experiments.experiment import made
    from core.workbench import Workbench

    found = [
        Candidate(
            f"record-{n}",
            f"system {MARKUP}",
            "hostile",
            f"Tea {n}? {LITERAL} {MARKUP}",
            f"Tea. {LITERAL} {MARKUP}",
            (Passage(document_id=f"d{n}", title=MARKUP, start=0, end=9, text=f"{LITERAL} {MARKUP}"),),
            (MARKUP,),
        )
        for n in range(4)
    ]
    rubric = default_rubric()
    labels = tuple(label.model_copy(update={"title": f"{label.title} ![x]({MARK}/t.png) {MARKUP}"}) for label in rubric.labels)
    rubric = rubric.model_copy(update={"guidelines": f"{LITERAL}\n\n{MARKUP}", "labels": labels})
    study = rating(
        4, 0, rubrics=(rubric,), annotators=PEOPLE, per_item=2, id="hostile", title=MARKUP, question=MARKUP, items=draw(found, 4)
    )
    workbench = Workbench(place)
    book.save(
        workbench, made({"id": "hostile", "title": MARKUP[:200], "question": MARKUP, "note": MARKUP, "tags": [MARKUP[:60]]})
    )
    frozen = rounds.freeze(workbench, study, "main")
    for who in PEOPLE:
        for item in frozen.study.items[:3]:
            judge(workbench, frozen, who, item.id, rubric.labels[0 if who == "Ann" else 1].name, comment=MARKUP)
    return 0


ADDRESSED = {
    "corpus": ("browse_corpus", {"document": "text 1.txt"}),
    "questions": ("browse_corpus", {"tab": "Questions"}),
    "search": ("search_live", {"typed": "tea number 2"}),
    "label": ("label_answers", {"study": "hostile", "annotator": "Ann"}),
    "study": ("design_study", {"study": "hostile"}),
    "rubric": ("design_study", {"study": "hostile", "section": "Rubric"}),
    "agreement": ("measure_agreement", {"source": "hostile"}),
    "disputed": ("measure_agreement", {"source": "hostile", "view": "Disputed"}),
    "trials": ("compare_trials", {"experiment": "hostile"}),
    "run": ("run_study", {"study": "hostile"}),
    "sql": ("query_store", {"sql": "SELECT text, answers FROM questions"}),
    "paper": ("write_paper", {"paper": "hostile"}),
    "bad-address": ("search_live", {"fusion.weight": MARKUP, "typed": MARKUP}),
}
VIEWS = ADDRESSED | {page: (page, {}) for page in navigation.entries() if page not in dict(ADDRESSED.values())}
# where the text itself, character for character, is the point of the page
SHOWN = {
    "corpus": "def f(x) -> int: x >= 1 and x <= 2 -- :material/home:",
    "label": "def f(x) -> int: x >= 1 and x <= 2 -- :material/home:",
}


@attack("text", "markup in a corpus, questions, answers, guidelines, labels, comments, addresses: shown, never followed")
def browser(lab: Lab) -> Iterator[Case]:
    home = homes.copy(lab, hostile, lab.folder / "home")
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert binary, "this needs Chromium (Debian: chromium)"
    with serving(home) as address:
        for name in lab.sample(list(VIEWS), "browser"):
            yield Case(name, lambda name=name: seen(binary, address, name), 120.0)


def seen(binary: str, address: str, name: str) -> None:
    from playwright.sync_api import sync_playwright

    page, parameters = VIEWS[name]
    given = {
        "corpus.dataset": "hostile",
        "embedding.part": "lsa",
        "embedding.dimensions": "8",
        "chunking.part": "fixed",
        "chunking.size_tokens": "64",
        "fusion.part": "sparse_only",
        **parameters,
    }
    asked: list[str] = []
    with sync_playwright() as engine:
        tab = engine.chromium.launch_persistent_context(
            str(Path.cwd() / "profile"), executable_path=binary, args=FLAGS, viewport={"width": 1440, "height": 900}
        ).new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("dialog", lambda dialog: asked.append(f"{MARK}/dialog"))
        tab.goto(f"{address}/{page}?{urllib.parse.urlencode(given)}", timeout=60_000)
        tab.wait_for_selector("[data-testid=stMain] h1, [data-testid=stMain] h2", timeout=60_000)
        tab.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')", timeout=60_000)
        tab.wait_for_timeout(1500)
        found = _inspected(tab)
        text = tab.inner_text("[data-testid=stMain]") + " ".join(
            tab.eval_on_selector_all("iframe", "all => all.map(f => f.srcdoc || '')")
        )
    beyond = [url for url in asked if not url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))]
    assert not beyond, f"the page asks for {beyond[0][:100]}"
    assert not found["ran"], f"a script ran: {found['ran']}"
    assert not found["live"], f"live HTML: {found['live'][0][:200]}"
    assert not found["errors"], f"the page failed: {found['errors'][0][:200]}"
    if wanted := SHOWN.get(name):
        assert wanted in " ".join(text.split()), f"'{wanted}' is not shown as it is"


def _inspected(tab: Any) -> dict[str, Any]:
    return tab.evaluate(f"""() => ({{
        ran: window.evil || null,
        live: [...document.querySelectorAll('.evil, [src*="evil.invalid"], [href*="evil.invalid"], [href^="javascript:"], '
            + '[onerror], [onload]')]
            .map(one => one.outerHTML),
        errors: [...document.querySelectorAll('[data-testid=stException]')].map(one => one.innerText)
    }}) /* {MARK} */""")
