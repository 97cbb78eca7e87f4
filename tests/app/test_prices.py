"""What a press costs stands beside it: time, count, memory, of every button that starts a job."""

import ast
import json

import pytest

from core.models.adapters import RECORD, SETTINGS, WEIGHTS
from core.progress import drain
from core.workbench import Workbench
from tests.app.test_frame import QUESTIONS, TEXTS
from tests.pages.test_train_adapter import record
from tests.support.prices import TAG
from tests.support.screen import visit
from tests.support.sources import PAGES, SCREENS, name_of, tree_of

# who starts a job other than by a button of `jobs`, and where its price is told
ELSEWHERE = {
    "app/ui/corpus/own.py": "beside the form's button",
    "app/ui/experiments/here.py": "in the panel, of the whole study",
    "app/ui/experiments/running.py": "in the panel, of the whole study",
    "app/ui/forms.py": "above Apply",
    "app/ui/overview/beginning.py": "no press: the built-in corpus is prepared at the first start",
    "app/ui/search/answers.py": "a switch, beside whose job the price of all answers is told",
}


def starts(path) -> bool:
    calls = (node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))
    return any(isinstance(call, ast.Attribute) and ast.unparse(call).endswith("jobs.start") for call in calls)


def test_jobs_are_started_by_buttons_that_tell_their_price():
    """`jobs.start_button`, `train_button` and `prepare_button` take a `Forecast`, and draw it."""
    assert {name_of(path) for path in SCREENS if starts(path)} == {"app/ui/jobs.py", *ELSEWHERE}


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
        assert any(text.startswith(TAG) for text in beside), (button.key, beside)
