"""Questions by recipes: what each cell holds, which questions differ, and which recorded answer is a trial's."""

import json

import numpy as np
import pytest

from core.__main__ import main
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.trials import comparison, question_matrix
from core.pipeline.answers import KIND
from core.store.batches import batches
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture(scope="module")
def ids(home):
    """Three recipes; the first answered a question, the second another with other words, each by a record of its own."""
    bench = Workbench(home)
    questions = add_questions(bench.store)
    changes = ({}, {"fusion.weight": 0.5}, {"fusion.weight": 0.2})
    made = [add_trial(bench.store, questions, change, 0.3 * i, i) for i, change in enumerate(changes)]
    for number, (change, texts) in enumerate(zip(changes, ({3: "The cat.", 4: "Same"}, {3: "A dog", 4: "same!"}), strict=False)):
        values = {
            f"{number}-{q}": {
                "question": f"What is {q} in tiny?",
                "text": text,
                "finish_reason": "stop",
                "shown": [],
                "tokens": [],
            }
            for q, text in texts.items()
        }
        config = with_settings(TrialConfig(), {"corpus.dataset": "tiny", **change}).model_dump(mode="json")
        batches(home).keep(KIND, values, dataset="tiny", config=config, seed=0)
    return made


def of(home, ids, **how):
    bench = Workbench(home)
    return question_matrix.question_matrix(bench, comparison.some(bench, ids), "ndcg_linear", **how)


def test_cells_hold_the_answer_or_else_the_rank_with_the_value_of_the_question(home, ids):
    result, bench = of(home, ids), Workbench(home)
    rows = {row["id"]: row for row in question_matrix.table(result).rows}
    assert rows["q3"]["A"].endswith("· The cat.") and rows["q3"]["B answer"] == "A dog" and rows["q3"]["C answer"] is None
    values, ranks = bench.trial_values(ids[0], "ndcg_linear"), bench.trial_values(ids[0], "mrr")
    for question, row in rows.items():
        assert row["A ndcg_linear"] == pytest.approx(values[question]) or np.isnan(values[question])
        assert row["A rank"] == (round(1 / ranks[question]) if ranks[question] > 0 else None)
    assert rows["q39"]["C"] == "no gold evidence"
    apart = [row["spread"] for row in rows.values()]
    assert apart == sorted(apart, reverse=True)


def test_only_what_differs_by_so_much_or_in_words_is_left(home, ids):
    far = of(home, ids[:2], different=True, by=2.0)
    assert [far.ids[place] for place in far.places] == ["q3"], "case and punctuation are no difference"
    some = of(home, ids, different=True, by=0.5)
    spread = some.spread
    assert {place for place in some.places if some.ids[place] != "q3"} == {
        p for p in np.flatnonzero(spread > 0.5) if some.ids[p] != "q3"
    }
    assert [some.ids[place] for place in of(home, ids, words="CAT").places] == ["q3"]


def test_an_answer_over_the_same_passages_is_a_trials_whichever_recipe_asked(home, ids):
    bench = Workbench(home)
    first, third = (bench.show(trial)["rankings"] for trial in (ids[0], ids[2]))
    question = next(q for q in third if q not in ("q3", "q4") and first[q][0][:3] != third[q][0][:3])
    shown = [[[f"d{chunk}", 0, 10]] for chunk in third[question][0][:3]]
    value = {
        "question": f"What is {question[1:]} in tiny?",
        "text": "Seven",
        "finish_reason": "stop",
        "shown": shown,
        "tokens": [],
    }
    config = with_settings(TrialConfig(), {"corpus.dataset": "tiny", "fusion.part": "rrf"}).model_dump(mode="json")
    batches(home).keep(KIND, {"other": value}, dataset="tiny", config=config, seed=0)
    bench = Workbench(home)
    found = question_matrix.question_matrix(bench, comparison.some(bench, ids), "ndcg_linear").answers
    assert found[2][question].text == "Seven" and question not in found[0]


def test_the_command_gives_the_same_rows_and_refuses_what_shares_no_question(home, ids, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    assert main(["trials", "matrix", *ids, "--different", "--by", "0.5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in told["rows"]] == [of(home, ids).ids[p] for p in of(home, ids, different=True, by=0.5).places]
    bench = Workbench(home)
    other = add_trial(bench.store, add_questions(bench.store, name="other", dataset="other"))
    with pytest.raises(WorkbenchError, match="no question is shared"):
        of(home, [ids[0], other])
    with pytest.raises(WorkbenchError, match="2 to 8"):
        of(home, ids[:1])
