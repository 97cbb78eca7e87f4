"""What a press costs stands beside it: time, count, memory, of every button that starts a job."""

import ast
import json
import re

import pytest

from core.models.adapters import RECORD, SETTINGS, WEIGHTS
from core.pipeline.usual import USUAL
from core.progress import drain
from core.workbench import Workbench
from tests.app.test_frame import QUESTIONS, TEXTS
from tests.pages.test_train_adapter import record
from tests.support.presses import unpriced
from tests.support.prices import TAG
from tests.support.screen import visit
from tests.support.sources import PAGES, SCREENS, name_of, nodes_of

# callbacks that leave their work to the run that follows
ORDERS = {("app/ui/answers/asking.py", "ask"), ("app/ui/sampling/writing.py", "order"), ("app/ui/encoders/press.py", "keep")}
# whose press does work and is no `jobs.press_button`, and where its price is told, or why it has none
ELSEWHERE = {
    ("app/ui/answers/asking.py", "'Ask'"): "below the box",
    ("app/ui/answers/asking.py", "'Ask again'"): "below the box",
    ("app/ui/answers/asking.py", "cards.plain(query.text)"): "an example, asked as from the box",
    ("app/ui/encoders/press.py", "'Cancel'"): "takes a press back",
    ("app/ui/experiments/here.py", "label"): "in the panel, of the whole study",
    ("app/ui/experiments/running.py", "label"): "in the panel, of the whole study",
    ("app/ui/forms.py", "'Apply'"): "above it",
    ("app/ui/inside/tokenizers.py", "'Train'"): "beside the form's button",
    ("app/ui/sampling/writing.py", "'Write again'"): "as long as the answer that stands there took",
    ("app/ui/serving/service.py", "'Start the service'"): "has no end: it is up until it is stopped",
    ("app/ui/studies/export.py", "'Write'"): "a study's labels as files: a moment",
    ("app/ui/studies/record.py", "'Check it'"): "a study's versions and labels read: a moment",
}
# verbs of presses whose phases are always timed, or told by what stands on the page
TIMED = {"ablate", "ask", "ask-again", "choose-on-dev", "curve", "prepare"}


def test_a_press_that_does_work_is_drawn_with_its_price():
    """`jobs.press_button`, and `start_button` for jobs, take a `Forecast` and draw it beside the button."""
    assert set(unpriced(ORDERS)) == set(ELSEWHERE)


def test_jobs_are_started_in_one_place_that_keeps_what_was_told():
    """`jobs.start` hands the job its price, by which `jobs estimates` judges it; what is up until it is stopped has none."""
    starts = {
        name_of(path)
        for path in SCREENS
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("workbench().jobs.start")
    }
    assert starts == {"app/ui/jobs.py", "app/ui/serving/service.py"}


def test_what_never_ran_here_has_a_rough_price():
    """Each verb of a press is in `USUAL`, or its phases are timed."""
    calls = (node for path in SCREENS for node in nodes_of(path) if isinstance(node, ast.Call))
    presses = (call for call in calls if ast.unparse(call.func) in ("jobs.Press", "Press"))
    verbs = {call.args[0].value for call in presses if isinstance(call.args[0], ast.Constant)}
    assert verbs - TIMED <= USUAL.keys() and len(verbs) > 20


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    asked = "\n".join(json.dumps(question) for question in QUESTIONS).encode()
    files = [(name, text.encode()) for name, text in TEXTS.items()]
    drain(Workbench(home).library.ingest("tiny", files, ("questions.jsonl", asked)))
    folder = home / "adapters" / "mine"
    folder.mkdir(parents=True)
    for file in (WEIGHTS, SETTINGS):
        (folder / file).write_text("{}")
    (folder / RECORD).write_text(json.dumps(record()))
    return home


def pressed(block, inside=()):
    """(a button that starts a job, the texts that stand beside it in its container)."""
    children = list(block.children.values())
    for child in children:
        if child.type == "button" and (child.key or "").startswith(("start/", "adapter/start", "head/start", "train/start")):
            yield child, [other.value for other in children if other.type == "caption"]
        if hasattr(child, "children"):
            yield from pressed(child)


TIME = re.compile(r"\d+(:\d\d)? (s|min|h)\b")  # never silence: a range, however rough
# pages that offer work on a corpus that nothing was computed of
READY_LATER = (
    "ask_model compare_adapters compare_encoders explain_failures overview score_answers search_live train_adapter tune_index"
)


@pytest.mark.slow
@pytest.mark.parametrize("page", [path.stem for path in PAGES])
@pytest.mark.parametrize("corpus", [pytest.param("tiny", marks=pytest.mark.slow), "python-reference"])
def test_each_button_that_starts_a_job_has_its_price_beside_it(bench, monkeypatch, page, corpus):
    """On a corpus that is ready at once, and on one that is not."""
    monkeypatch.setattr(type(bench.jobs), "start", lambda self, arguments, label, *_: "")
    # of the default recipe the first page starts the job by itself
    app = visit(page, {"corpus.dataset": corpus, "evaluation.k": 9})
    assert not app.exception
    buttons = list(pressed(app.main))
    assert buttons or corpus == "tiny" or page not in READY_LATER.split()
    for button, beside in buttons:
        told = [text for text in beside if text.startswith(TAG)]
        assert told and all(TIME.search(text) for text in told), (button.key, beside)
