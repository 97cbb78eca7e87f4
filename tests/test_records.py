"""The nouns that the stages hand to each other: what they say of themselves."""

from core.records import Corpus, Document, Gold, Query


def test_only_what_is_judged_relevant_is_evidence_and_makes_a_question_measurable():
    nowhere, judged_0, below = (
        Query("a", "?"),
        Query("b", "?", (Gold("d", 0, 4, grade=0),)),
        Query("c", "?", (Gold("d", 0, 4, grade=-1),)),
    )
    relevant = Query("e", "?", (Gold("d", 0, 4, grade=0), Gold("d", 5, 9), Gold("d", 10, 14, grade=2)))
    assert [query.relevant for query in (nowhere, judged_0, below)] == [(), (), ()]
    assert relevant.relevant == relevant.gold[1:]
    assert Corpus("some", (Document("d", "four more text"),), (nowhere, judged_0, below, relevant)).measurable == 1
