"""What adapters learn from besides a corpus' questions: documents alone, stored answers, people's labels and preferences."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace

import numpy as np

from core.agreement.consensus import consensus
from core.agreement.sources import LabelSource, open_study, table_of
from core.agreement.views import usual_positive
from core.annotation.drawing import clean
from core.annotation.stored_answers import candidates
from core.annotation.study import Passage
from core.annotation.versions import studies
from core.config import TrialConfig, with_settings
from core.context.citations import pattern
from core.errors import WorkbenchError
from core.generation.model_texts import untaught
from core.judging.diversity import answer_f1
from core.labs.answers import answering
from core.labs.trials.comparison import recipe, trials
from core.progress import told_within
from core.records import Corpus, Gold, Hit, Progress
from core.training.adapters import questions, told_answers
from core.training.adapters.examples import (
    AdapterData,
    SplitPlace,
    from_corpus,
    from_examples,
    places_of_documents,
    places_of_questions,
)
from core.training.adapters.settings import AdapterTraining, PreferenceTraining
from core.training.adapters.told_answers import ToldAnswer
from core.workbench import Workbench, fetched

RANKED = 50  # passages of a ranking among which wrong ones are looked for: those of other parts are out
KINDS = {"labels": "sentences", "preferences": "preference"}  # source -> part of the labels that it reads


def examples(
    workbench: Workbench, config: TrialConfig, training: AdapterTraining, most: int | None = None
) -> Generator[Progress, None, AdapterData]:
    """Of the recipe's corpus. most: texts that the engine may write now for it; more raise `Unready`."""
    every = _all_questions(config)
    corpus = yield from workbench.read_corpus(every)
    if training.source == "corpus":
        ranked = (yield from _ranked(workbench, every)) if training.distractors_by == "retrieval" else None
        yield Progress(0, 0, "Making examples")
        return from_corpus(corpus, training, ranked)
    if training.source == "documents":
        return (yield from _of_documents(workbench, every, corpus, training, most))
    answers, source = yield from _told(workbench, corpus, training)
    least = training.right if training.source == "trials" else 1.0
    return told_answers.right_ones(answers, least, _places(corpus), source, training)


def pairs(workbench: Workbench, config: TrialConfig, training: PreferenceTraining) -> Generator[Progress, None, AdapterData]:
    """Answers of which one is preferred, to questions of the recipe's corpus or of none that is known."""
    every = _all_questions(config)
    corpus = yield from workbench.read_corpus(every)
    answers, source = yield from _told(workbench, corpus, training)
    return told_answers.pairs(answers, _places(corpus), source, training)


def _all_questions(config: TrialConfig) -> TrialConfig:
    depth = max(RANKED, config.retrieval.top_k)
    return with_settings(config, {"corpus.questions": "all", "retrieval.top_k": depth})


def _places(corpus: Corpus) -> dict[str, SplitPlace]:
    """By the question as stored answers have it."""
    return {clean(text): place for text, place in places_of_questions(corpus).items()}


# Documents alone -----------------------------------------------------------------------------------------------------


def _of_documents(workbench, config, corpus, training, most):
    if most is None:
        yield from fetched(config, answering=True)
    tools = workbench.pipeline.text_tools(config, most)._replace(generator=untaught(config.generation))
    asked, rows = yield from questions.ask(corpus, training, tools)
    ranked = None
    if training.distractors_by == "retrieval":
        run, ranked = workbench.resolve(config), {}
        for number, each in enumerate(asked):
            yield Progress(number, len(asked), "Searching for wrong passages")
            ranked[each.question] = workbench.search(run, each.question)
    places = places_of_documents(corpus)
    made = questions.examples(asked, corpus, places, training, ranked)
    source = f"{corpus.name} {corpus.fingerprint}, documents alone, questions by {config.generation.model}"
    try:
        data = from_examples(made, source, training)
    except WorkbenchError as error:
        steps = "; ".join(f"{row['filter']}: {row['before'] - row['left out']:,} of {row['before']:,}" for row in rows)
        raise WorkbenchError(f"{error.what} Passed: {steps}.", where=error.where, todo="Raise questions.") from None
    return replace(data, filters=tuple(rows))


# Hard distractors ----------------------------------------------------------------------------------------------------


def _ranked(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, dict[str, list[Hit]]]:
    """Question -> the recipe's ranking without what touches its evidence."""
    run = yield from workbench.pipeline.resolve(config)
    evaluation = yield from told_within(workbench.evaluating(run), Progress(0, 0, "Ranking"))
    ranked = {}
    for row, query in enumerate(evaluation.corpus.queries):
        if row % 50 == 0:
            yield Progress(row, len(evaluation.corpus.queries), "Searching for wrong passages")
        ranked[query.id] = [hit for hit in workbench.hits(evaluation, row) if not _touches(hit, query.relevant)]
    return ranked


def _touches(hit: Hit, golds: Iterable[Gold]) -> bool:
    return any(answering.covers((hit.document_id, hit.start, hit.end), gold, 0.0) for gold in golds)


# Answers that were judged --------------------------------------------------------------------------------------------


def _told(workbench, corpus, training) -> Generator[Progress, None, tuple[list[ToldAnswer], str]]:
    if training.source == "trials":
        answers, failed = yield from _stored(workbench, corpus)
        about = f"; {failed:,} stored trials whose recipe cannot be opened now" if failed else ""
        return answers, f"{len(answers):,} stored answers over {corpus.name} {corpus.fingerprint}, by their reference{about}"
    yield Progress(0, 0, "Reading labels")
    part = KINDS[training.source]
    sources = [source for source in _labelled(workbench, training.study) if part in source.parts]
    if not sources:
        asked = "which of two answers is better" if part == "preference" else "whether sentences are supported"
        raise WorkbenchError(
            f"There are no labels of people who were asked {asked}.",
            where=training.study or "studies",
            todo="The page Study design makes a study, and Label answers fills it.",
        )
    answers = [answer for source in sources for answer in _judged(source, part, corpus.name)]
    people = len({label.annotator for source in sources for label in source.labels})
    names = ", ".join(source.study.id for source in sources)
    about = f"{training.source} of {names} over {corpus.name} {corpus.fingerprint}"  # as `has_learnt_from` reads it
    return answers, f"{about}: {people} annotators, the majority's, an adjudicator's before it"


def _labelled(workbench: Workbench, study: str) -> list[LabelSource]:
    ids = [study] if study else [each.study.id for each in studies(workbench) if each.round != "draft"]
    return [source for each in ids if (source := open_study(workbench, each)).rounds]


def _judged(source: LabelSource, part: str, dataset: str) -> list[ToldAnswer]:
    """The answers of a study with what people said together; those of other corpora are left out."""
    answers = []
    for round_name in source.rounds:
        table = table_of(source, part, round_name)
        agreed = consensus(source, part, table, "adjudicated" if source.ruled else "majority")
        values = dict(zip(table.items, agreed.values.tolist(), strict=True))
        yes = [table.categories.index(name) for name in usual_positive(table)]
        for item in dict.fromkeys(table.item_ids):
            if source.datasets.get(item, "") in ("", dataset):
                answers += _scored(source, source.study.item(item), part, values, yes)
    return answers


def _scored(source, item, part, values, yes) -> list[ToldAnswer]:
    """Of an item each answer with its score: 1 for the preferred one, or its share of supported sentences."""
    made = []
    for number, response in enumerate(item.responses):
        if part == "preference":
            value = values.get(item.id, np.nan)  # 0: the first, 1: a tie, 2: the second
            score = value / 2 if number else 1 - value / 2
        else:
            name = f"{item.id}/{'AB'[number]}" if len(item.responses) == 2 else item.id
            said = [values.get(f"{name}/{place + 1}", np.nan) for place in range(len(response.sentences))]
            score = np.nan if not said or np.isnan(said).any() else float(np.isin(said, yes).mean())
        rivals = f"{source.study.id} {item.id}" if part == "preference" else item.question
        hits = tuple(_hit(passage) for passage in response.passages)
        decided = None if np.isnan(score) else score
        made.append(
            ToldAnswer(f"{source.study.id} {item.id} {number}", item.question, hits, response.text, decided, rivals, item.gold)
        )
    return made


def _hit(passage: Passage) -> Hit:
    return Hit(1, 0.0, passage.document_id, passage.title, passage.start, passage.end, passage.text)


def _stored(workbench: Workbench, corpus: Corpus) -> Generator[Progress, None, tuple[list[ToldAnswer], int]]:
    """Answers that were asked for one by one, and those that the recipes of stored trials are known to give, each text once; and how
    many trials cannot be opened, as where a model or a setting is no more."""
    answers, failed = [], 0
    for each in candidates(workbench):
        if each.dataset == corpus.name:
            hits = tuple(map(_hit, each.passages))
            answers.append(_by_reference(each.source, each.question, hits, each.text, each.gold))
    texts, run_before = {document.id: document for document in corpus.documents}, set()
    every = [trial for trial in trials(workbench) if trial.dataset == corpus.name and trial.status == "ok"]
    for number, trial in enumerate(every):
        step = Progress(number, len(every), f"Answers of {trial.title}")
        yield step
        if trial.config_fingerprint in run_before:
            continue
        run_before.add(trial.config_fingerprint)
        try:
            evaluation = yield from told_within(workbench.evaluating(recipe(trial)), step)
        except WorkbenchError:
            failed += 1
            continue
        written = answering.answer_set(workbench, evaluation, len(evaluation.corpus.queries))
        for query, said in zip(written.queries, written.answers, strict=True):
            if said is not None and said.text:
                hits = tuple(_shown(texts[spans[0][0]], spans) for spans in said.shown)
                name = f"{trial.id} {query.id}"
                answers.append(_by_reference(name, clean(query.text), hits, said.text, query.answers))
    return list({(each.messages[-1]["content"], each.text): each for each in reversed(answers)}.values()), failed


def _shown(document, spans: Sequence[answering.Span]) -> Hit:
    start, end = spans[0][1], spans[-1][2]
    excerpts = tuple((first, last) for _, first, last in spans) if len(spans) > 1 else ()
    return Hit(1, 0.0, document.id, document.title, start, end, document.text[start:end], excerpts=excerpts)


def _by_reference(name: str, question: str, hits: tuple[Hit, ...], text: str, references: Sequence[str]) -> ToldAnswer:
    bare = pattern().sub(" ", text)
    score = answer_f1(bare, references) if references else None
    return ToldAnswer(name, question, hits, text, score, question, tuple(references))
