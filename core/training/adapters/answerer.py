"""What the answerer that ships learns from: questions over passages as retrieval gives them, from published training data.

A lesson is a list of passages with all questions that its passages answer, and some that they do not: these are read together, so that
the passages are read once (`core.training.adapters.loop`). Passages are the chunks that lie nearest to a question by the bundled
encoder, of several sizes and numbers, in their order or in any; who is asked for what they do not hold learns to say so. Files are
looked for by their names below one folder (`GROUNDWORK_DATASETS`). What only tests may see (XQuAD, HotpotQA's development set) is not
read here; near copies of XQuAD's questions, where they are there, are left out and counted.
"""

import random
from collections import defaultdict
from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from core import registry
from core.chunking.chunk import chunk_documents, chunk_texts
from core.chunking.sentences import sentence_starts
from core.config import ContextConfig, knob
from core.context.citations import marks
from core.context.prompt import UNKNOWN, written
from core.corpus.reading import Notes, Source, shape_reported
from core.corpus.squad import Squad
from core.embedding.vectors import embed
from core.errors import WorkbenchError
from core.pipeline.preparing import EncoderTools
from core.progress import told_within
from core.records import Corpus, Hit, Progress, Query
from core.training import settings as shared
from core.training.adapters import query_words
from core.training.adapters.examples import PARTS, AdapterData, TrainingExample, stands_in
from core.training.adapters.loop import runs
from core.training.adapters.near_copies import near_copies
from core.training.adapters.settings import AnswerTraining
from core.training.faithfulness.planted import fitting, kind, with_answer

SQUAD = ("squad1.1_train_part.json.gz", "train-v1.1.json")  # the first that is there
UNANSWERABLE = ("squad2.0_train_part.json.gz", "train-v2.0.json")
HOPS = {"2wiki": "2wiki_train_500.json.gz", "hotpotqa": "hotpotqa_train_100.json.gz"}
TESTS = ("xquad.en.json",)
CHUNKS = 254, 254, 254, 128  # tokens of the chunks of a lesson, drawn from
NUMBERS = (1, 3, 3, 3, 5, 5)  # of passages, drawn from
KEPT_BACK = 2  # articles of validation, and of the test
RIVALS = 8  # answers of which one may stand in the place of another
ALIKE = 0.7  # of a question and one of the benchmark, from which it is left out


class AnswererTraining(AnswerTraining):
    """How the answerer learns, and of what."""

    rank: int = knob(8, "Rank of LoRA's matrices. 8 is what fits into 5 MB for the bundled model.", ge=1, le=256)
    alpha: float = knob(16.0, "What the adapter adds is multiplied by alpha / rank.", gt=0.0, le=1024.0)
    learning_rate: float = shared.learning_rate(0.002)
    batch_size: int = shared.batch_size(64, "examples")
    at_once: int = knob(2048, "Tokens computed at once.", unit="tokens", ge=16, le=1_000_000)
    max_steps: int = shared.max_steps(679, "Steps at most.")
    evaluate_every: int = knob(150, "Steps between evaluations on the validation part.", unit="steps", ge=1, le=100_000)
    max_tokens: int = knob(1900, "Longer examples are left out, and counted.", unit="tokens", ge=16, le=131072)
    answer_tokens: int = knob(72, "Answers with more are left out.", unit="tokens", ge=1, le=4096)
    validation_examples: int = knob(300, "Examples of an evaluation, at most.", unit="examples", ge=2, le=10_000)
    test_examples: int = knob(60, "Examples asked before and after, at most.", unit="examples", ge=2, le=100_000)
    stored_as: Literal["float32", "bfloat16"] = knob("bfloat16", "Number format in which the adapter is written.")
    turns: int = knob(2, "Times that each question is asked, each time over other passages.", ge=1, le=100)
    together: int = knob(16, "Questions over the same passages, at most.", unit="questions", ge=1, le=100)
    unknown: float = knob(0.12, "Share of the questions that their passages do not answer.", ge=0.0, le=0.9, step=0.05)
    absent: float = knob(
        0.15, "Share of the lessons without what answers the question by which they are drawn.", ge=0.0, le=0.9, step=0.05
    )
    sentences: float = knob(
        0.15, "Share of the lessons that ask for a sentence, which is that of the passage.", ge=0.0, le=1.0, step=0.05
    )
    shuffled: float = knob(0.4, "Share of the lessons whose passages stand in any order.", ge=0.0, le=1.0, step=0.05)
    planted: float = knob(
        0.25,
        "Share of the lessons in whose passages other answers of the same article and kind stand: what stands there is learnt.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    words: int = knob(2400, "Examples of each text that is written for retrieval, at most.", unit="examples", ge=0, le=100_000)
    hops: int = knob(600, "Questions of several hops, at most.", unit="questions", ge=0, le=100_000)


class LessonChunks(NamedTuple):
    """Chunks of one size of the articles of a part. answered: chunk -> (question, first character of its answer in the chunk)."""

    hits: list[Hit]
    vectors: np.ndarray  # [chunks, dim] float32
    answered: dict[int, list[tuple[Query, int]]]


class LessonQuestions(NamedTuple):
    """Questions with what they need. puzzles: title -> questions that look answerable there and are not; place: of a question in
    `vectors` [questions, dim] float32."""

    queries: list[Query]
    puzzles: dict[str, list[Query]]
    place: dict[str, int]
    vectors: np.ndarray

    def of(self, titles: Container[str]) -> list[Query]:
        return [query for query in self.queries if query.group in titles]


def answerer_data(folder: Path, config: AnswererTraining, vectors: Path) -> Generator[Progress, None, AdapterData]:
    """Lessons as examples, those of one lesson beside each other. vectors: where they are kept."""
    corpus = yield from squad(folder)
    encoder = registry.find("encoder", "minilm")()
    asked, copies = yield from _questions(folder, corpus, encoder, vectors)
    parts = article_parts({document.title for document in corpus.documents}, config.seed)
    examples: dict[str, list[TrainingExample]] = {part: [] for part in PARTS}
    for part in PARTS:
        documents = [document for document in corpus.documents if parts[document.title] == part]
        own, pools = asked.of({document.title for document in documents}), {}
        for size in set(CHUNKS):
            pools[size] = yield from _pool(documents, own, size, encoder, vectors)
        for turn in range(config.turns if part == "train" else 1):
            draw = random.Random(f"{config.seed} {part} {turn}")
            how = config if part == "train" else config.model_copy(update={"planted": 0.0})
            for number, lesson in enumerate(_lessons(pools, own, asked, how, draw)):
                if number % 100 == 0:
                    yield Progress(number, 0, f"Lessons for {part}")
                examples[part] += _examples(lesson, f"{part}-{turn}-{number}", config, draw)
    texts = {document.id: document.text for document in corpus.documents}
    learnt = [query for query in asked.queries if parts[query.group] == "train"]
    sentences = [(query.text, _sentence(texts[query.gold[0].document_id], query.gold[0].start)) for query in learnt]
    words = query_words.examples(folder, sentences, config.words, config.seed)
    examples["train"] = _mixed([*examples["train"], *_hops(folder, config), *words], config.seed)
    most = {name: getattr(config, f"{name}_examples") or len(made) for name, made in examples.items()}
    left_out = {"near copy of a question of XQuAD": copies} if copies else {}
    spare = {name: tuple(made[most[name] :]) for name, made in examples.items()}
    return AdapterData(*(tuple(made[: most[name]]) for name, made in examples.items()), _source(folder, corpus), spare, left_out)


def _questions(folder, corpus, encoder, vectors) -> Generator[Progress, None, tuple[LessonQuestions, int]]:
    """Of the corpus, and how many are left out as near copies of the benchmark's."""
    queries, copies = yield from apart(folder, corpus)
    tricky = yield from squad(folder, UNANSWERABLE, needed=False)
    puzzles = defaultdict(list)
    for query in (query for query in (tricky.queries if tricky else ()) if not query.answerable):
        puzzles[query.group].append(query)
    made = yield from embed(encoder, [query.text for query in queries], vectors, query=True)
    return LessonQuestions(queries, dict(puzzles), {query.id: place for place, query in enumerate(queries)}, made), copies


def apart(folder: Path, corpus: Corpus) -> Generator[Progress, None, tuple[list[Query], int]]:
    """The corpus's questions that have an answer, without near copies of the benchmark's, and how many those are."""
    tests = yield from squad(folder, TESTS, needed=False)
    queries = [query for query in corpus.queries if query.gold and query.answers]
    texts = [query.text for query in tests.queries] if tests else []
    copies = near_copies([query.text for query in queries], texts, ALIKE) if texts else {}
    return [query for place, query in enumerate(queries) if place not in copies], len(copies)


def _mixed(examples: Sequence[TrainingExample], seed: int) -> list[TrainingExample]:
    """In any order, those of a lesson side by side."""
    groups = runs(examples, lambda first, each: "" != first.beside == each.beside)
    random.Random(f"{seed} order").shuffle(groups)
    return [example for group in groups for example in group]


class Lesson(NamedTuple):
    """hits: the passages as they stand. answered: (question, number of its passage from 0, where its answer begins there); unknown: what
    they do not answer."""

    hits: list[Hit]
    answered: list[tuple[Query, int, int]]
    unknown: list[Query]


def _lessons(
    pools: Mapping[int, LessonChunks],
    queries: Sequence[Query],
    asked: LessonQuestions,
    config: AnswererTraining,
    draw: random.Random,
) -> Iterator[Lesson]:
    """Until each question was asked."""
    left = {query.id: query for query in draw.sample(list(queries), len(queries))}
    by_title, rivals = defaultdict(list), defaultdict(set)
    for query in queries:
        by_title[query.group].append(query)
        rivals[query.group, kind(query.answers[0])].add(query.answers[0].strip())
    while left:
        seed, pool = left.pop(next(iter(left))), pools[draw.choice(CHUNKS)]
        nearest = map(int, np.argsort(-(pool.vectors @ asked.vectors[asked.place[seed.id]]), kind="stable"))
        if draw.random() < config.absent:
            nearest = (row for row in nearest if seed.id not in {query.id for query, _ in pool.answered.get(row, ())})
        chosen = list(islice(nearest, draw.choice(NUMBERS)))
        if draw.random() < config.shuffled:
            draw.shuffle(chosen)
        answered: dict[str, tuple[Query, int, int]] = {}
        for number, row in enumerate(chosen):
            for query, start in pool.answered.get(row, ()):
                answered.setdefault(query.id, (query, number, start))
        first = [answered.pop(seed.id)] if seed.id in answered else []
        rest = draw.sample(list(answered.values()), len(answered))
        some = first + sorted(rest, key=lambda each: each[0].id not in left)[: config.together - len(first)]
        for query, *_ in some:
            left.pop(query.id, None)
        hits = [pool.hits[row] for row in chosen]
        if draw.random() < config.planted:
            hits, some = _planted(hits, some, rivals, draw)
        texts = [hit.text for hit in hits]
        wanted = round(len(some) * config.unknown / (1 - config.unknown) + draw.random() - 0.5)
        near, puzzles = by_title[seed.group], asked.puzzles.get(seed.group, ())
        pile = [*draw.sample(puzzles, min(1, len(puzzles))), *draw.sample(near, min(4 * wanted, len(near)))]
        draw.shuffle(pile)
        held = answered.keys() | {query.id for query, *_ in some}
        others = [query for query in pile if query.id not in held and not holds(texts, query)][:wanted]
        if not first and not holds(texts, seed):
            others.append(seed)
        if some or others:
            yield Lesson(hits, some, others)


def _planted(
    hits: Sequence[Hit],
    answered: Sequence[tuple[Query, int, int]],
    rivals: Mapping[tuple[str, str], set[str]],
    draw: random.Random,
) -> tuple[list[Hit], list[tuple[Query, int, int]]]:
    """With other answers in the places of the right ones, wherever these stand, no question names them, and all others' stay."""
    texts, said = [hit.text for hit in hits], {query.id: query for query, *_ in answered}
    for query, *_ in answered:
        old = query.answers[0].strip()
        some = sorted(rivals[query.group, kind(old)])
        fit = fitting(query, replace(hits[0], text="\n".join(texts)), draw.sample(some, min(RIVALS, len(some))))
        if fit and not any(stands_in(old, each.text) for each, *_ in answered):
            new = draw.choice(fit)
            changed = [with_answer(text, old, new) if stands_in(old, text) else (text, new) for text in texts]
            told = said | {query.id: query._replace(answers=(new,))}
            if None not in changed and all(told[each.id].answers[0].strip() in changed[at][0] for each, at, _ in answered):
                texts, said = [text for text, _ in changed], told
    made = [(said[query.id], number, texts[number].index(said[query.id].answers[0].strip())) for query, number, _ in answered]
    return [replace(hit, text=text) for hit, text in zip(hits, texts, strict=True)], made


def holds(texts: Sequence[str], query: Query) -> bool:
    """Whether a reference answer stands in one of the texts."""
    return any(stands_in(each, text) for each in query.answers for text in texts)


def _examples(lesson: Lesson, name: str, config: AnswererTraining, draw: random.Random) -> list[TrainingExample]:
    """One a question. A sentence is the passage's own."""
    in_sentence = draw.random() < config.sentences
    context = ContextConfig(length="sentence" if in_sentence else "few_words")
    cited, made = marks(context.citations, lesson.hits), []
    for query, number, start in lesson.answered:
        answer = _sentence(lesson.hits[number].text, start) if in_sentence else query.answers[0].strip()
        made.append((query, f"{answer} {cited[number]}", (answer,) if in_sentence else query.answers))
    made += [(query, UNKNOWN, (UNKNOWN,)) for query in lesson.unknown]
    draw.shuffle(made)
    return [
        TrainingExample(
            f"{name}-{place}",
            tuple(written(query.text, lesson.hits, context)),
            answer,
            references,
            query.group,
            (query.text,),
            beside=name,
        )
        for place, (query, answer, references) in enumerate(made)
    ]


def _sentence(text: str, at: int) -> str:
    starts = [0, *sentence_starts(text)]
    start = max(each for each in starts if each <= at)
    end = min((each for each in starts if each > at), default=len(text))
    return " ".join(text[start:end].split())


def _pool(documents, queries, size, encoder, vectors) -> Generator[Progress, None, LessonChunks]:
    chunker = registry.find("chunker", "recursive")(size_tokens=size)
    chunks = yield from chunk_documents(documents, chunker, EncoderTools(encoder, vectors))
    texts = chunk_texts(chunks, documents)
    made = yield from embed(encoder, texts, vectors)
    hits, rows = [], defaultdict(list)
    for row, (number, start, end) in enumerate(zip(chunks.document, chunks.start, chunks.end, strict=True)):
        document = documents[number]
        hits.append(Hit(1, 0.0, document.id, document.title, int(start), int(end), texts[row]))
        rows[document.id].append(row)
    answered = defaultdict(list)
    for query in queries:
        gold = query.gold[0]
        for row in rows[gold.document_id]:
            if hits[row].start <= gold.start and gold.end <= hits[row].end:
                answered[row].append((query, gold.start - hits[row].start))
    return LessonChunks(hits, made, dict(answered))


def article_parts(titles: Iterable[str], seed: int) -> dict[str, str]:
    """Title -> "train", "validation" or "test"."""
    order = sorted(titles)
    random.Random(seed).shuffle(order)
    return {title: "validation" if n < KEPT_BACK else "test" if n < 2 * KEPT_BACK else "train" for n, title in enumerate(order)}


def squad(folder: Path, names: Sequence[str] = SQUAD, needed: bool = True) -> Generator[Progress, None, Corpus | None]:
    """The first of these files that is below the folder."""
    place = next((path for name in names for path in sorted(folder.rglob(name))), None)
    if place is None and needed:
        raise WorkbenchError(
            f"SQuAD's training set is not in {folder}: {' or '.join(names)}.",
            where=str(folder),
            todo="Download train-v1.1.json from its publisher into a folder there, or set GROUNDWORK_DATASETS.",
        )
    return (yield from told_within(Squad().load(place, place.name), Progress(0, 0, "Reading SQuAD"))) if place else None


def _source(folder: Path, corpus: Corpus) -> str:
    files = [file for file in (*UNANSWERABLE, *HOPS.values()) if any(folder.rglob(file))]
    return ", ".join([f"{corpus.name} {corpus.fingerprint}", *files])


def _hops(folder: Path, config: AnswererTraining) -> Iterator[TrainingExample]:
    """Questions whose answer takes two passages, over these and some others; both are cited."""
    draw, rows = random.Random(f"{config.seed} hops"), []
    for file in HOPS.values():
        for path in sorted(folder.rglob(file))[:1]:
            with shape_reported(str(path), "2WikiMultiHopQA and HotpotQA"):
                rows += Source(path, Notes()).json(path.name, of=list)
    for place, row in enumerate(draw.sample(rows, min(config.hops, len(rows)))):
        right = {title for title, _ in row["supporting_facts"]}
        texts = {title: " ".join("".join(f" {line.strip()}" for line in lines).split()) for title, lines in row["context"]}
        others = [title for title in texts if title not in right]
        titles = [*sorted(right & texts.keys()), *draw.sample(others, min(len(others), max(0, draw.choice((3, 5)) - len(right))))]
        draw.shuffle(titles)
        hits = [Hit(1, 0.0, title, title, 0, len(texts[title]), texts[title]) for title in titles]
        context = ContextConfig()
        cited = [mark for mark, title in zip(marks(context.citations, hits), titles, strict=True) if title in right]
        yield TrainingExample(
            f"hops-{place}",
            tuple(written(row["question"], hits, context)),
            f"{row['answer']} {''.join(cited)}",
            (row["answer"],),
            row["question"],
            (row["question"],),
        )
