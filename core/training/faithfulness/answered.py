"""Answers as chat models write them, made of passages by rule: some right claims, copied or in other words, none or one of them wrong,
between sentences that frame them, as a paragraph or a list, with citations or without.

They tell how often an answer of so many right claims is called hallucinated, and how often the wrong claim among them is found.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.corpus.reading import Notes, Source, clean, shape_reported
from core.judging.claims import by_marks
from core.judging.evidence import claims
from core.records import Corpus
from core.training.faithfulness import spliced
from core.training.faithfulness.corrupted import FEWEST, MOST, Corruption, Story, stories_of_corpus
from core.training.faithfulness.reworded import reworded
from core.training.faithfulness.sources import NEITHER, SUPPORTED, Marked, MarkedSpan, share

SQUAD, MEDICAL = "squad_train", "medquad"
FILE = "squad1.1_train_part.json.gz"
COUNTS = (1, 2, 3, 4, 6, 8, 12)  # of claims in an answer
COPIED, REWORDED = "copied", "reworded"
MOST_CHANGES = 5  # of a reworded claim
FOREIGN = 0.15  # share of wrong claims that are another text's sentence
OPENINGS = (
    "Passage {n} provides the necessary information to answer the question.",
    "The passages contain several details that are relevant to this question.",
    "Based on the passages, here is what can be said:",
    "To answer the question, passages 1 and {n} are the most useful.",
    "The question asks: {question}",
    "Here are the key points about {topic}:",
    "Sure! Let me summarize what the sources say.",
    "The answer can be found in passage {n}.",
    "There are several aspects to consider:",
    "According to the provided context, the following can be said about {topic}:",
    "**Answer:**",
    "That is a good question.",
    "Let's look at what the documents tell us about {topic}.",
    "I have reviewed the given passages. Passage {n} discusses this topic in detail.",
)
CLOSINGS = (
    "I hope this helps!",
    "Let me know if you need more details.",
    "In summary, these are the main points that the passages mention.",
    "This information is taken from passages 1 and {n}.",
    "The passages do not give any further details.",
    "Please refer to the documents for more information.",
    "Together, these passages answer the question.",
    "Passage {n} supports this answer.",
)
TITLES = ("## Answer", "### Key points", "**Summary**", "## Details")
WHOLE = re.compile(r"[A-Z][^?\n%]*[.!]$")
ASKS = re.compile(
    r"^.*?\b(?:what|which|who|whom|whose|where|when|why|how)\b(?: (?:is|are|was|were|do|does|did|many|much))*\s*", re.IGNORECASE
)


class MadeAnswer(NamedTuple):
    """claims: so many were put in. kind: COPIED or REWORDED."""

    answer: Marked
    claims: int
    kind: str


def made_answers(stories: Sequence[Story], base: Path, each: int, seed: int = 0) -> list[MadeAnswer]:
    """So many for each number of claims and kind, half of them with a wrong claim; fewer where the stories have too few sentences."""
    made, answers = Corruption(list(stories), base), []
    for count in COUNTS:
        fits = [at for at, story in enumerate(stories) if len(_usable(story)) >= count]
        for kind in (COPIED, REWORDED):
            draw = np.random.default_rng([seed, count, kind == COPIED])
            for number in range(each if fits else 0):
                at = fits[int(draw.integers(len(fits)))]
                answers.append(_answer(made, stories[at], at, count, kind, number % 2 == 1, draw))
    return [answer for answer in answers if answer]


def _usable(story: Story) -> list[str]:
    """Its whole sentences: no questions, headings or rows of tables."""
    said = (p[a:b] for p in story.passages for a, b in claims(p))
    return [each for each in said if FEWEST <= len(each.split()) <= MOST and WHOLE.match(each)]


def _answer(
    made: Corruption, story: Story, at: int, count: int, kind: str, wrong: bool, draw: np.random.Generator
) -> MadeAnswer | None:
    sentences = _usable(story)
    places = np.sort(draw.choice(len(sentences), count, replace=False))
    said = [_claim(sentences[place], kind, draw) for place in places]
    fault, verdict = None, SUPPORTED
    for which in draw.permutation(count) if wrong else ():
        if draw.random() < FOREIGN and (other := made.foreign(at, draw)) and other not in "".join(story.passages):
            said[which], fault, verdict = other, (int(which), 0, len(other)), NEITHER
            break
        if edit := made.edited(said[which], at, draw):
            said[which], fault, verdict = edit.text, (int(which), edit.start, edit.end), edit.verdict
            break
    if wrong and fault is None:
        return None
    text, starts = _framed(said, [_passage(story, sentences[place]) for place in places], story, draw)
    spans = ()
    if fault:
        which, start, end = fault
        spans = (MarkedSpan(starts[which] + start, starts[which] + end, verdict),)
    answer = Marked(f"answers {kind}", story.group, story.question, story.passages, text, verdict, spans)
    return MadeAnswer(answer, count, kind)


def _claim(sentence: str, kind: str, draw: np.random.Generator) -> str:
    text = spliced.shortened(sentence, int(draw.integers(2)), draw)
    return reworded(text, 1 + int(draw.integers(MOST_CHANGES)), draw) if kind == REWORDED else text


def _passage(story: Story, sentence: str) -> int:
    return next(number for number, passage in enumerate(story.passages, 1) if sentence in passage)


def _framed(said: Sequence[str], numbers: Sequence[int], story: Story, draw: np.random.Generator) -> tuple[str, list[int]]:
    """The whole answer, and where each claim begins in it."""
    pieces: list[str] = []
    starts: list[int] = []
    cites, listed = draw.random() < 0.5, len(said) > 2 and draw.random() < 0.5
    for some, often in ((OPENINGS, 0.7), (TITLES, 0.2 if listed else 0.0)):
        if draw.random() < often:
            pieces.append(_frame(some, story, draw) + ("\n\n" if listed or draw.random() < 0.4 else " "))
    for number, (text, passage) in enumerate(zip(said, numbers, strict=True), 1):
        pieces.append(f"{number}. " if listed else "")
        starts.append(sum(map(len, pieces)))
        end = text if text[-1:] in ".!?" else text + "."
        pieces.append((f"{end[:-1]} [{passage}]{end[-1]}" if cites else end) + ("\n" if listed else " "))
    if draw.random() < 0.4:
        pieces.append(("\n" if listed else "") + _frame(CLOSINGS, story, draw))
    return "".join(pieces).rstrip(), starts


def _frame(frames: Sequence[str], story: Story, draw: np.random.Generator) -> str:
    topic = ASKS.sub("", story.question).strip(" ?") or "this"
    text = frames[int(draw.integers(len(frames)))]
    return text.format(n=1 + int(draw.integers(len(story.passages))), topic=topic, question=story.question or "what is known?")


def stories_of_articles(folder: Path, learnt: Sequence[Story], passages: int = 3) -> Iterator[Story]:
    """Neighbouring paragraphs of SQuAD's articles, with a question about the first; none of which a sentence was learnt from."""
    source = Source(folder, Notes())
    known = {_letters(each.text) for story in learnt for passage in story.passages for each in by_marks(passage)}
    with shape_reported(str(folder), SQUAD):
        for article in json.loads(source.text(FILE))["data"]:
            new = [
                (clean(each["context"]), each["qas"])
                for each in article["paragraphs"]
                if not any(_letters(sentence.text) in known for sentence in by_marks(clean(each["context"])))
            ]
            for first in range(0, len(new) - passages + 1, passages):
                some = new[first : first + passages]
                asked = next((clean(entry["question"]) for _, qas in some for entry in qas), "")
                yield Story("made", f"made {SQUAD} {article['title']}", tuple(text for text, _ in some), asked)


def stories_of_documents(corpus: Corpus, learnt: Sequence[Story], most: int, seed: int = 0) -> Iterator[Story]:
    """Documents of a corpus with what each answers, at most so many; of no file of which a text was learnt."""
    known = {_file(story.group) for story in learnt}
    asked = {gold.document_id: query.text for query in corpus.queries for gold in query.gold}
    left = [story for story in stories_of_corpus(corpus, len(corpus.documents), seed, False) if _file(story.group) not in known]
    for story in left[:most]:
        yield story._replace(group=_file(story.group), question=asked.get(story.group.rpartition(" ")[2], ""))


def _file(group: str) -> str:
    return group.rpartition("-")[0]


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def half_of(stories: Sequence[Story], seed: int, second: bool) -> list[Story]:
    """Those of the groups of one half."""
    return [story for story in stories if (share(story.group, seed) >= 0.5) == second]
