"""The mistakes of the answerer that ships, as it makes them: it is asked questions whose answer is known, over passages that hold it,
over others of its article, and over one with another answer in its place.

Right is what `core.judging.reference` accepts of what the passages say; wrong is what shares no word with that and with the known
answer (token F1 of 0). What lies between, what declines, and what is right though its passages do not say it, is left out and counted.
An answer of a few words claims nothing alone: with its question it makes a statement, in which the answer's words are what is wrong.
Articles are split as the answerer's training split them; questions that are near copies of XQuAD's are left out.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from core.config import ContextConfig
from core.context.citations import uncited
from core.context.prompt import written as prompt
from core.generation.model_texts import ModelText, Request, TextTools, written
from core.judging.diversity import answer_f1, normalise_answer
from core.judging.reference import accepts, declines
from core.records import Document, Hit, Progress, Query
from core.training.adapters.answerer import apart, article_parts, holds, squad
from core.training.faithfulness.planted import fitting, kind, with_answer
from core.training.faithfulness.sources import CONTRADICTED, NEITHER, OWN, SUPPORTED, Marked, MarkedSpan
from core.training.faithfulness.spliced import raised

ANSWERER_SEED = 0  # of the training of the answerer that ships, which split its articles
PARTS = {
    "train": (OWN, 0.7),
    "validation": (f"{OWN} fitted", 0.15),
    "test": (f"{OWN} test", 0.15),
}  # source, share of the questions
SITUATIONS = {"held": 0.6, "absent": 0.15, "planted": 0.25}  # what the passages say of the answer, and how often
PASSAGES = 3
ANSWER_TOKENS = 48  # a longer answer is cut, and left out
BE = "is are was were has have had can could will would should may might must".split()
AUXILIARY = re.compile(rf"\b(?:{'|'.join(BE)}|do|does|did)\b", re.IGNORECASE)
ASKS = re.compile(r"\b(?:what|which|who|whom|whose|where|when|why|how(?: (?:many|much|long|old|far|often))?)\b", re.IGNORECASE)
SUBJECT = 5  # words of what is asked after ("which Norman duke"), at most


class Posed(NamedTuple):
    """A question over passages, and what these answer; (): nothing."""

    source: str
    query: Query
    hits: tuple[Hit, ...]
    answers: tuple[str, ...]


class OwnAnswers(NamedTuple):
    """left_out: by reason."""

    claims: list[Marked]
    left_out: dict[str, int]


def own_answers(folder: Path, most: int, tools: TextTools) -> Generator[Progress, None, OwnAnswers]:
    """So many of SQuAD's training questions, put to the generator of the tools. What it wrote is recorded in their home: started
    again it goes on."""
    corpus = yield from squad(folder)
    queries, copies = yield from apart(folder, corpus)
    posed = questions(corpus.documents, queries, most, tools.seed)
    requests = [Request(prompt(each.query.text, each.hits, ContextConfig()), ANSWER_TOKENS) for each in posed]
    texts = yield from written(tools, requests)
    claims, left_out = [], Counter({"near copy of a question of XQuAD": copies} if copies else {})
    for each, text in zip(posed, texts, strict=True):
        if why := _unclear(each, text):
            left_out[why] += 1
        else:
            claims.append(_claim(each, _bare(text)))
    return OwnAnswers(claims, dict(left_out))


def questions(documents: Sequence[Document], queries: Iterable[Query], most: int, seed: int) -> list[Posed]:
    """So many, all of a paragraph beside each other, over the same passages where that can be."""
    by_paragraph, articles, answers = defaultdict(list), defaultdict(list), defaultdict(set)
    for query in queries:
        by_paragraph[query.gold[0].document_id].append(query)
        for each in query.answers:
            answers[query.group, kind(each)].add(each)
    for document in documents:
        articles[document.title].append(document)
    of_title = article_parts(articles, ANSWERER_SEED)
    posed = []
    for part, (source, share) in PARTS.items():
        draw, some = random.Random(f"{seed} {part}"), []
        wanted = round(most * share)
        paragraphs = [document for document in documents if of_title[document.title] == part]
        for document in draw.sample(paragraphs, len(paragraphs)):
            if len(some) < wanted:
                some += _posed(source, document, by_paragraph[document.id], articles[document.title], answers, draw)
        posed += some[:wanted]
    return posed


def _posed(
    source: str,
    document: Document,
    queries: Sequence[Query],
    article: Sequence[Document],
    answers: Mapping[tuple[str, str], set[str]],
    draw: random.Random,
) -> Iterator[Posed]:
    """A paragraph's questions, all in one situation."""
    situation = draw.choices(list(SITUATIONS), list(SITUATIONS.values()))[0]
    others = [_whole(each) for each in article if each.id != document.id]
    others, hit = draw.sample(others, min(len(others), PASSAGES)), _whole(document)
    held = draw.sample([hit, *others[: PASSAGES - 1]], len(others[: PASSAGES - 1]) + 1)
    for query in queries:
        apart_from = tuple(each for each in others if not holds([each.text], query))
        if situation == "held":
            yield Posed(source, query, tuple(held), query.answers)
        elif situation == "absent" and apart_from:
            yield Posed(source, query, apart_from, ())
        elif situation == "planted" and (fit := fitting(query, hit, answers[query.group, kind(query.answers[0])])):
            changed = with_answer(hit.text, query.answers[0], draw.choice(fit))
            if changed:
                text, new = changed
                yield Posed(source, query, (*apart_from[: PASSAGES - 1], replace(hit, text=text, end=len(text))), (new,))


def _whole(document: Document) -> Hit:
    return Hit(1, 0.0, document.id, document.title, 0, len(document.text), document.text)


def _bare(text: ModelText) -> str:
    return uncited(text.text).rstrip(" .")


def _unclear(posed: Posed, text: ModelText) -> str:
    """Why nobody can tell from the known answer whether the passages bear it out; "": it can be told."""
    answer = _bare(text)
    if text.finish_reason == "length":
        return "cut"
    if not normalise_answer(answer):
        return "empty"
    if declines(answer):
        return "declines"
    if accepts(answer, posed.answers):
        return ""
    if accepts(answer, posed.query.answers):
        return "" if posed.answers else "right without its passage"
    return "between right and wrong" if answer_f1(answer, (*posed.answers, *posed.query.answers)) else ""


def _claim(posed: Posed, answer: str) -> Marked:
    text, start = stated(posed.query.text, answer)
    verdict = SUPPORTED if accepts(answer, posed.answers) else CONTRADICTED if posed.answers else NEITHER
    spans = () if verdict == SUPPORTED else (MarkedSpan(start, start + len(answer), verdict),)
    passages = tuple(hit.text for hit in posed.hits)
    return Marked(posed.source, f"{OWN} {posed.query.group}", "", passages, text, verdict, spans)


def stated(question: str, answer: str) -> tuple[str, int]:
    """(what the answer says as a statement, where in it the answer begins): in the place of what is asked after where that is the
    subject, else behind the rest of the question. Rough: "When did he die" and "1087" make "He die 1087."."""
    text = question.strip(" ?.")
    asks = ASKS.search(text)
    if not asks:
        return f"{raised(text)}: {answer}.", len(text) + 2
    before, after = text[: asks.start()].strip(" ,"), text[asks.end() :].strip()
    verb = AUXILIARY.search(after)
    if asks.start() > 25:  # asked at the end: "The duke died in which year"
        return f"{raised(before)} {answer}.", len(before) + 1
    if verb is None or len(after[: verb.start()].split()) > SUBJECT:
        lead = f"{raised(before)} " if before else ""
        return f"{lead}{answer} {after}.", len(lead)
    rest = after[verb.end() :].strip()
    told = f"{rest} {verb[0]}" if verb[0].lower() in BE else rest
    told = f"{told} {before.lower()}" if before else told
    return f"{raised(told)} {answer}.", len(told) + 1
