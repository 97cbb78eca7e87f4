"""Measures of answers held against people."""

import numpy as np
import pytest

from core.agreement import machines, sources
from core.agreement.headline import Unjudged
from core.errors import WorkbenchError
from core.labs.scores import against_people
from core.progress import drain
from core.workbench import Workbench


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
