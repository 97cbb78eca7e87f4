"""The ladder: every loss on a corpus made for it, sums on two corpora, and answers that are asked only once."""

import numpy as np
import pytest

from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.generation.llama_engine import LlamaCpp
from core.generation.model_texts import BATCH
from core.labs.failures import ladder as lab
from core.labs.failures import rungs
from core.progress import drain
from core.records import Gold, Query
from core.workbench import Workbench
from tests.support.failing import QUESTIONS, TEXTS, prepared, recipe
from tests.support.small_corpora import with_towns

template = prepared


def bands(ladder: lab.Ladder, asked: bool = True) -> dict[str, str]:
    return {ladder.corpus.queries[row].id: band for row, band in ladder.bands(asked).items()}


@pytest.mark.slow
def test_every_loss_is_told_apart(bench, reader):
    ladder = drain(rungs.climb(bench, recipe(), len(QUESTIONS)))
    expected = {question["id"]: question["id"] for question in QUESTIONS} | {"declined": "answered"}
    assert bands(ladder) == expected
    losses = ("absent", "cut", "unretrieved", "low")
    assert bands(ladder, False) == {
        name: band if band in losses else "absent" if name == "declined" else "reached" for name, band in expected.items()
    }


def test_a_ranking_of_another_length_is_asked_about_anew(bench, reader):
    def given(top_k: int) -> list[int]:
        bare = drain(lab.standing(bench, recipe(**{"retrieval.top_k": top_k})))
        return [len(asked["reranked"].hits()) for asked in rungs.askings(bench, bare, 8).values()]

    assert max(given(1)) == 1 and max(given(5)) == 2 and max(given(1)) == 1


@pytest.mark.slow
def test_losses_of_retrieval_need_no_model(bench, monkeypatch):
    def fails(*_):
        raise AssertionError("a model was loaded")

    for name in ("load", "generate", "count_tokens", "identity"):
        monkeypatch.setattr(LlamaCpp, name, fails)
    ladder = drain(lab.standing(bench, recipe()))
    assert sum(row["questions"] for row in lab.band_rows(ladder, False)) == len(QUESTIONS)


@pytest.mark.slow
def test_a_passage_without_room_is_dropped_and_the_others_are_asked(bench, reader, monkeypatch):
    monkeypatch.setattr(LlamaCpp, "count_tokens", lambda self, text: 10 * len(text.split()))
    config = recipe(**{"context.max_tokens": 75})
    ladder = drain(rungs.climb(bench, config, len(QUESTIONS)))
    assert bands(ladder)["unused"] == "dropped" and bands(ladder)["misjudged"] == "misjudged"
    row = next(row for row, query in enumerate(ladder.corpus.queries) if query.id == "unused")
    assert ladder.climbs[row]["reranked"].finish_reason.endswith("has room for 75 tokens, and the best passage alone has 80.")


@pytest.mark.parametrize("dataset", ["towns", "python-reference"])
def test_the_bands_add_up_to_all_questions(bench, reader, dataset):
    config = recipe() if dataset == "towns" else with_settings(TrialConfig(), {"fusion.part": "sparse_only"})
    ladder = drain(rungs.climb(bench, config, 12))
    number = len(ladder.corpus.queries)
    assert sum(row["questions"] for row in lab.band_rows(ladder, False)) == number == len(ladder.retrieval)
    answered = lab.band_rows(ladder, True)
    assert sum(row["questions"] for row in answered) == len(ladder.answers) == min(12, number)
    for row in answered:
        assert row["share"] == row["questions"] / row["of"] and row["low"] <= row["share"] <= row["high"]
    reached = [row for row, band in ladder.answers.items() if band in ("dropped", "unused", "misjudged")]
    assert all(ladder.retrieval[row] == "reached" for row in reached)


def test_what_is_kept_is_not_asked_again(bench, reader):
    before = rungs.cost(bench, drain(lab.standing(bench, recipe())), 4)
    assert before.questions == 4 and not before.seconds.measured
    drain(rungs.climb(bench, recipe(), 4))
    assert len(reader.prompts) == before.answers
    drain(rungs.climb(bench, recipe(), 4))
    fresh = Workbench(bench.home)
    ladder = rungs.with_kept(fresh, drain(lab.standing(fresh, recipe())), 4)
    assert len(ladder.climbs) == 4 and len(reader.prompts) == before.answers
    cost = rungs.cost(fresh, ladder, 8)
    assert cost.questions == 8 and cost.answers > 0 and cost.seconds.measured
    drain(rungs.climb(fresh, recipe(), 8))
    assert len(reader.prompts) == before.answers + cost.answers == len(set(reader.prompts))
    # another way to the same passages asks nothing; another seed asks all
    same = rungs.cost(fresh, drain(lab.standing(fresh, recipe(**{"sparse.k1": 1.3}))), 8)
    assert same.answers < 4
    other = drain(lab.standing(fresh, recipe(**{"generation.max_tokens": 50})))
    assert rungs.cost(fresh, other, 8).answers == before.answers + cost.answers


def test_a_job_that_is_stopped_has_kept_what_was_answered(bench, reader):
    work = rungs.climb(bench, recipe(), 8)
    while len(reader.prompts) < BATCH + 2:
        next(work)
    work.close()
    first, rest = reader.prompts[:BATCH], reader.prompts[BATCH:]
    drain(rungs.climb(bench, recipe(), 8))
    again = reader.prompts[BATCH + len(rest) :]
    assert not set(first) & set(again) and set(rest) <= set(again) and len(again) == len(set(again))


def test_a_larger_sample_holds_the_smaller(bench):
    ladder = drain(lab.standing(bench, recipe()))
    assert rungs.drawn(ladder, 5) == rungs.drawn(ladder, 8)[:5] and sorted(rungs.drawn(ladder, 99)) == list(range(8))


def test_without_a_reference_answer_nothing_is_asked(bench, reader):
    ladder = drain(lab.standing(bench, recipe(**{"corpus.dataset": "silent"})))
    assert ladder.retrieval == () and rungs.drawn(ladder, 5) == []
    with pytest.raises(WorkbenchError, match="no questions with a reference answer"):
        drain(rungs.climb(bench, recipe(**{"corpus.dataset": "silent"}), 5))


def test_two_recipes_say_which_questions_moved(bench, reader):
    here = drain(lab.standing(bench, recipe()))
    other = drain(lab.standing(bench, recipe(**{"context.passages": 1, "evaluation.overlap": 0.5})))
    pairs, moved = lab.compared(here, other, False)
    assert len(pairs) == len(QUESTIONS)
    by_band = {each.band: each for each in moved}
    assert (by_band["cut"].only_other, by_band["cut"].only_this) == (0, 1) and by_band["cut"].p == 1.0
    rows = {row["band"]: row for row in lab.moved_rows(pairs, moved)}
    now = {row["band"]: row["questions"] for row in lab.band_rows(here, False)}
    was = {row["band"]: row["questions"] for row in lab.band_rows(other, False)}
    assert all((row["this recipe"], row["baseline"]) == (now[name], was[name]) for name, row in rows.items())


def test_the_distractors_are_wrong_and_the_evidence_is_among_them(bench, reader):
    ladder = drain(rungs.climb(bench, recipe(**{"context.passages": 3}), len(QUESTIONS)))
    for row, climb in ladder.climbs.items():
        query = ladder.corpus.queries[row]
        if "distractors" in climb:
            holds = [lab.covered(query, [passage], 1.0) for passage in climb["distractors"].passages]
            assert sum(holds) <= 1 and lab.covered(query, climb["gold"].passages, 1.0)
            assert query.id == "cut" or sum(holds) == 1


def test_evidence_in_a_prompt_is_judged_by_the_rule_of_the_evaluation(bench):
    """The same verdict on every chunk as `judged.relevance` gives."""
    ladder = drain(lab.standing(bench, recipe()))
    chunks = drain(bench.cut_chunks(recipe()))
    relevance = ladder.evaluation.judged.relevance
    pairs = set(zip(relevance.pair_row.tolist(), relevance.pair_chunk.tolist(), strict=True))
    names = [document.id for document in ladder.corpus.documents]
    spans = [(names[d], int(s), int(e)) for d, s, e in zip(chunks.document, chunks.start, chunks.end, strict=True)]
    verdicts = {
        (row, number)
        for row, query in enumerate(ladder.corpus.queries)
        for number, span in enumerate(spans)
        if lab.covered(query, [span], 1.0)
    }
    assert verdicts == pairs and np.all(np.diff(relevance.pair_row) >= 0)


PIECES = [
    ("one", "When does the market of Lund open?", ["Lund.txt", "opens at five"]),
    ("both", "When do the market of Lund and the market of Gent open?", ["Lund.txt", "at five"], ["Gent.txt", "at six"]),
    ("half", "When does the market of Pisa open, and how often?", ["Pisa.txt", "at seven"], ["Bari.txt", "ring twice"]),
    ("broken", "Which grade has Kiel, and where did they of Riga sleep?", ["Kiel.txt", "A"],
     ["Riga.txt", "then they slept, in the gold room of the tower"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def in_pieces(tmp_path_factory):
    rows = [{"id": i, "question": q, "document": d, "answer": a} for i, q, *golds in PIECES for d, a in golds]
    return with_towns(tmp_path_factory.mktemp("pieces"), TEXTS, rows)


@pytest.mark.slow
def test_questions_that_need_all_pieces_are_told_apart(in_pieces, reader):
    """Pisa's bells are in no passage that shares a word, and Riga's piece is cut in two."""
    one, every = (drain(lab.standing(in_pieces, recipe(), evidence)) for evidence in lab.EVIDENCE)
    assert bands(one, False) == dict.fromkeys(("one", "both", "half", "broken"), "reached")
    assert bands(every, False) == {"one": "reached", "both": "reached", "half": "unretrieved", "broken": "cut"}
    names = [query.id for query in every.corpus.queries]
    assert dict(zip(names, every.pieces.tolist(), strict=True)) == {"one": 1, "both": 2, "half": 2, "broken": 2}
    assert every.rank[names.index("both")] == 2 and one.rank[names.index("both")] == 1
    rows = lab.piece_rows(one)
    assert rows == lab.piece_rows(every), "the rule changes no count"
    told = [(row["pieces"], row["questions"], row["all within"], row["some within"], row["none within"]) for row in rows]
    assert told == [("1", 1, 1, 0, 0), ("2", 3, 1, 2, 0)] and rows[1]["share of all"] == pytest.approx(1 / 3)
    deep = drain(lab.standing(in_pieces, recipe(**{"context.passages": 1}), "all"))
    assert bands(deep, False)["both"] == "low"


@pytest.mark.slow
def test_with_all_pieces_an_answer_over_some_of_them_is_no_unused_evidence(in_pieces, reader):
    one, every = (drain(rungs.climb(in_pieces, recipe(), 9, evidence=evidence)) for evidence in lab.EVIDENCE)
    assert one.climbs.keys() == every.climbs.keys() and len(reader.prompts) == len(set(reader.prompts)), "nothing is asked anew"
    assert bands(one)["half"] == "unused" and bands(every)["half"] == "unretrieved"
    assert sum(row["questions"] for row in lab.band_rows(every, True)) == len(PIECES)


def test_the_rule_by_units():
    golds = (Gold("a", 0, 4, 1, 0), Gold("b", 0, 4, 1, 0), Gold("c", 0, 4, 1, 1), Gold("d", 0, 4, 0, 2))
    query = Query("q", "?", golds)
    assert lab.covered(query, [("a", 0, 4)], 1.0) and not lab.covered(query, [("a", 0, 4)], 1.0, "all")
    assert lab.covered(query, [("b", 0, 4), ("c", 0, 9)], 1.0, "all"), "an alternative stands for its piece, grade 0 for none"
    assert not lab.covered(Query("q", "?"), [("a", 0, 4)], 1.0, "all") and not lab.covered(query, [], 1.0)


def test_without_several_pieces_no_table_of_them(bench):
    assert lab.piece_rows(drain(lab.standing(bench, recipe()))) == []
