"""Text from corpora and models is shown as text: marked in the right places, never taken for markup."""

import re
import time
from html import unescape

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ui import cards, evidence, tables
from core.records import Gold, Hit
from core.statistics.paired import paired_difference

marks = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from(["gold", "term", "a"])).filter(lambda m: m[0] < m[1])
)


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@settings(max_examples=60)
@given(st.text(max_size=60), marks)
def test_marking_changes_no_character(text, chosen):
    assert plain(evidence.marked(text, [evidence.Mark(*m) for m in chosen])) == text


@settings(max_examples=60)
@given(st.text(alphabet="<>&\"'/ scriptimg=onerrorx", max_size=80))
def test_no_text_becomes_markup(text):
    html = (
        evidence.passage_html(text, title=text, facts=[text], query=text)
        + evidence.answer_html(text, 2)
        + evidence.document_html(text)
    )
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z]+)", html))
    assert tags <= {"div", "span", "details", "summary"}


def test_gold_is_marked_where_it_stands_in_the_chunk():
    hit = Hit(1, 0.9, "d", "T", 10, 30, "abcdefghijklmnopqrst", scores={"sparse": 3.0})
    html = evidence.hit_html(hit, gold=[Gold("d", 12, 15), Gold("other", 12, 15), Gold("d", 20, 22, grade=0)])
    assert re.findall(r'class="gw-gold">([^<]*)<', html) == ["cde"]
    assert "sparse 3.000" in html and "relevant" in html


def test_terms_are_whole_words_without_common_ones():
    text = "The matches match a matchbox; THE match."
    assert [text[m.start : m.end] for m in evidence.term_marks(text, "the match?")] == ["match", "match"]


def test_long_text_is_cut_around_its_evidence_and_complete_when_opened():
    text = "word " * 400 + "EVIDENCE " + "word " * 400
    html = evidence.text_html(text, [evidence.Mark(2000, 2008, "gold")])
    summary = html[html.index("<summary>") : html.index("</summary>")]
    assert 'class="gw-gold">EVIDENCE' in summary and len(plain(summary)) < 700
    assert plain(html[html.index("</summary>") :]).strip() == text.strip()


def test_citations_become_chips_and_false_ones_are_struck():
    html = evidence.answer_html("Yes [1], and [2, 9]. a[0]", 2)
    assert re.findall(r'class="gw-chip([^"]*)">(\d+)<', html) == [("", "1"), ("", "2"), (" bad", "9"), (" bad", "0")]


def test_overlap_of_chunks_is_shown_apart():
    html = evidence.document_html("aaaabbbbcccc", chunks=[(0, 8), (4, 12)])
    assert plain(html) == "aaaabbbbcccc"
    assert re.search(r"gw-ab gw-edge[^>]*>b|gw-edge gw-ab[^>]*>b", html)


def test_card_colours_only_a_distinct_difference_and_says_its_coverage():
    sure = cards.card_html(cards.Card("nDCG@10", 0.944, (0.931, 0.958), cards.Delta(0.016, 0.004, 0.027, 0.008), 1150, 1190))
    assert (
        "0.944" in sure
        and "0.931 to 0.958" in sure
        and "+0.016" in sure
        and "[0.004, 0.027]</span> vs baseline, p\u00a00.008" in sure
    )
    assert "n 1,150 of 1,190" in sure and 'gw-delta up"' in sure
    unsure = cards.card_html(cards.Card("nDCG@10", 0.944, None, cards.Delta(-0.016, -0.04, 0.027, 0.3)))
    assert 'gw-delta "' in unsure and "\u22120.016" in unsure
    other = cards.Card("nDCG@10", 0.9, None, cards.Delta(0.1, 0.05, 0.2, 0.01, "at 3.4 times the context"))
    assert 'gw-delta "' in cards.card_html(other) and "at 3.4 times the context" in cards.card_html(other)
    costly = cards.card_html(cards.Card("Latency", 12.0, None, cards.Delta(2.0, 1.0, 3.0), direction=-1))
    assert 'gw-delta down"' in costly


def test_card_of_few_pairs_says_so_and_one_of_equal_recipes_has_no_interval():
    def shown(*differences: float) -> str:
        values = np.array(differences)
        [paired] = paired_difference(values, np.zeros(len(values)))
        return cards.card_html(cards.Card("nDCG@10", 0.5, None, cards.delta_of(paired)))

    two, same = shown(0.022, 0.042), shown(*[0.0] * 40)
    assert "+0.032" in two and "no interval: too few values, n 2" in two and "[" not in two and 'gw-delta "' in two
    assert "0.000" in same and "the same on every question, n 40" in same and "[0.000" not in same
    assert "[0.1" in shown(*np.linspace(0.1, 0.3, 9)) and cards.delta_of(None) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-0.133 to -0.008", "\u22120.133 to \u22120.008"),
        ("by -.5 [-0.1, 2e-05]", "by \u2212.5 [\u22120.1, 2e-05]"),
        ("2026-01-02, xquad-en 3-4, --k 5", "2026-01-02, xquad-en 3-4, --k 5"),
    ],
)
def test_negative_numbers_have_a_minus_sign(text, shown):
    assert tables.minus(text) == shown


def test_card_of_an_unmeasured_value_shows_no_number():
    html = cards.card_html(cards.Card("Recall@10", None, note="no question has <evidence>"))
    assert "no question has &lt;evidence&gt;" in html and not re.search(r"\d\.\d", html)


def test_code_and_tables_keep_their_columns_and_prose_does_not():
    text = (
        'Some prose.\n\n   with_stmt ::= "with" item\n   item      ::= expression\n\n   An indented note that is prose, as most\n'
        "   notes in a manual are.\n\n+---+----+\n| a | bb |\n+---+----+\n\n```\nx = 1\n\ny = 2\n```\n\nA word = a word.\n"
    )
    found = [text[start:end] for start, end in evidence.preformatted(text)]
    assert found == [
        '   with_stmt ::= "with" item\n   item      ::= expression\n',
        "+---+----+\n| a | bb |\n+---+----+\n",
        "```\nx = 1\n",
        "y = 2\n```\n",
    ]
    drawn = evidence.laid(text, [evidence.Mark(0, 20, "gold")])
    assert drawn.count('<div class="gw-pre">') == 4 and "<b>" not in evidence.laid("   <b>x</b> = 1\n", [])
    plain = re.sub(r"<[^>]+>", "", drawn)
    assert unescape(plain) == text, "every character stays"
    part = re.sub(r"<[^>]+>", "", evidence.laid(text, [], 20, 60))
    assert unescape(part) == text[20:60], "a cut inside a block"


def test_line_breaks_that_only_keep_to_a_width_are_spaces_and_others_stay():
    text = (
        "If the target is a single name with no trailing comma, optionally\n"
        "  in parentheses, the object is assigned to it, and then to all\nthat comes after it. <b>\n"
        "This line begins anew.\n* an item whose line is as long as those of the paragraph\n* another\n\n"
        "   x = 1\n\nThe end."
    )
    at = text.index("optionally")
    drawn = evidence.laid(text, [evidence.Mark(at, at + 27, "gold")])
    assert '<span class="gw-gold">optionally in parentheses</span>' in drawn and "to all that comes" in drawn
    assert "it. &lt;b&gt;\nThis line begins anew.\n* an item" in drawn and "paragraph\n* another\n\n<div" in drawn
    assert len(evidence.filled(text, evidence.preformatted(text))) == len(text)


def test_a_passage_that_begins_within_a_line_is_joined_to_the_next_which_goes_on_with_a_small_letter():
    rest = "\nthe object is assigned to that target, and so are all\nthat come after it, be they optional or not, unless it is\nelse."
    assert evidence.laid("are given" + rest, []).startswith("are given the object is assigned")
    assert evidence.laid("A title" + rest.replace("the", "The", 1), []).startswith("A title\nThe object")


@pytest.mark.parametrize(
    "text",
    [
        "Roses are red,\nviolets are blue,\nlines that are short\nare meant so too",
        "A first paragraph which is as long as a line of a text can be in a file.\nA second one.\nA third one.\nA fourth one.",
        f"{'A paragraph on one line. ' * 9}\n{'And another. ' * 18}\n{'And another. ' * 18}",
    ],
)
def test_lines_of_a_text_that_was_not_filled_stay(text):
    assert evidence.laid(text, []) == text


@given(st.text(alphabet="ab \n*.<", max_size=400))
def test_no_word_is_lost_or_joined_to_another_where_lines_are_joined(text):
    plain = unescape(re.sub(r"<[^>]+>", "", evidence.laid(text, [])))
    assert plain.split() == text.split()


@pytest.mark.parametrize("unit", [" ", "\t", "\r\n", "\u00a0", "a(", "(", "| ", "} ", "1. "])
def test_a_long_line_of_nothing_is_drawn_at_once(unit):
    text, started = unit * (40_000 // len(unit)), time.process_time()
    assert plain(evidence.laid(text + "x", [])).endswith("x")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(("line", "code"), [
    ("f(x)", True), ("f(x) :", True), ("f(a, (b)", True), ("f(a) g(b)", True), ("f(a(b)", True), ("see (x)", True), ("f(x) and", False),
    ("f(a)) b", False), ("one f(two", False),
])  # fmt: skip
def test_a_call_at_the_end_of_a_line_is_code(line, code):
    assert bool(evidence._CODE.search(line)) == code
