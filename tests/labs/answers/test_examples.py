"""The questions with which Ask begins."""

import pytest

from core.config import TrialConfig
from core.labs.answers.examples import examples
from core.progress import drain
from core.records import Corpus, Query
from core.workbench import Workbench

ANSWERS = {"pr-252": "ValueError", "pr-093": "NameError", "pr-037": "types"}


def test_a_corpus_without_a_card_begins_with_short_answers_to_what_asks_for_a_name(tmp_path):
    asked = {"Why so?": "So.", "Which river is it?": "The Danube", "Who was it?": "Ann", "When?": "1989", "What now?": "Nothing"}
    queries = [Query(text, text, answers=(answer,)) for text, answer in asked.items()]
    queries.append(Query("none", "Who else?", answerable=False))
    found = examples(Workbench(tmp_path), Corpus("own", (), tuple(queries)))
    assert [query.text for query in found] == ["Who was it?", "When?", "What now?"]


@pytest.mark.slow
def test_the_bundled_model_answers_the_examples_of_its_own_corpus_and_cites_their_evidence(tmp_path):
    bench, recipe = Workbench(tmp_path), TrialConfig()
    run = bench.resolve(recipe)
    found = examples(bench, run.corpus)
    assert {query.id for query in found} == ANSWERS.keys()
    for query in found:
        made = drain(bench.ask(recipe, query.text))
        cited = [made.hits[number - 1] for number in made.cited]
        assert ANSWERS[query.id] in made.text, f"{query.text}: {made.text}"
        assert any(
            hit.document_id == gold.document_id and hit.start <= gold.start < hit.end for hit in cited for gold in query.gold
        ), f"{query.text}: cites {[hit.title for hit in cited]}"
