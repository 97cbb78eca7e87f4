"""Examples from documents alone: a language model writes a question and its answer about passages drawn by seed, and most of what
it writes is thrown away.

Filters, one after the other, each counted: the text has a question and an answer and ended by itself; the question is one, and does
not speak of "the passage", which a reader of the corpus does not see; it is not copied from the passage; the passage answers it (the
model, asked again, agrees by token F1: roundtrip consistency, Alberti et al. 2019, arXiv:1906.05416; or the answer stands there);
nobody asked nearly the same before (MinHash). None of them sees that a question is dull, or its answer wrong in the same way twice.
"""

import random
import re
from collections.abc import Generator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

from core.chunking.sentences import sentence_starts
from core.generation.model_texts import ModelText, Request, TextTools, written
from core.judging.claims import WORD
from core.judging.containment import share
from core.judging.diversity import answer_f1
from core.queries.by_model import plain, words
from core.records import Corpus, Document, Hit, Progress
from core.training.adapters.examples import PARTS, Message, SplitPlace, TrainingExample, distractors, example, part_of, parts_of
from core.training.adapters.near_copies import repeated
from core.training.adapters.settings import AdapterTraining

FEWEST, MOST = 4, 40  # words of a question
SHORTEST = 100  # characters of a passage: a shorter one says little
ANSWER_TOKENS, BOTH_TOKENS = 48, 96  # of an answer, of a question with its answer
SENTENCE = 5, 40  # words of a sentence that is asked about
# what the model is told, by `answers`: to write, and to answer again
TASKS = {
    "written": (
        "Write a question that the passage answers, and the answer in the words of the passage.",
        "Answer the question in the words of the passage.",
    ),
    "sentences": ("Write the question that this sentence answers.", "Answer the question with a sentence of the passage."),
}
# passage, question, answer; the passage's first sentence answers, too
SHOWN = (
    (
        "The lighthouse at Cape Wrath was built in 1828 by Robert Stevenson. It stands 122 metres above the sea.",
        "Who built the lighthouse at Cape Wrath?",
        "Robert Stevenson",
    ),
    (
        "Dough rises because yeast turns sugar into gas. Below 10 degrees yeast works slowly, so dough in the fridge takes a day.",
        "Why does dough rise?",
        "because yeast turns sugar into gas",
    ),
)
_WRITTEN = re.compile(r"\s*(?:Question:)?\s*(?P<question>[^\n]+?)\s*\n+\s*Answer:\s*(?P<answer>[^\n]*\S)")
_PROSE = re.compile(r"\w[^|{}]*[.!]")  # no heading, row of a table or code
_SPEAKS = re.compile(r"\b(?:this|the|above|given) (?:passage|text|paragraph|excerpt|article|sentence|author)\b", re.IGNORECASE)


class WrittenQuestion(NamedTuple):
    """A passage with what was written about it. again: the answer to the question asked once more; "": not asked."""

    passage: Hit
    question: str
    answer: str
    again: str = ""


def pieces(document: Document, characters: int) -> list[Hit]:
    """Runs of whole sentences of at most so many characters; what is shorter than SHORTEST, or one long sentence, is none."""
    text = document.text
    made, start = [], 0
    starts = [*sentence_starts(text), len(text)]
    for place, end in enumerate(starts):
        after = starts[place + 1] if place + 1 < len(starts) else None
        if after is None or after - start > characters:
            if len(text[start:end].strip()) >= SHORTEST and end - start <= characters:
                made.append(Hit(1, 0.0, document.id, document.title, start, end, text[start:end]))
            start = end
    return made


def passages(corpus: Corpus, config: AdapterTraining) -> list[Hit]:
    """Drawn by seed, of those with a sentence to ask about where one is given; a larger sample contains the smaller."""
    every = [piece for document in corpus.documents for piece in pieces(document, config.passage_characters)]
    random.Random(config.seed).shuffle(every)
    fitting = (piece for piece in every if config.answers == "written" or sentence_of(piece, config.seed))
    return list(islice(fitting, config.questions))


def request(passage: Hit, config: AdapterTraining) -> Request:
    """For a question, and its answer where that is written, too."""
    task, _ = TASKS[config.answers]
    if config.answers == "sentences":
        shown = [(f"{task}\n{_first(text)}", f"Question: {question}") for text, question, _ in SHOWN]
        return Request(_turns(shown, f"{task}\n{plain(sentence_of(passage, config.seed))}"), ANSWER_TOKENS, ("\n",))
    shown = [(f"{task}\nPassage: {text}", f"Question: {question}\nAnswer: {answer}") for text, question, answer in SHOWN]
    return Request(_turns(shown, f"{task}\nPassage: {plain(passage.text)}"), BOTH_TOKENS, ("\n\n",))


def request_again(passage: Hit, question: str, config: AdapterTraining) -> Request:
    """For the answer alone."""
    _, task = TASKS[config.answers]
    told = [(text, asked, _first(text) if config.answers == "sentences" else answer) for text, asked, answer in SHOWN]
    shown = [(f"{task}\nPassage: {text}\nQuestion: {asked}", answer) for text, asked, answer in told]
    asked = f"{task}\nPassage: {plain(passage.text)}\nQuestion: {plain(question)}"
    return Request(_turns(shown, asked), BOTH_TOKENS if config.answers == "sentences" else ANSWER_TOKENS, ("\n",))


def _first(text: str) -> str:
    return text[: sentence_starts(text)[0]].strip()


def sentence_of(passage: Hit, seed: int) -> str:
    """The sentence that is asked about; "": none is of a usual length."""
    bounds = [0, *sentence_starts(passage.text), len(passage.text)]
    some = [plain(passage.text[start:end]) for start, end in pairwise(bounds)]
    fitting = [each for each in some if SENTENCE[0] <= len(words(each)) <= SENTENCE[1] and _PROSE.fullmatch(each)]
    return random.Random(f"{seed} {passage.document_id} {passage.start}").choice(fitting) if fitting else ""


def _turns(shown: Sequence[tuple[str, str]], told: str) -> list[Message]:
    turns = []
    for asked, text in shown:
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": text}]
    return [*turns, {"role": "user", "content": told}]


def read(passage: Hit, text: ModelText, config: AdapterTraining) -> WrittenQuestion | None:
    """None: there is no question with an answer, or it was cut."""
    if text.finish_reason != "stop":
        return None
    if config.answers == "sentences":
        question, answer = text.text.removeprefix("Question:").strip(), sentence_of(passage, config.seed)
        return WrittenQuestion(passage, question, answer) if question and answer else None
    match = _WRITTEN.match(text.text)
    return WrittenQuestion(passage, match["question"], match["answer"]) if match else None


def is_question(asked: WrittenQuestion) -> bool:
    return asked.question.endswith("?") and FEWEST <= len(words(asked.question)) <= MOST and asked.question.count("?") == 1


def speaks_of_itself(asked: WrittenQuestion) -> bool:
    return bool(_SPEAKS.search(asked.question))


def is_copied(asked: WrittenQuestion, most: float) -> bool:
    """Word trigrams of the question that stand in the passage; a question of the passage word by word has them all."""
    return share(WORD.findall(asked.question.lower()), (asked.passage.text,)) > most


def agrees(asked: WrittenQuestion, config: AdapterTraining) -> bool:
    return answer_f1(asked.again, [asked.answer]) >= config.agree


def stands(asked: WrittenQuestion, config: AdapterTraining) -> bool:
    said = WORD.findall(asked.answer.lower())
    return bool(said) and share(said, (asked.passage.text,)) >= config.stands


def answerable(asked: WrittenQuestion, config: AdapterTraining) -> bool:
    told = {"again": agrees(asked, config), "stands": stands(asked, config)}
    return (told | {"both": all(told.values()), "either": any(told.values())})[config.answerable]


class Sieve:
    """Examples on their way through the filters."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def keep(self, name: str, some: Sequence[Any], passed: Sequence[bool], told: Any) -> list[Any]:
        """Those that passed. told: of one that did not, what a person reads."""
        first = next((told(each) for each, fine in zip(some, passed, strict=True) if not fine), "")
        self.rows.append({"filter": name, "before": len(some), "left out": len(some) - sum(passed), "for example": first})
        return [each for each, fine in zip(some, passed, strict=True) if fine]


def ask(
    corpus: Corpus, config: AdapterTraining, tools: TextTools
) -> Generator[Progress, None, tuple[list[WrittenQuestion], list[dict[str, Any]]]]:
    """Questions that passed all filters, and a row a filter. What the model wrote is kept: the same passages are asked about once."""
    drawn = passages(corpus, config)
    texts = yield from written(tools, [request(passage, config) for passage in drawn])
    sieve, both = Sieve(), list(zip(drawn, texts, strict=True))
    fitting = [read(*each, config) for each in both]
    sieve.keep("a question with an answer, to its end", both, [each is not None for each in fitting], lambda each: each[1].text)
    some = [each for each in fitting if each]
    some = sieve.keep("the question is one", some, [is_question(each) for each in some], _question)
    some = sieve.keep("it does not speak of the passage", some, [not speaks_of_itself(each) for each in some], _question)
    some = sieve.keep("not copied from the passage", some, [not is_copied(each, config.copied) for each in some], _question)
    if config.answerable != "stands":
        again = yield from written(tools, [request_again(each.passage, each.question, config) for each in some])
        some = [each._replace(again=text.text.strip()) for each, text in zip(some, again, strict=True)]
    answered = [answerable(each, config) for each in some]
    some = sieve.keep("answerable from the passage", some, answered, _answers)
    copies = repeated([each.question for each in some], config.alike)
    some = sieve.keep("not asked before", some, [place not in copies for place in range(len(some))], _question)
    return some, sieve.rows


def _question(asked: WrittenQuestion) -> str:
    return asked.question


def _answers(asked: WrittenQuestion) -> str:
    return f"{asked.question} {asked.answer}" + (f" (asked again: {asked.again})" if asked.again else "")


def examples(
    asked: Sequence[WrittenQuestion],
    corpus: Corpus,
    places: Mapping[str, SplitPlace],
    config: AdapterTraining,
    ranked: Mapping[str, Sequence[Hit]] | None = None,
) -> list[TrainingExample]:
    """In the prompt of the workbench, among passages of other documents of the same part, which each names. ranked: as of
    `from_corpus`, by the question's text."""
    documents = {document.id: document for document in corpus.documents}
    asked_of = parts_of([places[each.passage.document_id] for each in asked], config.seed)
    parts = {name: asked_of.get(place.group) or part_of(config.seed, *place) for name, place in places.items()}
    beginnings = {part: [document for document in documents if parts[document] == part] for part in PARTS}
    made = []
    for number, each in enumerate(asked):
        right = each.passage
        group, part = places[right.document_id].group, parts[right.document_id]
        others = [other for other in beginnings[part] if places[other].group != group]
        hits = (ranked or {}).get(each.question, ())
        beside = [hit for hit in hits if parts[hit.document_id] == part]
        draw = random.Random(f"{config.seed} {each.question}")
        wrong = distractors(draw, right, others, beside, (each.answer,), documents, config)
        share = 0.0 if part == "test" else config.without_gold
        told = example(f"written-{number}", each.question, (each.answer,), right, wrong, group, config, draw, share)
        made.append(told._replace(part=part))
    return made
