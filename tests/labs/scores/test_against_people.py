"""Measures of answers held against people."""

import numpy as np
import pytest

from core.agreement import consensus, headline, machines, sources
from core.agreement.headline import Unjudged
from core.annotation.drawing import draw
from core.annotation.stored_answers import read_candidates
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.scores import against_people
from core.progress import drain
from core.workbench import Workbench
from tests.support.annotated import rating
from tests.support.labelled import labelled


def test_new_words_turned_are_what_single_words_of_the_passages_say(datasets_root):
    source = sources.open_file(datasets_root / "qags/mturk_cnndm.jsonl")
    table = sources.table_of(source, "sentences", "main")
    [machine] = drain(against_people.measured(Workbench(), source, "sentences", table, ["lexical_floor"], Unjudged()))
    single = next(each for each in drain(machines.containment(source, "sentences", table)) if each.name.startswith("1-gram"))
    assert machine.more is None and len(machine.scores) == 714
    assert np.corrcoef(machine.scores, single.scores)[0, 1] > 0.99


def test_what_cannot_stand_for_a_verdict_is_refused_and_nothing_asked_computes_nothing(datasets_root):
    source = sources.open_file(datasets_root / "qags/mturk_cnndm.jsonl")
    table = sources.table_of(source, "sentences", "main")
    assert drain(against_people.measured(Workbench(), source, "sentences", table, [], Unjudged())) == []
    assert "answered" not in against_people.usable() and "containment" not in against_people.usable()
    with pytest.raises(WorkbenchError, match="not a measure of"):
        drain(against_people.measured(Workbench(), source, "sentences", table, ["answered"], Unjudged()))
    with pytest.raises(WorkbenchError, match="without the texts"):
        drain(against_people.measured(Workbench(), source._replace(study=None), "sentences", table, ["f1"], Unjudged()))


def test_an_answer_has_one_score_whether_people_judged_it_or_not(workbench):
    """Also one that cites in another way than in brackets, and one of whose sentences claims nothing."""
    config = TrialConfig().model_dump(mode="json")
    config["context"]["citations"] = "parentheses"
    text = "Here is the answer:\n\n- The old tide gauge is read every day (1)."
    hit = {
        "document_id": "d",
        "title": "T",
        "start": 0,
        "end": 40,
        "text": "The old tide gauge is read every morning.",
        "rank": 1,
    }
    for n in range(8):
        answer = {"question": f"What is {n}?", "text": text, "finish_reason": "stop", "model": "m", "config": config}
        workbench.store.add("answer", answer | {"dataset": "tides", "hits": [hit]})
    study = rating(pilot=0).model_copy(update={"items": draw(read_candidates(workbench), 4)})
    labelled(workbench, study, lambda who, number: "supported" if number % 2 else "partly")
    source = sources.open_study(workbench, "toy")
    table, rest = sources.table_of(source, "sentences", "main"), drain(headline.unjudged(workbench, source))
    assert len(table.items) == 2 * 4 and len(rest.names) == 4
    [machine] = drain(against_people.measured(workbench, source, "sentences", table, ["lexical_floor"], rest))
    assert np.isnan(machine.scores[::2]).all(), "a lead claims nothing"
    agreed = consensus.consensus(source, "sentences", table)
    [judged] = machines.facing(source, "sentences", table, agreed, ("supported",), [machine], whole=True).scores
    assert judged.scores.tolist() == machine.more.tolist() == pytest.approx([7 / 8] * 4)  # of its words only "day" is new
