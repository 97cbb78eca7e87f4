"""Where an answer's chunks stood in every stage, and where its time went. A part of this test answers."""

import json

import pytest

from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.generation import openai_compatible
from core.generation.protocol import Generated
from core.labs.answers import stored as answers
from core.pipeline.stages import rankers
from core.progress import Running, drain
from core.records import plain
from tests.support.small_corpora import with_towns

TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork")
TEXTS = {f"{town}.txt": f"The market of {town} opens at {hour}. It closes late. " * 3 for hour, town in enumerate(TOWNS, 5)}
SETTINGS = {
    "corpus.dataset": "towns",
    "embedding.part": "lsa",
    "fusion.part": "rrf",
    "generation.part": "openai_compatible",
    "context.threshold": -1.0,
    "chunking.size_tokens": 16,
    "chunking.overlap_tokens": 0,
}
QUESTION = "When does the market of Gent open?"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with_towns(home, TEXTS, [{"id": "q", "question": QUESTION, "document": "Gent.txt", "answer": "opens at 6"}])
    return home


@pytest.fixture
def speaks(monkeypatch):
    def generate(part, messages, seed=0, deadline_s=120.0):
        yield "At 6 [1]."
        return Generated("At 6 [1].", "stop", messages[0]["content"], 9, 0, 4, 30.0, 80.0, "stub", "")

    monkeypatch.setattr(openai_compatible.OpenAICompatible, "generate", generate)


def ask(bench, **more):
    recipe = with_settings(TrialConfig(), {**SETTINGS, **more})
    list(running := Running(bench.ask(recipe, QUESTION)))
    return recipe, running.result


@pytest.mark.slow
def test_each_chunk_has_its_place_in_every_stage(bench, speaks):
    recipe, answer = ask(bench)
    origin, run = answer.provenance, bench.resolve(recipe)
    assert origin.corpus_checksum == run.corpus.fingerprint and [o.passage for o in origin.origins] == [1, 2, 3]
    ranked, chunks = bench.search(recipe, QUESTION), drain(bench.pipeline.chunks(run))
    for place, (chunk, hit) in enumerate(zip(origin.origins, ranked, strict=False), 1):
        assert (chunk.document_id, chunk.start, chunk.end) == (hit.document_id, hit.start, hit.end)
        assert int(chunks.start[chunk.chunk]) == hit.start
        assert chunk.stages["fused"][:2] == (place, pytest.approx(hit.score))
        assert {name: stage.score for name, stage in chunk.stages.items() if name in hit.scores} == pytest.approx(hit.scores)
        assert all(stage.rank >= 1 for stage in chunk.stages.values())
    names = [name for chunk in origin.origins for name in chunk.stages]
    assert set(names) == {"sparse", "dense", *(stage.name for stage in rankers(recipe))}


@pytest.mark.slow
def test_the_time_is_told_step_by_step_and_adds_up(bench, speaks):
    _, answer = ask(bench)
    steps = {step.name: step.ms for step in answer.provenance.steps}
    assert steps["first_token"] == 30 and steps["writing"] == 50 and all(ms > 0 for ms in steps.values())
    assert {"sparse", "encode", "dense", "fused", "context"} <= steps.keys()
    search = sum(steps.get(name, 0) for name in ("opening", "sparse", "encode", "dense", "fused"))
    assert search == pytest.approx(answer.retrieval_ms, abs=1), "what is below half a millisecond is not told"
    assert list(steps).index("encode") < list(steps).index("fused") < list(steps).index("context") < list(steps).index("writing")


def test_chunks_that_were_passed_over_and_joined_are_told(bench, speaks):
    _, answer = ask(bench, **{"context.duplicates": 0.5, "context.passages": 2})
    given = [chunk.passage for chunk in answer.provenance.origins]
    assert None in given and given[0] == 1 and 2 in given, "the three sentences of a town are copies of each other"
    assert answer.notes and "near cop" in answer.notes[0]
    _, answer = ask(bench, **{"context.hand_on": "document", "context.passages": 4})
    assert len(answer.hits) < 4 and all(chunk.passage for chunk in answer.provenance.origins)


def test_it_is_stored_with_the_answer_and_told_by_a_command(bench, speaks, capsys):
    _, answer = ask(bench)
    record = answers.stored(bench, answer.id)
    assert record["provenance"] == json.loads(json.dumps(plain(answer.provenance)))
    assert main(["answer", answer.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"] == record["provenance"]
    assert main(["answer", answer.id]) == 0
    said = capsys.readouterr().out
    assert QUESTION in said and "[1]" in said and "fused 1" in said and "first token" in said and "ms" in said


@pytest.mark.slow
def test_an_answer_of_before_has_none_and_another_record_is_none(bench, speaks, capsys):
    _, answer = ask(bench)
    payload = bench.store.journal.read(answer.id).payload
    old = bench.store.add("answer", {k: v for k, v in payload.items() if k not in ("provenance", "notes", "citations", "id")})
    assert answers.stored(bench, old)["provenance"] is None
    assert main(["answer", old]) == 0 and "was not noted" in capsys.readouterr().out
    assert len(bench.store.query("SELECT id FROM answers WHERE question = ?", [QUESTION])) == 2
    other = bench.store.add("questions", {"fingerprint": "x", "dataset": "towns", "documents": 1, "queries": []})
    with pytest.raises(WorkbenchError, match="not an answer"):
        answers.stored(bench, other)
    with pytest.raises(WorkbenchError, match="no record"):
        answers.stored(bench, "nothing")
