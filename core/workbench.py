"""The verbs that pages and command line share. One object a process; long verbs are generators of Progress."""

import json
import shlex
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core import files, registry
from core.comparison.comparison import rules_of
from core.config import PART_KINDS, TrialConfig, code_version, difference, fingerprint, with_settings
from core.corpus.cards import Status
from core.errors import WorkbenchError
from core.evaluation.judged import NOT_FOUND
from core.evaluation.metric import metric_names
from core.evaluation.stored import derive
from core.jobs.jobs import Jobs
from core.jobs.verbs import as_typed
from core.pipeline.confidence import as_written, check, confident, context_of, writer
from core.pipeline.forecast import UNTIMED as UNTIMED
from core.pipeline.forecast import Forecast, Phase
from core.pipeline.forecast import one_phase as one_phase
from core.pipeline.hits import hits_of, steps_of
from core.pipeline.memory import Trace
from core.pipeline.pipeline import Pipeline, Shared
from core.pipeline.planning import index_phases, phases, waited_for
from core.pipeline.provenance import Way, provenance, source_of
from core.pipeline.recipe_words import ranked_by, recipe_fingerprint, recipe_words, setting_words, words_version
from core.pipeline.results import Evaluation, evaluated, final_scores
from core.pipeline.speed import KEPT, UNSURE, Estimate, Run, estimate, rough
from core.pipeline.speed import Rough as Rough
from core.pipeline.speed import around as around
from core.pipeline.stages import (
    Recipe,
    Resolved,
    Stage,
    answering_fields,
    asks_model,
    by_field,
    idle,
    offers,
    parts,
    rankers,
    ranking_fields,
    unused,
)
from core.pipeline.trials import StoredTrials, identity, receipt, without_result
from core.pipeline.usual import CONVERTED_S, FETCHED_S, usual
from core.progress import Unready, drain, within
from core.records import Answer, Chunks, Corpus, Hit, Progress, Query, plain
from core.retrieval.metadata import hidden_gold
from core.retrieval.pool import changed, ranking, rankings
from core.statistics.bootstrap import Interval
from core.statistics.paired import Paired
from core.statistics.proportion import unit_intervals
from core.store import old_cache
from core.store.cache import cap_of_environment
from core.store.database import Store

ROOT = Path(__file__).resolve().parent.parent


LIVE_TEXTS = 64  # so many unseen texts are embedded at once; more become a job
LIVE_INDEXED = 5_000  # an index of so many chunks is built at once
LIVE_DOCUMENTS = 3_000  # a corpus of so many documents is read at once
LIVE_CHARACTERS = 3_000_000  # so large a corpus is chunked at once; a larger one by a job


class Plan(NamedTuple):
    """What stands between a recipe and its numbers. live: nothing that a page should not do while one waits."""

    live: bool
    phases: tuple[Phase, ...]  # for people: "embedding 1,204 texts", with its time
    run: Resolved | None = None  # the recipe with its corpus, for the verbs that follow; None: it takes its time to read

    @property
    def what(self) -> str:
        return ", ".join(phase.what for phase in self.phases)


class Workbench(StoredTrials):
    """The verbs of a recipe over one data folder.

    home: the folder, made that of the process, so that its parts find there what was trained, converted and priced. Of
    two workbenches in one process each keeps its own corpora, trials and caches; those shared things are the home's that
    was opened last. patience_s: how long an answer of the store waits for what others are recording; None: until it is in.
    """

    def __init__(self, home: Path | str | None = None, patience_s: float | None = None) -> None:
        if home:
            files.use_home(home)
        self.home = files.make_home()
        self.pipeline = Pipeline(self.home, cap_of_environment())
        self.library = self.pipeline.library
        self.store = Store(self.home, derive, _derived_by, recipe_words, patience_s)
        old_cache.take_over(self.home)
        self.jobs = Jobs(self.home)

    # Corpora and stages ------------------------------------------------------------------------------------------

    def datasets(self) -> list[Status]:
        return self.library.available()

    def stages(self) -> dict[str, Stage]:
        """The fields of a recipe with the stages that they decide, in the order of their forms."""
        return by_field()

    def ranking_fields(self) -> tuple[str, ...]:
        """Those that decide a ranking, and offer something to choose."""
        return tuple(filter(offers, ranking_fields()))

    def answering_fields(self) -> tuple[str, ...]:
        """Those that decide the answer over a given ranking, and offer something to choose."""
        return tuple(filter(offers, answering_fields()))

    def unused(self, config: TrialConfig) -> set[str]:
        """Those of which the recipe's fusion asks nothing."""
        return unused(config)

    def shows(self, field: str, config: TrialConfig) -> bool:
        """Whether its form is of use: a further member of a list only once there is one before it, or where it does something."""
        before = (stages := by_field())[field].after
        return offers(field) and (not before or not all(idle(stages[each], config) for each in (field, before)))

    def resolve(self, recipe: Recipe) -> Resolved:
        """The recipe with its corpus, looked up once, to be handed to any number of verbs."""
        return drain(self.pipeline.resolve(recipe))

    def corpus(self, recipe: Recipe) -> Corpus:
        return self.resolve(recipe).corpus

    def read_corpus(self, recipe: Recipe) -> Generator[Progress, None, Corpus]:
        """`corpus` with its progress."""
        return (yield from self.pipeline.resolve(recipe)).corpus

    def cut_chunks(self, recipe: Recipe, trace: Trace | None = None) -> Generator[Progress, None, Chunks]:
        """The corpus in the recipe's chunks."""
        return (yield from self.pipeline.chunks((yield from self.pipeline.resolve(recipe)), trace))

    def corpus_key(self, corpus: Corpus) -> str:
        """Another one as soon as documents, questions or evidence are other ones."""
        return f"{corpus.fingerprint}/{self.pipeline.questions_key(corpus)}"

    def plan(self, recipe: Recipe, answering: bool = False) -> Plan:
        """What is still to be computed, for answers too if `answering`; loads no model and takes milliseconds."""
        config = recipe.config if isinstance(recipe, Resolved) else recipe
        dense = "index" not in unused(config)
        for part in parts(config, answering):
            if part.absent():  # without the dense retriever the encoder's tokenizer still measures the chunks
                after = ", embedding the corpus" if dense and part is config.embedding else ""
                return Plan(False, (Phase(f"fetching the model {part.model}{after}", FETCHED_S),))
        if asks_model(config) and config.generation.converts():
            return Plan(False, (Phase("converting the model's file, and asking the model about the questions", CONVERTED_S),))
        run = self.pipeline.at_hand(recipe)
        cut = f"chunking{' and embedding' * dense}"
        if run is None and self.large(config.corpus.dataset):
            work = f"reading{',' if dense else ' and'} {cut} the corpus"
            return Plan(False, (Phase(work, self.pipeline.corpus_time(config, LIVE_CHARACTERS, dense)),))
        run = run or self.resolve(config)
        documents = run.corpus.documents
        characters = sum(len(document.text) for document in documents)
        if not self.pipeline.cache.has("chunks", run.key("chunks")) and characters > LIVE_CHARACTERS:
            time = self.pipeline.corpus_time(config, characters, dense)
            return Plan(False, (Phase(f"{cut} {len(documents):,} documents", time),), run)
        try:
            drain(self.pipeline.queries(run, 0))
        except Unready as unready:
            return Plan(False, (waited_for(self.pipeline, run, unready),), run)
        texts = self.pipeline.to_encode(run)
        if not texts and not self.pipeline.dense_at_hand(run):
            index = self.index_plan(run)
            if not index.live:
                return index
        slow = self.pipeline.to_rank(run)
        if len(texts) <= LIVE_TEXTS and not slow and run.corpus.queries and len(rankers(config)) > 1:
            try:  # most of them read what was read before, and what they give is remembered
                pool = drain(self.pipeline.pool(run))
                drain(final_scores(self.pipeline, run, pool, most=LIVE_TEXTS))
            except Unready as unready:
                return Plan(False, (waited_for(self.pipeline, run, unready, "reranking "),), run)
        live = len(texts) <= LIVE_TEXTS and not slow
        return Plan(live, tuple(phases(self.pipeline, run, texts, slow, live)), run)

    def expected(self, verb: str, told: Forecast) -> Forecast:
        """What work by this verb takes, also by the jobs and presses with it before, where its phases alone do not tell: those alike,
        else any, else what such work takes elsewhere."""
        earlier = estimate({"runs": self._took(verb, told.like)}, told.units, whole=True)
        if earlier is None and (others := estimate({"runs": self._took(verb, None)}, told.units, whole=True)):
            earlier = rough(others, UNSURE)
        return told._replace(earlier=earlier or usual(verb, told.units))

    def _took(self, verb: str, like: str | None) -> list[tuple[float, float]]:
        runs = [run for run in self.jobs.took(verb, like) if run[1] > 0][:KEPT]
        return runs + ((self.pipeline.speeds.record(_press(verb, like)) or {}).get("runs", []))

    def took(self, verb: str, told: Forecast, seconds: float) -> None:
        """Records how long a press took that did its work on the page, by which the next one is told; a job is its own record."""
        for like in {told.like, None} if told.units else ():
            self.pipeline.speeds.note(_press(verb, like), Run(told.units, told.units, seconds, 0.0))

    def index_plan(self, recipe: Recipe) -> Plan:
        """What stands between a recipe and its loaded index, which may be gone while its candidates are kept."""
        run = self.resolve(recipe)
        return Plan(self.pipeline.to_index(run) <= LIVE_INDEXED, tuple(index_phases(self.pipeline, run)), run)

    def build_seconds(self, recipe: Recipe) -> float | None:
        """What building the recipe's index took; None where it was not built on this machine."""
        return self.pipeline.build_seconds(self.resolve(recipe))

    def embedding_time(self, recipe: Recipe) -> Estimate | None:
        """What embedding the whole corpus anew would take; None before this encoder's first run on this machine."""
        return drain(self.pipeline.embedding_time(self.resolve(recipe)))

    def hidden_gold(self, run: Resolved) -> int:
        """Questions all of whose evidence lies in documents that the recipe's filter hides."""
        return hidden_gold(self.pipeline.permitted(run, run.corpus.queries), run.corpus)

    def large(self, dataset: str) -> bool:
        """Whether only reading the corpus may take seconds."""
        documents = next((status.documents for status in self.datasets() if status.name == dataset), None)
        return documents is None or documents > LIVE_DOCUMENTS

    def prepare(self, config: TrialConfig) -> Generator[Progress, None, dict[str, Any]]:
        """Computes every stage that the recipe's ranking needs, and fetches its models where the recipe allows it.
        Cancelled or killed, it goes on where it was."""
        yield from fetched(config, answering=True)
        trace = Trace()
        run = yield from self.pipeline.resolve(config, trace)
        chunks = yield from self.pipeline.chunks(run, trace)
        pool = yield from self.pipeline.pool(run, trace)
        yield from final_scores(self.pipeline, run, pool, trace=trace)
        if "index" not in unused(config) and self.pipeline.to_index(run):  # its candidates outlived it
            yield from self.pipeline.index(run)
        return {
            "dataset": run.corpus.name,
            "documents": len(run.corpus.documents),
            "questions": len(run.corpus.queries),
            "chunks": len(chunks),
            "timings_ms": trace.ms,
            "cached": trace.cached,
        }

    def evaluate(self, recipe: Recipe) -> Evaluation:
        """Metrics with intervals. Milliseconds on cached stages; computes what is missing. Counts as a look."""
        evaluation = drain(self.evaluating(recipe))
        self.count_looks(evaluation)
        return evaluation

    def count_looks(self, *evaluations: Evaluation) -> None:
        """Records that a person compares these recipes by their metrics; each counts once a question set. What a page or a verb
        measures around them (a curve, an ablation, a table of encoders) is no look: it is corrected by itself."""
        for made in evaluations:
            if made.judged.measured.any():
                config, corpus = made.config, made.config.corpus
                recipe = ranked_by(config), recipe_fingerprint(config)
                self.pipeline.looks.add(made.run.questions, corpus.dataset, corpus.questions, *recipe)

    def evaluating(self, recipe: Recipe) -> Generator[Progress, None, Evaluation]:
        """`evaluate` with its progress, for whoever goes on with what it returns: it counts as no look."""
        trace = Trace()
        run = yield from self.pipeline.resolve(recipe, trace)
        yield from self.pipeline.chunks(run, trace)
        pool = yield from self.pipeline.pool(run, trace)
        relevance = yield from self.pipeline.relevance(run)
        return (yield from evaluated(self.pipeline, run, pool, relevance, trace))

    def latency_quantiles(self, table: dict[str, list[float]]) -> dict[str, dict[str, float]]:
        return {step: {"p50": float(np.quantile(ms, 0.5)), "p95": float(np.quantile(ms, 0.95))} for step, ms in table.items()}

    def latency(
        self, recipe: Recipe, questions: int = 30, shared: Shared | None = None
    ) -> Generator[Progress, None, dict[str, list[float]]]:
        """Milliseconds of single questions by step (encode, dense, sparse, fuse, each later stage that ranks, total), on the
        corpus's own questions. shared: see `Pipeline.pool_of`."""
        run = yield from self.pipeline.resolve(recipe)
        corpus, config = run.corpus, run.config
        asked = corpus.queries[:: max(1, len(corpus.queries) // questions)][:questions]
        if not asked:
            part = "" if config.corpus.questions == "all" else f" in the half '{config.corpus.questions}'"
            raise WorkbenchError(
                f"'{corpus.name}' has no questions{part}, so there is nothing to measure.",
                todo="Add a questions file; `search` and `ask` work without.",
            )
        yield from self.pipeline.pool_of(run, asked[0].text + " ", None, shared)  # loads what is loaded once, and is not told
        table: dict[str, list[float]] = {}
        for done, query in enumerate(asked):
            yield Progress(done, len(asked), "Timing single questions")
            steps: dict[str, float] = {}
            pool = yield from self.pipeline.pool_of(run, query.text, steps, shared)
            started, ranks = time.perf_counter(), Trace()
            scores = yield from final_scores(self.pipeline, run, pool, [query], ranks, timed=True)
            ranking(pool, scores, 0, config.retrieval.top_k)
            later = dict(list(ranks.ms.items())[1:])
            steps |= {"fuse": (time.perf_counter() - started) * 1000 - sum(later.values()), **later}
            for name, ms in {**steps, "total": sum(steps.values())}.items():
                table.setdefault(name, []).append(ms)
        return table

    def recall_curve(self, evaluation: Evaluation) -> list[Interval]:
        """Mean recall with its interval at each depth of the ranking that is judged."""
        depths, recall = range(1, evaluation.config.depth + 1), registry.find("metric", "recall")()
        table = np.column_stack([recall.values(evaluation.judged, k) for k in depths])
        return unit_intervals(table, *rules_of(evaluation.config))

    def by_question(self, current: Evaluation, baseline: Evaluation | None, metric: str) -> dict[str, list[Any]]:
        """Columns of the table by question: value and rank of the first relevant chunk, and the same of the baseline.

        outcome: won, lost or equal against the baseline, or unmeasured. missed: nothing relevant in the ranking.
        changed: other chunks, or another order, among the first k. Ranks are None where nothing relevant was found.
        """
        queries = current.corpus.queries
        value, rank = current.values[metric], current.judged.first_rank
        table = {
            "id": [q.id for q in queries],
            "question": [q.text for q in queries],
            "group": [q.group for q in queries],
            "value": value.tolist(),
            "rank": _ranks(rank),
        }
        table["missed"] = ((rank == NOT_FOUND) & ~np.isnan(value)).tolist()
        if baseline is None:
            return table
        other, other_rank = baseline.values[metric], baseline.judged.first_rank
        change = value - other
        outcome = np.select([np.isnan(change), change > 1e-12, change < -1e-12], ["unmeasured", "won", "lost"], "equal")
        chunkings = [drain(self.pipeline.chunks(e.run)) for e in (current, baseline)]
        final = [rankings(e.pool, e.scores, e.config.evaluation.k) for e in (current, baseline)]
        moved = changed(*final, *(chunkings if chunkings[0] is not chunkings[1] else ()))
        return {
            **table,
            "baseline": other.tolist(),
            "baseline_rank": _ranks(other_rank),
            "change": change.tolist(),
            "outcome": outcome.tolist(),
            "changed": moved.tolist(),
        }

    def differences(self, current: Evaluation, baseline: Evaluation, metrics: Iterable[str] = ()) -> dict[str, Paired]:
        """metric (default: every one) -> current minus baseline, paired over the questions that both measured."""
        metrics = list(metrics) or metric_names()
        place = {query.id: row for row, query in enumerate(baseline.corpus.queries)}
        rows = [(row, place[query.id]) for row, query in enumerate(current.corpus.queries) if query.id in place]
        a, b = (np.array(column, int) for column in zip(*rows, strict=True)) if rows else (np.empty(0, int),) * 2
        paired = rules_of(current.config).differences(
            np.column_stack([current.values[name][a] for name in metrics]),
            np.column_stack([baseline.values[name][b] for name in metrics]),
        )
        return dict(zip(metrics, paired, strict=True))

    # One question ------------------------------------------------------------------------------------------------

    def search(self, recipe: Recipe, question: str, shared: Shared | None = None) -> list[Hit]:
        """The final ranking for a question typed in by hand. shared: see `Pipeline.pool_of`."""
        return drain(self._search(recipe, question, Way(), shared))

    def _search(
        self, recipe: Recipe, question: str, way: Way, shared: Shared | None = None
    ) -> Generator[Progress, None, list[Hit]]:
        if not question.strip():
            raise WorkbenchError("The question is empty.", todo="Type a question.")
        run = yield from self.pipeline.resolve(recipe)
        pool = way.pool = yield from self.pipeline.pool_of(run, question, way.steps, shared)
        typed = [Query("", question)]
        scores = yield from final_scores(self.pipeline, run, pool, typed, way.trace, steps=way.scores, shared=shared)
        return hits_of(self.pipeline, run, pool, scores, 0, typed, way.scores)

    def read_together(self, run: Resolved, questions: Sequence[str], shared: Sequence[Shared]) -> None:
        """Encodes questions side by side before each is searched with what it shares."""
        drain(self.pipeline.encode_together(run, questions, shared))

    def hits(self, evaluation: Evaluation, row: int) -> list[Hit]:
        """The final ranking of one of the corpus's own questions."""
        steps, queries = steps_of(self.pipeline, evaluation), evaluation.corpus.queries
        return hits_of(self.pipeline, evaluation.run, evaluation.pool, evaluation.scores, row, queries, steps)

    def ask(
        self, config: TrialConfig, question: str, deadline_s: float | None = None, shared: Shared | None = None
    ) -> Generator[str | Progress, None, Answer]:
        """Streams the answer's text, with Progress while a model loads; returns the Answer, already stored. deadline_s: of the writing;
        None: what its way of answering takes. shared: see `Pipeline.pool_of`.

        What fails once the passages are found is stored as a failed answer; a stopped answer is not stored.
        """
        from core.agents.effects import AgentEffects
        from core.answering.answer import answer

        started, way = time.perf_counter(), Way()
        effects = AgentEffects(self.home, fingerprint(config, question))
        run = self.resolve(config)
        hits = drain(self._search(run, question, way, shared))
        retrieval_ms = (time.perf_counter() - started) * 1000
        try:
            check(config)
            config = config.model_copy(update={"generation": writer(config)})
            work = answer(
                question,
                hits,
                config.generation,
                context_of(config),
                config.seed,
                retrieval_ms,
                config.answering.deadline_s() if deadline_s is None else deadline_s,
                answering=config.answering,
                search=partial(self.search, run),
                source=source_of(self.pipeline, run),
                desk=self.desk() | {"effects": effects},
            )
            result = yield from confident(work, config.context.confidence)
        except Exception as error:
            why = error.what.rstrip(".") if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
            failed = Answer("", tuple(hits[: config.context.passages]), (), f"failed: {why}", retrieval_ms=retrieval_ms)
            self._save_answer(run.of(config), question, failed)
            raise
        total_ms = (time.perf_counter() - started) * 1000
        origin = provenance(run, way, hits, result, total_ms)
        result = replace(result, provenance=origin)
        made = replace(result, id=self._save_answer(run.of(config), question, result))
        # an agent's steps, or another way's: who calls nothing leaves no notes. One that failed has not answered: asked again, it goes on
        if result.detail and not result.finish_reason.startswith("failed"):
            effects.end()
        return made

    def _save_answer(self, run: Resolved, question: str, result: Answer) -> str:
        from core.answering.answer import answer

        config = run.config
        fingerprints = {"corpus": run.corpus.fingerprint, "chunks": run.key("chunks"), "encoder": config.embedding.identity()}
        if result.receipt:  # otherwise no model ran
            fingerprints["generator"] = result.receipt.identity
        return self.store.add(
            "answer",
            {
                **plain(result),
                "question": question,
                "config": config.model_dump(mode="json"),
                **receipt(config, config.generation, config.answering, answer),
                "fingerprints": fingerprints,
            },
        )

    def ask_again(self, config: TrialConfig, question: str, first: Answer) -> Generator[str | Progress, None, tuple[str, Any]]:
        """The same passages once more by the first answer's receipt: (its text, receipt.Comparison). Not stored."""
        from core.answering.answer import answer_again

        run = self.resolve(config)
        search, source = partial(self.search, run), source_of(self.pipeline, run)
        about = question, as_written(first), config.generation, config.context
        hits = search(question) if "first" in first.detail and first.provenance else []
        before = first.provenance.origins if hits else ()
        same, then = ([(each.document_id, each.start, each.end) for each in some] for some in (hits[: len(before)], before))
        return (yield from answer_again(*about, search, source, desk=self.desk(), ranking=hits if same == then else ()))

    def convert_model(self, config: TrialConfig) -> Generator[Progress, None, dict[str, Any]]:
        """A faster copy of the recipe's model file, where one says nearly the same: from then on `auto` takes it."""
        from core.generation.loading import loaded

        if not config.generation.copies:
            raise WorkbenchError(
                f"The engine {config.generation.part} takes its model as it is.",
                where="generation.part",
                todo="Only llama_cpp keeps copies of a model file.",
            )
        yield from loaded(config.generation)
        return plain(config.generation.choice())

    # Trials ------------------------------------------------------------------------------------------------------

    def run(self, config: TrialConfig, sweep: str = "") -> Generator[Progress, None, str]:
        """Measures a recipe and stores it as a trial; returns the trial's id. A failure is stored as a failed trial."""
        try:
            yield from fetched(config)
            evaluation = yield from self.evaluating(config)
            self.count_looks(evaluation)
            latency = yield from self.latency(evaluation.run)
        except (GeneratorExit, Exception, KeyboardInterrupt) as error:
            self.store.add("trial", without_result(config, sweep, error))
            raise
        return self.store_trial(evaluation, latency, sweep)

    def sweep(self, config: TrialConfig, grid: dict[str, list[Any]]) -> Generator[Progress, None, list[str]]:
        """A stored trial for each point of the grid. Points already stored by the same sweep are not run again."""
        points = [{}]
        for setting, values in grid.items():
            points = [{**point, setting: value} for point in points for value in values]
        configs = [with_settings(config, point) for point in points]
        name = fingerprint([fingerprint(c) for c in configs])
        done = self.measured_of(name)
        ids, failed, where = [], [], ""
        for number, (point, recipe) in enumerate(zip(points, configs, strict=True)):
            step = Progress(number, len(configs), setting_words(point))
            yield step
            try:
                there = done.get(identity(self.resolve(recipe))) if done else None
            except WorkbenchError:  # its corpus is not here: the run says so, and stores that
                there = None
            try:
                ids.append(there["id"] if there else (yield from within(self.run(recipe, name), step)))
            except WorkbenchError as error:  # stored as a failed trial; the other points are still measured
                failed.append(f"{step.message}: {error.what}")
                where = where or error.where
        if failed:
            raise WorkbenchError(
                f"{len(failed)} of {len(configs)} points failed, the first with {failed[0]}",
                where=where,
                todo="The others are stored; `trials list` names the reasons. Run the sweep again to retry.",
            )
        return ids

    # The store ---------------------------------------------------------------------------------------------------

    def sql(self, text: str) -> Any:
        return self.store.sql(text)

    def desk(self) -> dict[str, Any]:
        """What tools of agents work with besides the corpus: what is recorded, and what subjects hand down (`DESK` of their folders)."""
        return {"sql": self.sql, **{name: partial(made, self) for name, made in _handed_down().items()}}

    def notices(self) -> list[str]:
        """What was repaired or left out of what is stored."""
        return list(dict.fromkeys([*self.store.told(), *files.notices]))

    def late(self) -> int:
        """How many answers of the store so far were not of the latest: who has drawn one draws it again once `behind` is over."""
        return self.store.late

    def behind(self) -> str:
        """Why the latest records are not in what the store answers; "" where they are."""
        return self.store.stale

    def arguments(self, config: TrialConfig) -> list[str]:
        """The recipe as the command line takes it: what differs from the defaults."""
        changed = difference(config)
        changed.pop("corpus.dataset", None)
        return ["--dataset", config.corpus.dataset, *as_options("--set", changed)]

    def command(self, config: TrialConfig, verb: str = "run", *words: str) -> str:
        """The command that carries out a verb with this recipe. words: what the verb takes besides."""
        return command_line(verb, *words, *self.arguments(config))


@cache
def _handed_down() -> dict[str, Any]:
    """Name on the desk of agents -> what is made of a workbench."""
    return {name: made for told in registry.told_by_folders("DESK").values() for name, made in told.items()}


def _press(verb: str, like: str | None) -> str:
    """By which presses are timed."""
    return fingerprint("press", verb, like)


def _derived_by() -> str:
    """Identity of what the store derives from a trial: its scores, its words, and its columns, one a part."""
    return fingerprint(code_version(derive, *registry.parts("metric").values()), words_version(), PART_KINDS)


def command_line(*words: str) -> str:
    """A command as a person types it."""
    return f"python -m core {shlex.join(as_typed(words))}"


def _ranks(ranks: np.ndarray) -> list[int | None]:
    return [None if rank == NOT_FOUND else rank for rank in ranks.tolist()]


def as_options(option: str, settings: dict[str, Any]) -> list[str]:
    """Settings as the command line takes them, each behind the option."""
    return [word for path, value in settings.items() for word in (option, f"{path}={_as_yaml(value)}")]


def _as_yaml(value: Any) -> str:
    """One line that YAML reads as this value: words as they are where that is possible."""
    if isinstance(value, str) and value.isprintable() and files.read_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)  # YAML takes JSON, but not its halves of surrogate pairs


def fetched(config: TrialConfig, answering: bool = False) -> Generator[Progress, None, None]:
    """Downloads the models of the recipe's parts where it allows it and they are not on this machine."""
    for part in parts(config, answering):
        if part.absent():
            yield Progress(0, 0, f"Fetching the model {part.model}")
            part.fetch()
