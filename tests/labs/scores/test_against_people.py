"""Measures of answers held against people."""

import numpy as np
import pytest

from core.agreement import headline, machines, sources
from core.agreement.headline import Unjudged
from core.annotation.drawing import draw
from core.annotation.stored_answers import read_candidates
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.scores import against_people
from core.progress import drain
from core.workbench import Workbench
from tests.support.annotated import rating
from tests.support.labelled import by_place, labelled


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


def test_citations_of_judged_answers_are_no_words_either(workbench):
    """Else the machine that is held against people would be another one than scored the answers that nobody judged."""
    config = with_settings(TrialConfig(), {"corpus.dataset": "toy", "context.citations": "parentheses"}).model_dump(mode="json")
    hit = {"document_id": "d", "title": "T", "start": 0, "end": 17, "text": "The moon is rock."}
    for n in range(16):
        said = {"question": f"What is {n}?", "text": "The moon is rock (1).", "model": "m", "config": config, "hits": [hit]}
        workbench.store.add("answer", {**said, "finish_reason": "stop"})
    labelled(workbench, rating(pilot=0).model_copy(update={"items": draw(read_candidates(workbench), 12)}), by_place)
    source = sources.open_study(workbench, "toy")
    table = sources.table_of(source, "sentences", "main")
    rest = drain(headline.unjudged(workbench, source))
    [machine] = drain(against_people.measured(workbench, source, "sentences", table, ["lexical_floor"], rest))
    assert machine.more.tolist() == [1.0] * 4 and set(machine.scores.tolist()) == {1.0}
