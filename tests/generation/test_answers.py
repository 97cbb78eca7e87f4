"""Answers through the workbench: stored with their receipt, failures as failures, and no model made ready in silence."""

import json
import threading
from typing import ClassVar

import pytest

from core.answering import answer as module
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated, TextGenerator
from core.progress import Running, drain
from core.records import Progress, Token
from core.store import rows, tables
from core.store.journal import Record
from core.workbench import Workbench


class Played(TextGenerator):
    """An engine that answers with a fixed text, or fails."""

    part: str = "played"
    says: str = "Paris [1]."
    fails: str = ""
    weights: str = "auto"

    def identity(self):
        return "played 1"

    def count_tokens(self, text):
        return len(text.split())

    def converts(self):
        return self.weights == "auto"

    def usable(self):
        return self.model_copy(update={"weights": "as_bundled"})

    def generate(self, messages, seed=0, deadline_s=120.0):
        if self.fails == "raises":
            raise WorkbenchError("The endpoint does not accept the key (HTTP 401).", todo="Put a valid key there.")
        yield self.says
        text, reason = ("", "failed: refusal") if self.fails else (self.says, "stop")
        return Generated(
            text, reason, "prompt", None, None, None, 1.0, 2.0, "m-1", "", (Token("Paris", -0.5, (("Rome", -1.5),)),), 2, 0.25
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Workbench(tmp_path_factory.mktemp("home"))
    drain(bench.library.ingest("tiny", [("france.txt", b"Paris is the capital of France.")]))
    return bench


def ask(bench, verb="ask", *more, **settings):
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "tiny", "fusion.part": "sparse_only"})
    recipe = recipe.model_copy(update={"generation": Played(**settings)})
    steps = list(running := Running(getattr(bench, verb)(recipe, "What is the capital of France?", *more)))
    return steps, running.result


def newest(bench):
    return bench.store.query("SELECT * FROM answers ORDER BY id DESC LIMIT 1")[0]


def test_an_answer_is_stored_with_what_made_it_and_what_is_not_known_is_null(bench):
    _, result = ask(bench)
    row = newest(bench)
    assert row["text"] == result.text == "Paris [1]." and row["engine"] == "played" and row["model"] == "m-1"
    assert row["answering"] == "one_prompt" and row["detail"] is None
    assert [row[name] for name in ("prompt_tokens", "reused_tokens", "answer_tokens", "model_sha256")] == [None] * 4
    assert row["cost_usd"] == 0.25 and row["retries"] == 2 and row["seed"] == 0
    assert json.loads(row["tokens"]) == [["Paris", -0.5, [["Rome", -1.5]]]] or json.loads(row["tokens"])[0]["text"] == "Paris"
    kept = json.loads(row["receipt"])
    assert kept["settings"]["weights"] == "as_bundled" and kept["text_sha256"] == result.receipt.text_sha256


def test_a_failure_is_stored_as_one_and_never_as_an_empty_answer(bench):
    with pytest.raises(WorkbenchError, match="401"):
        ask(bench, fails="raises")
    row = newest(bench)
    assert row["text"] is None and "does not accept the key" in row["finish_reason"] and row["receipt"] is None
    assert json.loads(row["hits"])[0]["document_id"] == "france.txt"
    _, result = ask(bench, fails="refusal")
    assert newest(bench)["text"] is None and newest(bench)["finish_reason"] == result.finish_reason == "failed: refusal"


def test_a_stopped_answer_is_not_stored(bench):
    before = bench.store.query("SELECT count(*) AS n FROM answers")[0]["n"]
    recipe = with_settings(TrialConfig(), {"corpus.dataset": "tiny", "fusion.part": "sparse_only"})
    steps = bench.ask(recipe.model_copy(update={"generation": Played()}), "What is the capital of France?")
    next(steps)
    steps.close()
    assert bench.store.query("SELECT count(*) AS n FROM answers")[0]["n"] == before


def test_the_same_prompt_again_is_compared_by_the_receipt_s_settings(bench):
    _, first = ask(bench)
    _, (text, found) = ask(bench, "ask_again", first, says="Rome [1].")  # the recipe has changed since, the receipt has not
    assert text == first.text and found.share == 1 and found.changed == () and found.same_conclusion


def test_a_model_loads_beside_its_caller_who_may_leave():
    begin, done = threading.Event(), threading.Event()

    class Slow(Played):
        local: ClassVar[bool] = True

        def load(self):
            begin.wait(60)
            done.set()

    steps = module.loaded(Slow())
    assert next(steps) == Progress(0, 0, "Converting the model, once")
    steps.close()
    begin.set()
    assert done.wait(60)

    class Broken(Played):
        local: ClassVar[bool] = True
        weights: str = "as_bundled"

        def load(self):
            raise WorkbenchError("The model file is not there.")

    with pytest.raises(WorkbenchError, match="not there"):
        list(module.loaded(Broken()))


def test_the_first_answer_waits_for_no_copy_of_the_model(monkeypatch):
    monkeypatch.setattr(LlamaCpp, "converts", lambda part: True)
    assert LlamaCpp().usable().weights == "as_bundled" and LlamaCpp(weights="bf16").usable().weights == "bf16"
    monkeypatch.setattr(LlamaCpp, "converts", lambda part: False)
    assert LlamaCpp().usable() == LlamaCpp()


def test_answers_recorded_before_there_were_receipts_have_rows():
    payload = {"text": "x", "finish_reason": "stop", "question": "q", "config": {}, "model": "m (sha256 00)", "prompt_tokens": 1}
    [row] = rows.rows(Record("01m7w3rnna1xv64c8v0g3aar0z", "answer", payload), None)["answers"]
    named = dict(zip(tables.TABLES["answers"][1], row, strict=True))
    assert named["text"] == "x" and named["cost_usd"] is None and named["receipt"] is None
