"""The sampling lab: chains as text, answers that cost the model only what is new, forced tokens, and a study that can be stopped."""

import json
import math

import numpy as np
import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated
from core.labs.sampling import prompts, searches, sides, study
from core.labs.sampling.chains import PRESETS, presets, random_chain, read_chain, read_search, save_preset, write_chain
from core.progress import drain
from core.sampling.filters import chain
from core.sampling.search import SEARCHES
from core.sampling.trace import trace
from core.sampling.writing import Written, write
from core.statistics.bootstrap import TOO_FEW
from core.workbench import Workbench
from tests.support.played_model import END, WORDS, play

TOWNS = ("Lund", "Gent", "Pisa")
TEXTS = {
    f"{town}.txt": f"The market of {town} opens at {hour} and closes late. Nearby stands the old mill of {town}."
    for town, hour in zip(TOWNS, ("five", "six", "seven"), strict=True)
}
QUESTIONS = [
    {"id": town, "question": f"When does the market of {town} open?", "document": f"{town}.txt", "answer": "opens at"}
    for town in TOWNS
]
RECIPE = with_settings(TrialConfig(), {"corpus.dataset": "towns", "fusion.part": "sparse_only", "generation.max_tokens": 12})
HOT = chain([{"part": "temperature", "temperature": 2.0}])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workbench = Workbench(tmp_path_factory.mktemp("home"))
    files = [(name, text.encode()) for name, text in TEXTS.items()]
    drain(workbench.library.ingest("towns", files, ("questions.jsonl", "\n".join(map(json.dumps, QUESTIONS)).encode())))
    drain(workbench.library.ingest("silent", files, None))
    return workbench


@pytest.fixture
def model(monkeypatch):
    return play(monkeypatch)


@pytest.fixture
def bench(made, model):
    made.pipeline._memory.clear()
    return made


def written(bench, reading, steps=HOT, **given):
    memory = prompts.remembered(bench, reading)
    return drain(write(RECIPE.generation, reading.prompt, memory, steps, **{"seed": 3, "max_tokens": 12, **given}))


@pytest.mark.parametrize(
    "text",
    [
        "greedy",
        "none",
        "top_k=40 top_p=0.95 temperature=0.8",
        "repetition=1.3,last_tokens=64",
        "mirostat=3.0,eta=0.2,surprise=after min_p=0.1 top_k=5 top_k=3",
    ],
)
def test_a_chain_comes_back_from_its_text(text):
    steps = read_chain(text)
    assert read_chain(write_chain(steps)) == steps and write_chain(steps) == text


def test_presets_and_random_chains_are_chains():
    assert all(read_chain(text) == read_chain(write_chain(read_chain(text))) for text in PRESETS.values())
    found = [random_chain(seed) for seed in range(50)]
    assert found == [random_chain(seed) for seed in range(50)] and len(set(found)) > 40
    assert all(2 <= len(steps) <= 4 and len({step.part for step in steps}) == len(steps) for steps in found)


@pytest.mark.parametrize("text", ["top_q=3", "top_k=many", "top_p=1.5", "mirostat=3 mirostat=4", "greedy=1", "top_k=3,j=2"])
def test_what_is_no_chain_is_refused(text):
    with pytest.raises(WorkbenchError):
        read_chain(text)


def test_presets_are_saved_and_a_known_name_is_not_taken(bench):
    save_preset(bench, " My  own ", HOT)
    assert presets(bench)["My own"] == "temperature=2.0" and list(presets(bench))[:2] == list(PRESETS)[:2]
    for name in ("", "Creative"):
        with pytest.raises(WorkbenchError):
            save_preset(bench, name, HOT)


@pytest.mark.parametrize("text", ['{"mine": "top_j=40"}', "[" * 3000, "[]", '{"mine": 5}'])
def test_saved_chains_that_rotted_are_named(tmp_path, text):
    (tmp_path / "chains.json").write_text(text)
    with pytest.raises(WorkbenchError, match="saved chains") as error:
        presets(Workbench(tmp_path))
    assert error.value.where.endswith("chains.json")


@pytest.mark.slow
def test_a_changed_chain_runs_the_model_only_for_what_is_new(bench, model):
    reading = prompts.reading(bench, RECIPE, QUESTIONS[0]["question"])
    assert reading.hits[0].document_id == "Lund.txt" and "[1]" in reading.prompt.text
    first = written(bench, reading)
    assert first.ran == len(first.picks) == len(model.runs) and first.reason == "stop" and first.picks[-1].token == END
    again = written(bench, reading)
    assert again.ran == 0 and len(model.runs) == first.ran and again.text == first.text
    assert first.text == "".join(WORDS[p.token] for p in first.picks[:-1])
    greedy = written(bench, reading, read_chain("greedy"))
    assert greedy.ran < len(greedy.picks) and all(p.token == int(np.argmax(p.logits)) for p in greedy.picks)
    asked = len(model.runs)
    stages = trace(prompts.first_logits(bench, RECIPE, reading), read_chain("top_k=3 temperature=0.5"))
    assert [len(stage.support) for stage in stages] == [len(WORDS), 3, 3] and len(model.runs) == asked


def test_a_forced_token_keeps_what_stands_before_it(bench):
    reading = prompts.reading(bench, RECIPE, "Tell me", "message")
    first = written(bench, reading)
    other = next(token for token in range(3, len(WORDS)) if token != first.picks[2].token)
    forced = written(bench, reading, after=first, at=2, token=other)
    assert [p.token for p in forced.picks[:3]] == [*(p.token for p in first.picks[:2]), other]
    assert [p.forced for p in forced.picks[:4]] == [False, False, True, False] and len(forced.pieces) == len(forced.picks)
    assert written(bench, reading, after=first, at=2, token=first.picks[2].token).text == first.text


@pytest.mark.slow
def test_sentences_point_to_the_passage_they_repeat_and_to_their_weakest_token(bench):
    reading = prompts.reading(bench, RECIPE, QUESTIONS[1]["question"])
    answer = written(bench, reading, read_chain("none"))
    tokens = [WORDS.index(word) for word in (" Gent", " opens", " at", " six", " and", " closes", ".")]
    said = Written(
        (), 0, tuple(answer.picks[0]._replace(token=t) for t in tokens), tuple(WORDS[t] for t in tokens), "stop", 1.0, 0.1, 0
    )
    [one] = prompts.sentences(said, reading.hits)
    best = reading.hits[one.passage - 1]
    assert best.document_id == "Gent.txt" and one.containment == 1.0
    assert one.least == int(np.argmin(said.traced.logprob))
    assert one.probability == pytest.approx(math.exp(said.traced.logprob.mean()))


def test_side_by_side_tells_a_problem_and_goes_on(bench):
    reading = prompts.reading(bench, RECIPE, "Tell me", "message")

    class Broken(type(RECIPE.generation)):
        def generate(self, messages, seed=0, deadline_s=1.0):
            raise WorkbenchError("There is no key.", todo="Set one.")
            yield

    found = drain(sides.written_sides(RECIPE, reading, [("a", HOT), ("b", Broken()), ("c", HOT)], 12))
    assert [one.name for one in found] == ["a", "b", "c"] and found[0].text == found[2].text != ""
    assert "There is no key. Set one." in found[1].problem and found[0].perplexity > 1 and found[0].tokens > 1


def test_an_engine_of_this_machine_writes_no_more_than_the_chains_beside_it(bench, monkeypatch):
    class Talkative(type(RECIPE.generation)):
        def usable(self):
            return self

        def generate(self, messages, seed=0, deadline_s=1.0):
            yield ""
            return Generated("and so on", "length", "", 3, 0, self.max_tokens, 1.0, 2.0, "played", "")

    monkeypatch.setattr(sides, "loaded", lambda part: iter(()))
    reading = prompts.reading(bench, RECIPE, "Tell me", "message")
    chain, engine = drain(sides.written_sides(RECIPE, reading, [("chain", HOT), ("engine", Talkative())], 3))
    assert chain.tokens <= 3 and engine.tokens == 3 < Talkative().max_tokens


def test_an_engine_without_logits_is_told():
    other = with_settings(RECIPE, {"generation.part": "openai_compatible"})
    with pytest.raises(WorkbenchError, match="does not return"):
        prompts.reading(None, other, "x")


@pytest.mark.slow
def test_a_study_is_stored_resumed_and_measured_from_what_is_stored(bench, model):
    chains = ["greedy", "temperature=2"]
    going = study.sample_study(bench, RECIPE, chains, samples=3, questions=3)
    while not (stored := bench.store.query("SELECT DISTINCT chain, query_id FROM samples")):
        next(going)
    going.close()
    assert len(stored) == 1
    found = {one.chain: one for one in drain(study.sample_study(bench, RECIPE, chains, samples=3, questions=3))}
    rows = bench.store.query("SELECT * FROM samples")
    assert len(rows) == 2 * 3 * 3 and len({(r["chain"], r["query_id"], r["number"]) for r in rows}) == len(rows)
    greedy, hot = found["greedy"].measures, found["temperature=2.0"].measures
    assert greedy["cluster_entropy"].mean == 0 and greedy["self_bleu"].mean == pytest.approx(1) and greedy["f1"].n == 3
    assert greedy["semantic_entropy"].mean == 0 and hot["semantic_entropy"].mean > 0
    assert hot["distinct_2"].mean > greedy["distinct_2"].mean and hot["self_bleu"].mean < 1
    asked = len(model.runs)
    assert (
        study.rows(drain(study.sample_study(bench, RECIPE, chains, 3, 3))) == study.rows(found.values())
        and len(model.runs) == asked
    )
    assert found["greedy"].changes == {} and (found["greedy"].samples, found["greedy"].failed) == (9, 0)
    *_, paired, p = found["temperature=2.0"].changes["distinct_2"]
    assert paired.difference == pytest.approx(hot["distinct_2"].mean - greedy["distinct_2"].mean) and paired.n == 3
    assert (paired.low, paired.note) == (None, TOO_FEW) and p == paired.p == 0.25, "2 of 8 sign patterns; one comparison"
    back = drain(study.results(bench, RECIPE, samples=3, questions=3, reference="temperature=2.0"))
    assert back[1].chain == "greedy" and back[1].changes["distinct_2"].paired.difference == pytest.approx(-paired.difference)
    assert drain(study.results(bench, RECIPE, samples=4, questions=3)) == []
    assert drain(bench.store.verify()).journal["samples"] == 6 and drain(bench.store.rebuild()) == 6


@pytest.mark.slow
def test_a_question_whose_passage_does_not_fit_has_no_samples_and_the_study_goes_on(bench, model, monkeypatch):
    monkeypatch.setattr(LlamaCpp, "count_tokens", lambda self, text: 9000 if "market of Gent" in text else 1)
    config = with_settings(RECIPE, {"context.passages": 1, "seed": 7})
    [made] = drain(study.sample_study(bench, config, ["greedy"], samples=2, questions=3))
    assert (made.questions, made.samples, made.failed) == (3, 6, 2) and made.measures["f1"].n == made.measures["tokens"].n == 2
    whys = bench.store.query("SELECT DISTINCT query_id, finish_reason FROM samples WHERE text = ''")
    assert [(row["query_id"], row["finish_reason"][:27]) for row in whys] == [("Gent", "failed: The prompt has room")]


def test_a_sample_without_an_answer_is_unmeasured_not_zero():
    vectors = {"opens at five": np.array([1.0, 0.0]), "": np.zeros(2)}
    found = study.measures(["opens at five", ""], ["opens at five"], 2.0, vectors)
    assert (found["f1"], found["em"], found["tokens"]) == (1.0, 1.0, 2.0) and math.isnan(found["self_bleu"])
    nothing = study.measures(["", ""], ["opens at five"], 2.0, vectors)
    assert all(math.isnan(nothing[name]) for name in {*study.DIVERSITY, *study.QUALITY} - {"semantic_entropy"})
    one = study.measures(["opens at five [1]"], ["opens at five"], 3.0, {"opens at five [1]": np.ones(2)})
    assert one["em"] == 1 and math.isnan(one["self_bleu"]) and math.isnan(one["distinct_2"])


def test_unmeasured_questions_are_counted_and_the_p_values_corrected_together():
    def one(f1):
        return dict.fromkeys(study.MEASURES, f1)

    tables = {
        "a": {str(i): one(0.0) for i in range(6)},
        "b": {str(i): one(1.0) for i in range(6)},
        "c": {"0": one(math.nan), **{str(i): one(1.0) for i in range(1, 6)}},
        "d": {str(i): one(0.0) for i in range(6)},
    }
    changes = {text: each["f1"] for text, each in study._changes(tables, list(tables), RECIPE).items()}
    assert list(changes) == ["b", "c", "d"] and (changes["c"].paired.n, changes["c"].paired.total) == (5, 6)
    assert {text: change.paired.p for text, change in changes.items()} == {"b": 2 / 64, "c": 2 / 32, "d": 1.0}
    assert {text: change.p_holm for text, change in changes.items()} == {"b": 3 * 2 / 64, "c": 2 * 2 / 32, "d": 1.0}
    assert not changes["b"].significant(0.95) and changes["b"].significant(0.9)


@pytest.mark.parametrize("line", ["beam=3", "beam=2,length_penalty=0.0", "contrastive=3,alpha=0.0"])
def test_searches_write_texts_that_come_back_from_their_line(bench, model, monkeypatch, line):
    reading = prompts.reading(bench, RECIPE, "Tell me", "message")
    size = len(reading.prompt.tokens)

    def states(texts):
        logits = np.stack([model.logits(reading.prompt, text[size:]) for text in texts])
        return logits, np.ones((len(texts), len(texts[0]), 2))

    monkeypatch.setattr(searches, "_states", lambda part: states)
    monkeypatch.setattr(searches, "loaded", lambda part: iter(()))
    monkeypatch.setattr(searches, "searcher", lambda part: part)
    how = read_search(line)
    assert write_chain([how]) == line and how.part in SEARCHES
    found = drain(searches.search(RECIPE, reading, how, 12))
    best = found.lines[0]
    assert best.ended and best.text == "".join(WORDS[token] for token in best.tokens[:-1]) and best.logprob < 0
    greedy = written(bench, reading, read_chain("greedy"))
    greedy_logprob = sum(pick.logprob for pick in greedy.picks)
    if how.part == "contrastive":
        assert best.text == greedy.text and best.logprob == pytest.approx(greedy_logprob), "alpha 0 is greedy"
        assert len(found.chosen) == len(best.tokens)
    else:
        assert len(found.lines) <= how.width and best.score >= greedy_logprob / len(greedy.picks) ** how.length_penalty - 1e-9
    [side] = drain(sides.written_sides(RECIPE, reading, [("s", how)], 12))
    assert side.text == best.text.strip() and side.perplexity == pytest.approx(math.exp(-best.logprob / len(best.tokens)))


def test_a_corpus_without_answers_cannot_be_studied(bench):
    with pytest.raises(WorkbenchError, match="no questions with gold answers"):
        drain(study.sample_study(bench, with_settings(RECIPE, {"corpus.dataset": "silent"}), ["greedy"]))


def test_samples_that_entail_each_other_are_one_meaning():
    alike = {("Where?", "Paris.", "It is Paris."), ("Where?", "It is Paris.", "Paris."), ("Where?", "Rome.", "Paris.")}
    texts = ["Paris.", "It is Paris. [1]", "Rome.", "Paris.", ""]
    assert study.semantic_entropy("Where?", texts, alike) == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert np.isnan(study.semantic_entropy("Where?", ["Paris.", ""], alike))
