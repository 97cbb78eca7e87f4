"""A third retriever is one file: a second dense one, added in a copy of the project, is in recipe, forms, keys, pool and store."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = '''"""Vectors of a second encoder."""

from typing import Literal

import numpy as np

from core import registry
from core.config import knob
from core.registry import part
from core.retrieval.retriever import Retriever


@part("retriever")
class SecondDense(Retriever):
    """Chunks nearest by another encoder than the recipe's, searched exactly. Choose it where two encoders find different things."""

    part: Literal["second_dense"] = "second_dense"
    pooling: Literal["mean", "cls"] = knob("cls", "How the vectors of the tokens become one.")

    def encoder(self):
        return registry.find("encoder", "minilm")(pooling=self.pooling)

    def identity(self) -> str:
        return self.encoder().identity()

    def build(self, tools):
        return (yield from tools.embed(self.encoder(), tools.texts))

    def scores(self, built, questions, tools):
        asked = yield from tools.embed(self.encoder(), questions, True)
        return (asked @ built.T).astype(np.float32)
'''
USE = """
import json, sys
import numpy as np
from core.cli.parts import settings
from core.config import TrialConfig, with_settings
from core.pipeline.stages import pooled
from core.progress import drain
from core.workbench import Workbench
from streamlit.testing.v1 import AppTest

bench = Workbench(sys.argv[1])
texts = [("a.txt", b"Green tea is steeped at eighty degrees."), ("b.txt", b"Black tea takes boiling water."),
         ("c.txt", b"Coffee is ground."), ("d.txt", b"Kites fly.")]
questions = json.dumps({"id": "q", "text": "How hot for green tea?", "document": "a.txt"}).encode()
drain(bench.library.ingest("tea", texts, ("questions.jsonl", questions)))
two = with_settings(TrialConfig(), {"corpus.dataset": "tea"})
three = with_settings(two, {"retriever_3": "second_dense"})
alone = with_settings(two, {"retrievers": ["second_dense"]})
form = "from app import session; from app.ui import forms; session.start('here'); forms.recipe_form()"
page = AppTest.from_string(form, default_timeout=120)
page.query_params["retriever_3.part"] = "second_dense"
page.run()
plan = bench.plan(three)
made = {name: bench.evaluate(config) for name, config in {"two": two, "three": three, "alone": alone}.items()}
mean = with_settings(three, {"retriever_3.pooling": "mean"})
same = bench.evaluate(mean).pool.score
hits = bench.search(three, "How hot for green tea?")
trial = bench.run(three)
trial = drain(trial)
again = Workbench(sys.argv[1])
told = again.evaluate(three).trace
print(json.dumps({
    "pools": {name: list(each.pool.score) for name, each in made.items()},
    "mean is dense": bool(np.allclose(same["dense"], same["retrieved_3"], atol=1e-5, equal_nan=True)),
    "scores": sorted(hits[0].scores),
    "planned": [phase.what for phase in plan.phases] + [plan.live],
    "live then": bench.plan(three).live,
    "kept": told.cached["retrieved_3"],
    "shared": made["two"].run.key("dense") == made["three"].run.key("dense"),
    "latency": list(drain(bench.latency(three, 1))),
    "settings": [row["setting"] for row in settings() if "pooling" in row["setting"] and row["part"] == "second_dense"],
    "forms": [each.label.split("**")[1] for each in page.expander],
    "failed": [each.message for each in page.exception],
    "row": bench.store.query("SELECT retriever_3, made_name FROM trials"),
    "command": bench.command(three),
    "weights": [bench.evaluate(with_settings(three, {"fusion.weight": w})).intervals["mrr"].mean for w in (0, 1)],
}))
"""


@pytest.mark.slow
def test_a_third_retriever_is_one_file(tmp_path):
    copy = tmp_path / "copy"
    for folder in ("core", "app", "pages", "docs", "datasets", "annotations", "tests", ".streamlit"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "core/retrieval/second_dense.py").write_text(FILE)

    def run(*words: str) -> str:
        done = subprocess.run([sys.executable, *words], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout

    home = str(tmp_path / "home")
    told = json.loads(run("-c", USE, home).splitlines()[-1])
    assert told["pools"] == {"two": ["sparse", "dense"], "three": ["sparse", "dense", "retrieved_3"], "alone": ["retrieved"]}
    assert told["mean is dense"] and told["scores"] == ["dense", "retrieved_3", "sparse"]
    assert told["planned"][-1] is False and "third retriever of 1 questions" in told["planned"] and told["live then"]
    assert told["kept"] and told["shared"] and "retrieved_3" in told["latency"]
    assert told["settings"][2] == "retriever_3.pooling" and told["failed"] == []
    assert [title for title in told["forms"] if "retriever" in title] == [
        f"{n} retriever" for n in ("First", "Second", "Third", "Fourth")
    ]
    assert told["row"][0]["retriever_3"] == "second_dense" and "second dense" in told["row"][0]["made_name"]
    assert "retriever_3.part=second_dense" in told["command"]
    assert "second_dense" in run("-m", "core", "list", "retriever")
    run("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/contract/test_retrievers.py", "-k", "second_dense")
