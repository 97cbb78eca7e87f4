"""Answers as chat models write them, made of passages by rule: some right claims, copied or in other words, none or one of them wrong,
between sentences that frame them, as a paragraph or a list, with citations or without.

They tell how often an answer of so many right claims is called hallucinated, and how often the wrong claim among them is found.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.judging.evidence import claims
from core.training.faithfulness import spliced
from core.training.faithfulness.corrupted import FEWEST, MOST, Corruption, Story, stories_of
from core.training.faithfulness.reworded import reworded
from core.training.faithfulness.sources import NEITHER, SUPPORTED, Marked, MarkedSpan

COUNTS = (1, 2, 3, 4, 6, 8, 12)  # of claims in an answer
KINDS = ("copied", "reworded")
EACH = 24  # answers of each kind and number of claims
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
ASKED = re.compile(
    r"^.*?\b(?:what|which|who|whom|whose|where|when|why|how)\b(?: (?:is|are|was|were|do|does|did|many|much))*\s*", re.IGNORECASE
)


def made_answers(answers: Sequence[Marked], base: Path, each: int = EACH, seed: int = 0) -> list[Marked]:
    """Answers to the questions, and from the texts, of these: so many for each number of claims and kind, which their `source` names, half
    of them with a wrong claim; fewer where the texts have too few sentences."""
    asked = {answer.group: answer.question for answer in answers}
    stories = [story._replace(question=asked[story.group]) for story in stories_of(list(answers))]
    faults, made = Corruption(stories, base), []
    for count in COUNTS:
        fits = [at for at, story in enumerate(stories) if len(_usable(story)) >= count]
        for kind in KINDS:
            draw = np.random.default_rng([seed, count, KINDS.index(kind)])
            for number in range(each if fits else 0):
                at = fits[int(draw.integers(len(fits)))]
                made.append(_answer(faults, stories[at], at, count, kind, number % 2 == 1, draw))
    return [answer for answer in made if answer]


def _usable(story: Story) -> list[str]:
    """Its whole sentences: no questions, headings or rows of tables."""
    said = (p[a:b] for p in story.passages for a, b in claims(p))
    return [each for each in said if FEWEST <= len(each.split()) <= MOST and WHOLE.match(each)]


def _answer(
    faults: Corruption, story: Story, at: int, count: int, kind: str, wrong: bool, draw: np.random.Generator
) -> Marked | None:
    sentences = _usable(story)
    places = np.sort(draw.choice(len(sentences), count, replace=False))
    said = [_claim(sentences[place], kind, draw) for place in places]
    fault, verdict = None, SUPPORTED
    for which in draw.permutation(count) if wrong else ():
        if draw.random() < FOREIGN and (other := faults.foreign(at, draw)) and other not in "".join(story.passages):
            said[which], fault, verdict = other, (int(which), 0, len(other)), NEITHER
            break
        if edit := faults.edited(said[which], at, draw):
            said[which], fault, verdict = edit.text, (int(which), edit.start, edit.end), edit.verdict
            break
    if wrong and fault is None:
        return None
    text, starts = _framed(said, [_passage(story, sentences[place]) for place in places], story, draw)
    spans = ()
    if fault:
        which, start, end = fault
        spans = (MarkedSpan(starts[which] + start, starts[which] + end, verdict),)
    return Marked(f"answers {kind} {count}", story.group, story.question, story.passages, text, verdict, spans)


def _claim(sentence: str, kind: str, draw: np.random.Generator) -> str:
    text = spliced.shortened(sentence, int(draw.integers(2)), draw)
    return reworded(text, 1 + int(draw.integers(MOST_CHANGES)), draw) if kind == "reworded" else text


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
    topic = ASKED.sub("", story.question).strip(" ?") or "this"
    text = frames[int(draw.integers(len(frames)))]
    return text.format(n=1 + int(draw.integers(len(story.passages))), topic=topic, question=story.question or "what is known?")
