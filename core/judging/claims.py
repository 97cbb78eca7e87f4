"""What an answer says, without its citations: its words, its statements, and whether it says anything.

A statement is a sentence, or an item of a list. It is cut on the answer with its citations blanked out, so characters stay where they
are, and a citation behind the full stop belongs to the sentence before it. What frames an answer states nothing: a list's marks, its
headings, marks of emphasis, the leads "Based on the given passages," and "In summary,", sentences such as "Here are the steps:" and "I hope
this helps!", those that only speak of the passages or the question (`frames`) or say what the passages do not have, those that end in a
colon, and the question said again.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from core.chunking.sentences import claim_starts
from core.config import knob
from core.context.citations import pattern
from core.judging.diversity import normalise_answer, normalise_trivia
from core.judging.frames import IN_PASSING, REFERENCES, SOURCE, WORD, repeats, speaks_of_texts
from core.judging.measure import AnswerCase
from core.judging.reference import declines

SENTENCE = re.compile(r"\S.*?(?:[.!?][\"')\]]*(?=\s)|\n\s*\n|\Z)", re.DOTALL)
ITEM = re.compile(r"^[ \t]*(?:[-*•–]|\(?\d{1,2}[.)]|[a-z][.)])[ \t]+", re.MULTILINE)  # the mark of a list's item
HEADING = re.compile(  # marked as one, or a few words alone above a list
    r"^[ \t]*(?:#{1,6} .*|\*\*[^*\n]{1,80}\*\*:?[ \t]*|[A-Z][^\n.!?:;]{1,60}(?=\n+[ \t]*(?:[-*•–]|\(?1[.)])[ \t]))(?=\n)",
    re.MULTILINE,
)
EMPHASIS = re.compile(r"\*+|`+")
MARK = re.compile(r"\W*\(?\d{1,2}[.)]\W*")
_LACKS = r"(?:do(?:es)?|did) ?(?:not|n[o'’]?t)"
_ALONE = r"(?!.*\b(?:but|although|though|while)\b)"  # what the passages lack, and nothing that they have
_TELLS = r"mention|say|state|specif\w+|discuss|indicate|explain|tell"
LEAD = re.compile(
    r"(?:(?:yes|no), )?(?:"
    rf"(?:based (?:up)?on|according to|as (?:stated|mentioned|described|explained|noted|shown) in|as per|per|from|in|within) "
    rf"(?:{SOURCE})?\s*,\s*"
    rf"|{SOURCE} (?:also )?(?:states?|mentions?|says?|explains?|notes?|indicates?|suggests?|tells? us|reports?|shows?) that )"
    r"|(?:in (?:summary|conclusion|addition|short|brief|other words|general|fact|particular)|to (?:summari[sz]e|conclude|sum up)|overall"
    r"|additionally|furthermore|moreover|however|therefore|thus|hence|consequently|finally|lastly|specifically|similarly"
    r"|for (?:example|instance)"
    r"|please note that|note that|keep in mind that|it is (?:important|worth) (?:to note|noting) that)(?:,\s*|(?<=that)\s+)"
    r"|\(?\d{1,2}[.)]\s+(?=\S)"
    r"|(?:so,? |therefore,? )?(?:the )?(?:final |short )?answer(?: to (?:the|this|your) question)?(?: is(?: that|:)?|:) ",
    re.IGNORECASE,
)
FRAME = re.compile(
    "|".join(
        (
            r"(?:sure|certainly|of course|absolutely|okay|ok|great question)\b.{0,30}",
            r"(?!.*\d{3})[\w'-]+(?:[ ,&/]+[\w'-]+){0,5}:(?!\d)\W*(?:\d{1,2}[.)])?\W*",
            r"(?:i )?hope (?:this|that|it) helps?\b.*",
            r"(?:please )?(?:let me know|feel free)\b.*",
            r"(?:(?:i|we|sorry|unfortunately|but|am|are|i'm)[, ]+)*(?:unable|not able|cannot|can't|can not)(?: to)? "
            r"(?:answer|determine|find|say|provide)\b.*",
            rf"{_ALONE}.{{0,40}}\b(?:the|these|this) (?:question|{SOURCE}) {_LACKS} "
            rf"(?:\w+ )?(?:{_TELLS}|provide|contain|include|give|offer)\b.*",
            rf"{_ALONE}(?:however, )?(?:it|they|this) {_LACKS} (?:\w+ )?(?:{_TELLS})\b.*",
            rf"{_ALONE}.{{0,30}}\bthere (?:is|was) (?:no|not any|not enough|insufficient) (?:\w+ )?(?:mention|information)\b.*",
            rf"{_ALONE}.{{0,120}}(?:\bnot|n['’]t) (?:\w+ )?(?:mentioned|stated|specified|provided|given|detailed|described|discussed"
            rf"|clarified|explained|present|included|found|covered|addressed) (?:in|within|by) {SOURCE}\b.*",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)
RULES: dict[str, Callable[[str], str]] = {"squad": normalise_answer, "triviaqa": normalise_trivia}
NOTHING_CLAIMED = "it claims nothing"


class Statement(NamedTuple):
    """Characters [start, end) of an answer or a passage, and what they say: without citations, and of data as a sentence."""

    start: int
    end: int
    text: str

    def words(self) -> list[str]:
        return WORD.findall(self.text.lower())


def rules(default: str) -> str:
    return knob(
        default,
        "Whose normalisation counts: both drop case and articles; SQuAD's deletes punctuation, TriviaQA's puts a space in its place.",
    )


def bare(case: AnswerCase) -> str:
    return uncited(case.answer, case.citations)


def uncited(answer: str, style: str) -> str:
    """The answer with a blank for each character of a citation."""
    return pattern(style).sub(_blank, answer)


def _blank(match: re.Match) -> str:
    return " " * len(match[0])


def statements(case: AnswerCase) -> list[Statement]:
    """The sentences of the answer that state something; none where it says that it does not know."""
    if declines(case.answer):
        return []
    text = IN_PASSING.sub(_blank, HEADING.sub(_blank, REFERENCES.sub(_blank, bare(case))))
    cuts = [0, *(item.start() for item in ITEM.finditer(text)), len(text)]
    text = EMPHASIS.sub(_blank, ITEM.sub(_blank, text))
    said = [each for start, stop in pairwise(cuts) for each in sentences(text, start, stop)]
    said = [_without_leads(each) for each in said if len(said) == 1 or not MARK.fullmatch(each.text)]
    return [each for each in said if WORD.search(each.text) and not _frames(each.text, case.question)]


def _frames(sentence: str, question: str) -> bool:
    leads_on = sentence.rstrip(" *_").endswith(":")
    return leads_on or speaks_of_texts(sentence, question) or repeats(sentence, question) or bool(FRAME.fullmatch(sentence))


def _without_leads(each: Statement) -> Statement:
    while lead := LEAD.match(each.text):
        each = Statement(each.start + lead.end(), each.end, each.text[lead.end() :])
    return each


def sentences(text: str, start: int = 0, stop: int | None = None) -> list[Statement]:
    """Those of the text's characters [start, stop) that have words."""
    said = text[start:stop]
    if said.islower():  # no capital tells where one opens
        cut = by_marks(text, start, stop)
    else:
        ends = [*claim_starts(said), len(said)]
        parts = ((start + begin, said[begin:end]) for begin, end in pairwise([0, *ends]))
        cut = (Statement(at + len(part) - len(part.lstrip()), at + len(part.rstrip()), part.strip()) for at, part in parts)
    return [each for each in cut if WORD.search(each.text)]


def by_marks(text: str, start: int = 0, stop: int | None = None) -> Iterator[Statement]:
    """The sentences of the characters [start, stop) by their last marks alone, as passages are cut."""
    for match in SENTENCE.finditer(text, start, len(text) if stop is None else stop):
        sentence = match.group().rstrip()
        yield Statement(match.start(), match.start() + len(sentence), sentence)
