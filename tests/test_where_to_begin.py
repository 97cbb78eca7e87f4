"""docs/where_to_begin.md: its commands run as they stand there, and tell what the page says they tell."""

import re
import shlex
from pathlib import Path

import pytest

from core.__main__ import main
from core.jobs.verbs import as_recorded
from tests.support.small_corpora import with_towns

PAGE = (Path(__file__).resolve().parents[1] / "docs/where_to_begin.md").read_text("utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
TOWNS = ("Lund", "Gent", "Pisa", "Bari", "Metz", "Cork", "Brno", "Linz", "Nice", "Graz", "Oslo", "Riga")
TELLS = {
    "evaluate": ["Differences", "against", "fusion.part=sparse_only", "fusion.part=dense_only", "p_holm"],
    "choose-on-dev": ["dev questions", "test questions", "to use it: --set fusion.weight="],
    "learn-weights": ["held out", "to use it: --set fusion.part=convex --set fusion.weight="],
    "rerank-effect": ["sentence: Reranking (maxsim of the best 20)"],
    "learn-cascade": ["no reranking", "best over all questions", "Folds"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    texts = {
        f"{town}.txt": f"The market of {town} opens at {hour}. Near it stands the old mill." for hour, town in enumerate(TOWNS)
    }
    asked = [
        {"id": town, "question": f"When does the market of {town} open?", "document": f"{town}.txt", "answer": f"opens at {hour}"}
        for hour, town in enumerate(TOWNS)
    ]
    return with_towns(tmp_path_factory.mktemp("home"), texts, asked).home


def test_the_page_has_a_command_for_each_thing_it_tells_to_find_out():
    assert [as_recorded(shlex.split(command)[3:])[0] for command in COMMANDS] == [*TELLS]


def test_a_default_is_provisional_until_the_table_that_chooses_it_is_measured():
    assert ("Not measured yet" in PAGE) == ("default is provisional" in PAGE)
    assert not re.search(r"table\s+below shows|was chosen", PAGE)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: shlex.split(command)[3])
def test_a_command_of_the_page_runs_and_tells_what_the_page_says(home, command, monkeypatch, capsys):
    monkeypatch.setenv("GROUNDWORK_HOME", str(home))
    words = shlex.split(command.replace("python-reference", "towns"))[3:]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert [wanted for wanted in TELLS[as_recorded(words)[0]] if wanted not in told] == []
