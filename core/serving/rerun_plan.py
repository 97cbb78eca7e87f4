"""What is run again: stored requests whose inputs are there, and what is changed of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.config import TrialConfig, with_settings
from core.context import prompt
from core.context.passages import page_at
from core.errors import WorkbenchError
from core.labs.answers.answering import answers_to, spans_read
from core.pipeline.answers import CLOSED, Asker
from core.pipeline.stages import Resolved
from core.records import Document, Hit
from core.serving import stored_spans
from core.serving.inputs import DENSE, RequestInput, documents_of, input_of
from core.serving.spans import TraceSpan
from core.serving.stored_spans import TraceSearch
from core.workbench import Workbench

SIDES = ("before", "after")
MOST_TRACES, MOST_SEEDS, MOST_ANSWERS = 1_000, 20, 10_000
LOOKED = 4  # times as many traces are looked at as are wanted: some asked the same, of some no answer was written
CHANGEABLE = ("context", "answering", "generation", "seed")  # of a recipe what decides the answer over given passages
OF_PROMPTS = ("generation", "seed")  # the same of a prompt that is there already
ANOTHER_CORPUS = "its corpus is another one now"
NO_RECIPE = "a setting of the prompt was changed, and it has no recipe"
NO_SYSTEM = "the system message was changed, and its recipe sends none"
SAME = "it asked the same of the same passages as another"
STRANGE = "its recipe asks a model or a service that nothing here was asked of"


class RerunChange(NamedTuple):
    """What is changed. settings: dotted, of CHANGEABLE; system: of prompts of other programs the system message, None: as it is."""

    settings: Mapping[str, Any] = {}
    system: str | None = None

    @property
    def words(self) -> str:
        told = [f"{name}={value!r:.60}" for name, value in self.settings.items()]
        return ", ".join(told + ([] if self.system is None else [f"system message {self.system!r:.60}"]))


class RerunPlan(NamedTuple):
    """left_out: why a trace is none of them -> how many."""

    inputs: tuple[RequestInput, ...]
    left_out: dict[str, int]
    change: RerunChange
    seeds: int
    author: TrialConfig  # whose model writes the prompts of other programs

    @property
    def recipes(self) -> list[tuple[TrialConfig, TrialConfig]]:
        """Of each trace before the change and after it."""
        before = [each.recipe or self.author for each in self.inputs]
        after = {recipe: with_settings(recipe, dict(self.change.settings)) for recipe in dict.fromkeys(before)}
        return [(recipe, after[recipe]) for recipe in before]


# What is run again ----------------------------------------------------------------------------------------------------------------------


def planned(
    workbench: Workbench,
    ids: Sequence[str],
    change: RerunChange,
    seeds: int = 3,
    latest: int = 0,
    search: TraceSearch = stored_spans.ALL,
    author: TrialConfig | None = None,
) -> RerunPlan:
    """Of these traces, and of the newest that `search` finds until there are `latest`. WorkbenchError where no trace can be run again,
    with the reasons, and where a setting is none that the answer depends on."""
    author = author or TrialConfig()
    _check(change, seeds, latest)
    if len(ids) > MOST_TRACES:
        raise WorkbenchError(f"{len(ids):,} traces are too many.", todo=f"Run {MOST_TRACES:,} again at most.")
    with_settings(author, dict(change.settings))  # says what is wrong with one before anything is read
    more = stored_spans.traces(workbench, search._replace(kind="model"), LOOKED * latest) if latest > len(ids) else []
    own = stored_spans.spans(workbench, ids)
    by_trace: dict[str, list[TraceSpan]] = {name: [] for name in [*(span.trace for span in own), *(row["trace"] for row in more)]}
    for span in (*own, *stored_spans.of_traces(workbench, list(by_trace.keys() - {span.trace for span in own}))):
        by_trace[span.trace].append(span)
    inputs, left_out, fitness = [], Counter(), _Fitness(workbench, change)
    for spans in by_trace.values():
        if len(inputs) == max(latest, len(ids)):
            break
        each = _input(spans)
        if why := each if isinstance(each, str) else fitness.why_not(each):
            left_out[why] += 1
        else:
            inputs.append(each)
    if not inputs:
        told = "; ".join(f"{why}: {count:,}" for why, count in left_out.items()) or "no trace is stored in which a model wrote"
        todo = "Ask a service, or import traces with prompts: `python -m core serving import-traces FILE`."
        raise WorkbenchError(f"No trace can be run again: {told}.", where=", ".join(ids)[:120], todo=todo)
    made = RerunPlan(tuple(inputs), dict(left_out), change, seeds, author)
    if all(is_fixed(recipe) for both in set(made.recipes) for recipe in both):
        made = made._replace(seeds=1)
    if (answers := len(inputs) * made.seeds * len(SIDES)) > MOST_ANSWERS:
        todo = f"Take fewer traces or seeds: {MOST_ANSWERS:,} answers at most."
        raise WorkbenchError(f"{answers:,} answers are too many for one run.", where="--seeds", todo=todo)
    return made


def rerunnable(workbench: Workbench, trace: str) -> RequestInput | str:
    """What a trace's answer was written from, or why it cannot be written again."""
    each = _input(stored_spans.spans(workbench, [trace]))
    return each if isinstance(each, str) else _Fitness(workbench, RerunChange()).why_not(each) or each


def _input(spans: Sequence[TraceSpan]) -> RequestInput | str:
    return input_of(sorted(spans, key=lambda span: span.start_ns))


def _check(change: RerunChange, seeds: int, latest: int) -> None:
    for path in change.settings:
        if path.partition(".")[0] not in CHANGEABLE:
            raise WorkbenchError(
                "What a request was answered from is not searched for again, so only what comes after the passages can be changed.",
                where=path,
                todo=f"Change one of {', '.join(CHANGEABLE)}; `compare` compares whole recipes.",
            )
    if not change.words:
        raise WorkbenchError("Nothing is changed.", where="--set", todo="For example --set generation.temperature=0.7")
    if not 1 <= seeds <= MOST_SEEDS:
        raise WorkbenchError(f"{seeds} seeds cannot be taken.", where="--seeds", todo=f"Take 1 to {MOST_SEEDS}.")
    if latest > MOST_TRACES:
        raise WorkbenchError(f"{latest:,} traces are too many.", where="--latest", todo=f"Take {MOST_TRACES:,} at most.")


class _Fitness:
    """Whether traces can be run again with a change; each recipe is looked at once."""

    def __init__(self, workbench: Workbench, change: RerunChange) -> None:
        self._workbench, self._change = workbench, change
        self._seen: set[Any] = set()
        self._corpora: dict[TrialConfig, str | tuple[str, dict[str, Document]]] = {}

    def why_not(self, each: RequestInput) -> str:
        """ "": it can, and the same is not taken again."""
        why = SAME if each.same in self._seen else self._of_prompt() if each.recipe is None else self._of_recipe(each)
        if not why:
            self._seen.add(each.same)
        return why

    def _of_prompt(self) -> str:
        return NO_RECIPE if any(path.partition(".")[0] not in OF_PROMPTS for path in self._change.settings) else ""

    def _of_recipe(self, each: RequestInput) -> str:
        if self._change.system is not None:
            return NO_SYSTEM
        if each.recipe not in self._corpora:
            self._corpora[each.recipe] = self._corpus(each.recipe)
        if isinstance(corpus := self._corpora[each.recipe], str):
            return corpus
        stamp, documents = corpus
        there = all(name in documents and end <= len(documents[name].text) for name, _, end, _ in each.passages or ())
        return "" if there and stamp == each.corpus else ANOTHER_CORPUS

    def _corpus(self, recipe: TrialConfig) -> str | tuple[str, dict[str, Document]]:
        """(its fingerprint, its documents), or why nothing by this recipe is run again."""
        if not _asked_before(self._workbench, recipe):
            return STRANGE
        try:
            run = self._workbench.resolve(recipe)
        except WorkbenchError:  # it is gone
            return ANOTHER_CORPUS
        return run.corpus.fingerprint, documents_of(self._workbench.pipeline, run)


def _asked_before(workbench: Workbench, recipe: TrialConfig) -> bool:
    """Whether answers of its model, of a remote one at its address, are recorded: a file of traces that came from elsewhere opens no
    model file, and sends no prompt and no key to an address, that nobody here has chosen."""
    part = recipe.generation
    name, value = ("model", part.model) if part.local else ("base_url", part.base_url)
    if part.local and value == TrialConfig().generation.model:
        return True
    asked = "SELECT count(*) AS n FROM (SELECT config FROM set_answers UNION ALL SELECT config FROM answers) WHERE"
    [row] = workbench.store.query(f"{asked} config ->> '$.generation.{name}' = ?", [str(value)])
    return row["n"] > 0


def is_fixed(recipe: TrialConfig) -> bool:
    """Whether its model takes the likeliest token, and writes the same under any seed."""
    part = recipe.generation
    return part.local and "temperature" in type(part).model_fields and part.temperature == 0


# What is asked ---------------------------------------------------------------------------------------------------------------------------


def hits_of(workbench: Workbench, run: Resolved, each: RequestInput) -> list[Hit]:
    """The ranking that a request was answered from, as the search gave it."""
    documents, hits = documents_of(workbench.pipeline, run), []
    for rank, (name, start, end, score) in enumerate(each.passages or (), 1):
        document, scores = documents[name], {} if score is None else {DENSE: score}
        hits.append(Hit(rank, 0.0, name, document.title, start, end, document.text[start:end], page_at(document, start), scores))
    return hits


def prompt_of(workbench: Workbench, each: RequestInput) -> list[dict[str, str]]:
    """The messages that were sent, of a way of answering with several prompts as one would be: over the passages of the recorded answer,
    and where none is recorded over as many as the recipe takes."""
    if each.recipe is None:
        return list(each.messages)
    if each.passages is None:
        return [{"role": "user", "content": f"{CLOSED}\n\nQuestion: {each.question}"}]
    run = workbench.resolve(each.recipe)
    hits, documents = hits_of(workbench, run, each), documents_of(workbench.pipeline, run)
    [said] = answers_to(workbench, [Asker(run).over(each.question, hits)])
    read = said.shown if said else spans_read(hits[: each.recipe.context.passages])
    passages = []
    for excerpts in read:
        name, start, end = excerpts[0][0], excerpts[0][1], excerpts[-1][2]
        document = documents[name]
        spans = tuple((first, last) for _, first, last in excerpts)
        passages.append(
            Hit(0, 0.0, name, document.title, start, end, document.text[start:end], page_at(document, start), {}, spans)
        )
    return prompt.written(each.question, passages, each.recipe.context)
