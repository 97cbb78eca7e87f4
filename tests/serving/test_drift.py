"""Drift of questions and of the scores of their best passages, against those at publication."""

import pytest

from core.progress import drain
from core.serving.drift import EARLIER, PUBLISHED, drift, drift_table, farthest_table
from core.serving.publishing import publish
from tests.support import served
from tests.support.failing import recipe
from tests.support.served_spans import answer, record

template = served.template
TOWNS = ("Lund", "Gent", "Pisa", "Kiel", "Riga", "Bari", "Oslo", "Metz", "Cork", "Brno", "Linz", "Nice")
MARKETS = [f"When does the {what} of {town} open?" for what in ("market", "mill") for town in TOWNS]
OTHER = [
    f"Which {color} dress fits a wedding in {month}?" for color in ("red", "blue", "green") for month in ("May", "June", "July")
]
OTHER += [
    f"How do I bake {bread} bread with {what}?" for bread in ("rye", "oat", "corn", "rice") for what in ("yeast", "soda", "egg")
]


@pytest.fixture
def publication(bench, reader):
    made = drain(publish(bench, recipe(), "towns", why="a test", measure="containment", replays=10))
    canaries = [{"question": text, "gold": [], "found": True, "score": 1.0 + n / 100} for n, text in enumerate(MARKETS)]
    best = [(bench.search(recipe(), canary["question"]) or [None])[0] for canary in made.canaries]
    assert [canary["score"] for canary in made.canaries] == [hit and pytest.approx(hit.score) for hit in best]
    return made._replace(canaries=canaries)


def asked(bench, publication, questions, score, ago=1000.0):
    about = {"recipe": publication.recipe}
    record(bench, *(answer(ago - n, text, "x", score=score(n), **about) for n, text in enumerate(questions)))


def rows(told):
    return {(row["what"], row["against"]): row for row in told.tests}


def test_the_same_kind_of_question_is_no_drift(bench, publication):
    asked(bench, publication, [f"{text[:-1]} today?" for text in MARKETS], lambda n: 1.0 + ((7 * n) % 24) / 100)
    told = drain(drift(bench, publication))
    assert told.questions == 24 and rows(told)["scores", PUBLISHED]["p"] > 0.5 and not rows(told)["scores", PUBLISHED]["differ"]
    assert rows(told)["questions", EARLIER]["p"] is None  # 12 on either side
    assert [row["similarity"] for row in told.farthest] == sorted(row["similarity"] for row in told.farthest)


def test_other_questions_with_worse_passages_are_told_with_those_farthest_away(bench, publication):
    asked(bench, publication, [*MARKETS, *OTHER[:-1]], lambda n: 1.0 if n < len(MARKETS) else 0.2)
    asked(bench, publication, OTHER[-1:] * 3, lambda n: 0.2, ago=500.0)
    told = drain(drift(bench, publication))
    assert told.questions == len(MARKETS) + len(OTHER) and all(row["differ"] for row in told.tests)
    assert "the questions differ from at publication" in told.sentence
    assert {row["question"] for row in told.farthest} <= set(OTHER) and {row["nearest"] for row in told.farthest} <= set(MARKETS)
    assert len(drift_table(told).rows) == 4 and len(farthest_table(told).rows) == 10


def test_too_few_questions_of_this_recipe_say_how_many_are_needed(bench, publication):
    record(bench, *(answer(10, text, "x", score=1.0) for text in MARKETS))  # of another recipe
    told = drain(drift(bench, publication))
    assert told.questions == 0 and "20 on either side are needed" in told.sentence and told.farthest == []


def test_a_publication_from_before_scores_were_noted_says_so(bench, publication):
    old = [{name: canary[name] for name in canary if name != "score"} for canary in publication.canaries]
    asked(bench, publication, MARKETS, lambda n: 1.0)
    told = drain(drift(bench, publication._replace(canaries=old)))
    assert "publish it again" in rows(told)["scores", PUBLISHED]["note"]
