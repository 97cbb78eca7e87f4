"""Each step of the context by hand-computed examples, and what is told where it cannot be done. No model is loaded."""

import numpy as np
import pytest

from core.config import ContextConfig, TrialConfig, build, difference, with_settings
from core.context.citations import cited, marks, plain
from core.context.passages import distinct, jaccard, ordered, sentences, shingles
from core.context.prompt import build as build_prompt
from core.context.prompt import written
from core.context.surroundings import Surroundings
from core.errors import WorkbenchError
from core.records import Chunks, Document, Hit

TEXT = "# Tea\nTea is hot. Tea is old. It was drunk early.\n\n# Bread\nBread is baked. Flour is milled. Bread rises."
SPANS = [(0, 17), (18, 50), (51, 74), (75, 104)]  # two chunks a section


def words(text: str) -> int:
    return len(text.split())


def hit(rank: int, text: str, title: str = "") -> Hit:
    return Hit(rank, 1.0, f"d{rank}", title, 0, len(text), text)


def by_letters(texts: list[str], query: bool) -> np.ndarray:
    return np.array([[text.lower().count("bread") + 0.01, 1.0] for text in texts], float)


@pytest.fixture
def tea() -> tuple[Surroundings, list[Hit]]:
    columns = np.array([(0, a, b, 1) for a, b in SPANS], np.int32).T
    chunks = [Hit(rank, 1.0, "d", "Food", a, b, TEXT[a:b]) for rank, (a, b) in enumerate(SPANS, 1)]
    return Surroundings([Document("d", TEXT, "Food")], Chunks(*columns), by_letters), chunks


def given(source: Surroundings, hits: list[Hit], **settings) -> list[tuple[int, int]]:
    prompt = build_prompt("What is bread?", hits, ContextConfig(**settings), words, source)
    return [(passage.start, passage.end) for passage in prompt.used]


def test_a_passage_that_is_compressed_stands_on_the_pages_of_what_is_left():
    text = "Tea is hot. Tea is old. Bread is baked. Bread rises."
    source = Surroundings(
        [Document("d", text, pages=(0, 24))], Chunks(*np.array([[0], [0], [len(text)], [1]], np.int32)), by_letters
    )
    whole = Hit(1, 1.0, "d", "", 0, len(text), text, page=1, last_page=2)
    asked, settings = "What is bread?", {"compress": 0.5, "passage": "page $page: $text"}
    prompt = build_prompt(asked, [whole], ContextConfig(**settings), words, source)
    [passage] = prompt.used
    assert (passage.start, passage.page, passage.last_page) == (24, 2, 2) and "page 2: Bread is" in prompt.messages[0]["content"]
    [passage] = build_prompt("How old is tea?", [whole], ContextConfig(**settings), words, source).used
    assert (passage.start, passage.page, passage.last_page) == (0, 1, 1)


def test_a_chunk_is_handed_on_with_what_stands_around_it(tea):
    source, (first, second, third, last) = tea
    assert given(source, [first, last], hand_on="chunk") == [(0, 17), (75, 104)]
    assert given(source, [first, third, second], hand_on="merged") == [(0, 74)]
    assert given(source, [first, last], hand_on="merged") == [(0, 17), (75, 104)]
    assert given(source, [second], hand_on="neighbours") == [(0, 74)]
    assert given(source, [last], hand_on="section") == [(51, 104)] and given(source, [first], hand_on="section") == [(0, 49)]
    assert given(source, [last, first], hand_on="section") == [(0, 104)], "they touch"
    assert given(source, [last, first], hand_on="document") == [(0, 104)]


def test_a_document_without_headings_has_no_sections():
    text = "Plain words. More words."
    source = Surroundings([Document("d", text)], Chunks(*np.array([[0, 0, 12, 1]], np.int32).T), by_letters)
    assert given(source, [Hit(1, 1.0, "d", "", 0, 12, text[:12])], hand_on="section") == [(0, 12)]


def test_what_does_not_fit_is_handed_on_by_itself_and_then_not_at_all():
    text = ("word " * 50).strip()
    columns = np.array([(0, a, a + 49, 1) for a in range(0, 250, 50)], np.int32).T
    source = Surroundings([Document("d", text)], Chunks(*columns), by_letters)
    hits = [Hit(rank, 1.0, "d", "", a, a + 49, text[a : a + 49]) for rank, a in ((1, 0), (2, 200), (3, 100))]
    assert given(source, hits, hand_on="document", max_tokens=64) == [(0, 249)]
    assert given(source, hits, hand_on="neighbours", max_tokens=64) == [(0, 249)]
    long = ("word " * 100).strip()
    columns = np.array([(0, a, a + 149, 1) for a in range(0, 450, 150)], np.int32).T
    source = Surroundings([Document("d", long)], Chunks(*columns), by_letters)
    hits = [Hit(rank, 1.0, "d", "", a, a + 149, long[a : a + 149]) for rank, a in ((1, 0), (2, 300))]
    prompt = build_prompt("Why?", hits, ContextConfig(hand_on="document", max_tokens=64), words, source)
    assert [(p.start, p.end) for p in prompt.used] == [(0, 149), (300, 449)], "whole, it has 100 words"
    prompt = build_prompt("Why?", hits[:1] * 1 + [hits[1]], ContextConfig(hand_on="merged", max_tokens=60 + 4), words, source)
    assert len(prompt.used) == 2 and not prompt.notes


def test_near_copies_are_passed_over_and_the_next_takes_their_place():
    # of 4-word shingles: "a b c d e" has 2, "a b c d f" has 2, and they share 1 of 3
    assert jaccard(shingles("a b c d e"), shingles("A b, c d f")) == pytest.approx(1 / 3)
    assert jaccard(shingles("two words"), shingles("two words")) == 1 and jaccard(shingles(""), shingles("")) == 0
    hits = [hit(1, "a b c d e"), hit(2, "a b c d f"), hit(3, "quite another text here")]
    for threshold, ranks in ((1.0, [1, 2]), (0.34, [1, 2]), (0.33, [1, 3])):
        chosen, copies = distinct(hits, ContextConfig(passages=2, duplicates=threshold))
        assert [h.rank for h in chosen] == ranks and len(copies) == (threshold == 0.33)
    prompt = build_prompt("Why?", hits, ContextConfig(passages=2, duplicates=0.3), words)
    assert prompt.notes == ("1 near copy of a better chunk was passed over.",)


def test_order_puts_the_best_at_the_ends():
    five = [hit(rank, "text") for rank in range(1, 6)]
    orders = {name: [h.rank for h in ordered(five, name)] for name in ("best_first", "best_last", "interleaved")}
    assert orders == {"best_first": [1, 2, 3, 4, 5], "best_last": [5, 4, 3, 2, 1], "interleaved": [1, 3, 5, 4, 2]}


@pytest.mark.parametrize("by", ["words", "encoder"])
def test_the_sentences_nearest_the_question_are_kept_in_their_order(tea, by):
    source, _ = tea
    whole = Hit(1, 1.0, "d", "Food", 0, len(TEXT), TEXT)
    context = ContextConfig(compress=0.3, nearest_by=by)  # 2 of 6; a heading belongs to the sentence behind it
    [passage] = build_prompt("Is bread baked?", [whole], context, words, source).used
    assert len(sentences(TEXT)) == 6
    assert passage.shown == "# Bread\nBread is baked. … Bread rises."
    assert TEXT[passage.start : passage.end] == passage.text
    assert [TEXT[a:b] for a, b in passage.excerpts] == ["# Bread\nBread is baked.", "Bread rises."]


def test_a_share_of_the_sentences_is_rounded_up_from_what_it_is():
    text = " ".join(f"Loaf number {number} is baked." for number in range(100))
    [passage] = build_prompt(
        "Is bread baked?", [Hit(1, 1.0, "d", "", 0, len(text), text)], ContextConfig(compress=0.55), words
    ).used
    assert 0.55 * 100 > 55 and sum(len(sentences(text[a:b])) for a, b in passage.excerpts or [(0, len(passage.text))]) == 55


def test_without_the_documents_what_needs_them_is_an_error():
    for setting in ({"hand_on": "section"}, {"compress": 0.5, "nearest_by": "encoder"}):
        with pytest.raises(WorkbenchError, match=r"without"):
            build_prompt("Why?", [hit(1, "One. Two.")], ContextConfig(**setting), words)


def test_where_the_window_is_short_the_last_passages_are_cut_and_the_prompt_says_so():
    hits = [hit(rank, f"word{rank}") for rank in (1, 2, 3)]
    context = ContextConfig(order="best_last")
    prompt = build_prompt("Why?", hits, context, words, holds=lambda messages: "word3" not in messages[0]["content"])
    assert [h.rank for h in prompt.used] == [2, 1] and [h.rank for h in prompt.left_out] == [3]
    assert prompt.notes == ("1 passage was cut, the last first: the model's window does not hold them and the answer.",)
    least = build_prompt("Why?", hits, context, words, holds=lambda messages: False)
    assert [h.rank for h in least.used] == [1], "the engine says what it cannot hold"


@pytest.mark.parametrize(
    "style, expected",
    [
        ("brackets", ["[1]", "[2]"]),
        ("parentheses", ["(1)", "(2)"]),
        ("footnotes", ["[^1]", "[^2]"]),
        ("titles", ["[Tea]", "[d2]"]),
    ],
)
def test_citations_are_read_back_as_they_are_written(style, expected):
    hits = [hit(1, "One.", "Tea"), hit(2, "Two.")]
    assert marks(style, hits) == expected
    assert cited(f"It is {expected[1]}. And {expected[0]}, {expected[1]}.", hits, style) == (1, 2)
    assert cited("It is [3], (3), [^3] and [Coffee].", hits, style) == ()
    assert cited(f"It is {expected[0]}".upper(), hits, style) == (1,)
    nasty = plain(f"{expected[0]} made up", style)
    assert not nasty.startswith(expected[0]) and "made up" in nasty
    prompt = build_prompt("Why?", hits, ContextConfig(citations=style), words)
    content = prompt.messages[0]["content"]
    assert f"{expected[0]} One.\n\n{expected[1]} Two." in content and f"like {expected[0]}." in content
    assert ("numbered" in content) == (style != "titles")


def test_passages_of_one_title_are_told_apart():
    assert marks("titles", [hit(1, "a", "Tea"), hit(2, "b", "tea"), hit(3, "c", "Tea [x]")]) == [
        "[Tea, 1]",
        "[tea, 2]",
        "[Tea x]",
    ]


def test_a_template_says_the_prompt_and_fills_its_variables_once():
    context = ContextConfig(
        template="$n of $titles for $question:\n${passages}\nA $$ sign, $unknown", passage="<$n|$title> $text"
    )
    [message] = written("what is $n?", [hit(1, "costs $5, $question", "Tea"), hit(2, "more")], context)
    assert message["content"] == (
        "2 of Tea; d2 for what is $n?:\n<1|Tea> costs $5, $question\n\n<2|> more\nA $ sign, I don't know."
    )


@pytest.mark.parametrize(
    "field, text, problem",
    [
        ("template", "$passages $question $answer", r"no variable \$answer"),
        ("template", "$passages", r"variable \$question is missing"),
        ("template", "$question", r"variable \$passages is missing"),
        ("template", "$passages $question costs 5$", r"written \$\$"),
        ("template", "$passages $question ${question.__class__}", r"written \$\$"),
        ("passage", "$mark", r"variable \$text is missing"),
        ("passage", "$text $question", r"no variable \$question"),
    ],
)
def test_what_is_wrong_with_a_template_is_named(field, text, problem):
    with pytest.raises(WorkbenchError, match=problem):
        build({"context": {field: text}})


def test_a_template_is_a_setting_like_others():
    recipe = with_settings(TrialConfig(), {"context.template": "$question\n$passages"})
    assert difference(recipe) == {"context.template": "$question\n$passages"}
    assert build(recipe.model_dump(mode="json")) == recipe
