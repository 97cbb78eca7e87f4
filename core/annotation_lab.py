"""The verbs of human evaluation: studies frozen before they are labelled, labels kept for ever, both exchanged as files."""

import hashlib
import hmac
import json
import os
import secrets
import statistics
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.annotation import alone, exchange, label_studio, qags
from core.annotation.drawing import Candidate, clean, draw, draw_pairs, with_attention, with_duplicates
from core.annotation.exchange import Problem
from core.annotation.labels import CONTENT, Label, Table, blank, complete, disputed, problems, standing, table
from core.annotation.study import (
    FOLDER,
    ROUNDS,
    HandOver,
    Item,
    Left,
    Passage,
    Rubric,
    Study,
    assignment,
    default_rubric,
    design_hash,
    handed_over,
    shown,
    study_hash,
)
from core.config import TrialConfig, fingerprint, valid
from core.errors import WorkbenchError
from core.records import Progress
from core.store.journal import remedy
from core.store.lock import hold
from core.workbench import Workbench

FORMATS = ("jsonl", "csv", "label_studio", "dpo")
LABEL_FILES = ("labels.jsonl", "labels.csv", "label_studio.json")  # of an export, the fullest first
TOLD = 5  # problems of an import that its error names


class Frozen(NamedTuple):
    """A version of a study as it is recorded. round: draft, or the round it was frozen for. hash: "" for a draft.

    Versions of the round "plan" are no versions of the study: see `plan`."""

    id: str
    study: Study
    round: str
    hash: str
    version: int
    created: str


class Check(NamedTuple):
    """Whether records and labels are still what was preregistered."""

    ok: bool
    hash: str
    labels: int
    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what was recorded on the way and is in order: who left, and who took over


class AnnotatorProgress(NamedTuple):
    annotator: str
    done: int
    assigned: int
    partial: int  # begun, not complete
    seconds_median: float | None  # an item
    last: str  # when the latest label was saved


class Manifest(NamedTuple):
    folder: str
    study: str
    hash: str
    created: str
    counts: dict[str, int]
    files: tuple[dict[str, Any], ...]  # name, sha256, bytes


class Imported(NamedTuple):
    added: int
    known: int  # already here, or taken from such a file before
    problems: tuple[Problem, ...]
    replaced: int = 0  # of those added: they took the place of a label that said otherwise
    completed: int = 0  # of those added: they say what the label in their place had left open
    changed: int = 0  # of those known: changed or taken back here since, and left so


class ImportProblems(WorkbenchError):
    """Nothing was taken of a file. `problems` has all that is wrong, by line. good: labels that could be imported; None where
    the file was only to be read."""

    def __init__(self, found: Sequence[Problem], good: int | None = None) -> None:
        self.problems = tuple(found)
        listed = "\n".join(f"{one.file}:{one.line}: {one.what} {one.todo}".rstrip() for one in found[:TOLD])
        more = f"\n… and {len(found) - TOLD} more." if len(found) > TOLD else ""
        number = f"{len(found):,} problem{'s' if len(found) > 1 else ''}"
        what = f"{number} in this file" if good is None else f"{number}, so nothing was imported"
        todo = f"Mend them, or keep the {good:,} good labels alone (--keep-good)." if good else "Mend the file."
        super().__init__(f"{what}:\n{listed}{more}", where=f"{found[0].file}:{found[0].line}", todo=todo)


# Studies -------------------------------------------------------------------------------------------------------------


def studies(workbench: Workbench) -> list[Frozen]:
    """The latest version of each study, newest first."""
    latest, found = {one.study: one.id for one in workbench.store.studies() if one.round != "plan"}, []
    for id in sorted(latest.values(), reverse=True):
        with suppress(WorkbenchError):  # damaged: `verify` says so, and whoever opens it; the others are there
            found.append(_frozen(workbench, id))
    return found


def load(workbench: Workbench, study_id: str) -> Frozen:
    """The version in use."""
    versions = _versions(workbench, study_id)
    if not versions:
        raise WorkbenchError(f"There is no study '{study_id}'.", todo="`python -m core annotate list` shows them.")
    return _frozen(workbench, versions[-1])


def history(workbench: Workbench, study_id: str) -> list[Frozen]:
    """All versions, the oldest first."""
    return [_frozen(workbench, id) for id in _versions(workbench, study_id)]


def save(workbench: Workbench, study: Study) -> Frozen:
    """Records a draft. A study that was frozen stays as it is."""
    if (latest := _latest(workbench, study.id)) and latest.round != "draft":
        raise WorkbenchError(f"The study '{study.id}' is frozen for its {latest.round} round.",
                             todo="Give the changed study another name.")  # fmt: skip
    return latest if latest and latest.study == study else _record(workbench, study, "draft", "", latest)


def freeze(workbench: Workbench, study: Study, round: str) -> Frozen:
    """Records the study with its hash; from then on the round can be labelled. pilot, then main; or main at once."""
    latest = _latest(workbench, study.id)
    before = latest.round if latest else "draft"
    if round not in ("pilot", "main") or before in ("main", "adjudication") or (before, round) == ("pilot", "pilot"):
        raise WorkbenchError(f"The study '{study.id}' cannot be frozen for round '{round}' after '{before}'.",
                             todo="Give the changed study another name.")  # fmt: skip
    if not study.round_items(round):
        raise WorkbenchError(
            f"There are no items for the {round} round.", where=f"study '{study.id}'", todo="Draw items."
        )
    if study.ask == ("sentences",) and (bare := next((one.id for one in study.round_items(round)
                                                      if not any(each.sentences for each in one.responses)), "")):  # fmt: skip
        raise WorkbenchError(f"Item {bare} has no sentence to label.", where=f"study '{study.id}'",
                             todo="Leave it out, or ask how helpful the answers are.")  # fmt: skip
    missing = [name for name in ("question", "measure") if not getattr(study, name).strip()]
    if missing:
        raise WorkbenchError(
            f"The study has no {' and no '.join(missing)}.", todo="Say it before the first label is seen."
        )
    if before == "pilot":
        _same_pilot(latest.study, study)
    assignment(study, round)
    return _record(workbench, study, round, study_hash(study, round), latest)


def revise(workbench: Workbench, study_id: str, rubric: Rubric) -> Frozen:
    """A new version of the rubric while the pilot runs; the earlier ones stay in the study."""
    latest = load(workbench, study_id)
    if latest.round not in ("draft", "pilot"):
        raise WorkbenchError(f"The rubric of '{study_id}' is frozen: the {latest.round} round has begun.",
                             todo="Give the changed study another name.")  # fmt: skip
    if not rubric.changed.strip():
        raise WorkbenchError("A new version of the rubric says what was changed.", todo="Write it under `changed`.")
    new = rubric.model_copy(update={"version": latest.study.rubric.version + 1})
    return _go_on(workbench, latest, {"rubrics": (*latest.study.rubrics, new)})


def plan(workbench: Workbench, study: Study) -> None:
    """Keeps changes for the main round that are made while the pilot is in use. Freezing the main round puts them in force;
    until then no label is given under them."""
    latest = load(workbench, study.id)
    if latest.round != "pilot":
        raise WorkbenchError(
            f"The study '{study.id}' is in round '{latest.round}': plans are made between pilot and main round."
        )
    _same_pilot(latest.study, study)
    if study != (planned(workbench, study.id) or latest.study):
        _record(workbench, study, "plan", "", latest)


def planned(workbench: Workbench, study_id: str) -> Study | None:
    """The study as it is planned for the main round; None: as it is frozen."""
    versions = [one for one in workbench.store.studies() if one.study == study_id]
    in_use = next((one.id for one in reversed(versions) if one.round != "plan"), "")
    if not in_use or versions[-1].id == in_use:
        return None
    study = _frozen(workbench, versions[-1].id).study
    return None if study == _frozen(workbench, in_use).study else study


def handing_over(workbench: Workbench, study_id: str, annotator: str) -> HandOver:
    """What would become of an annotator's items; nothing is recorded."""
    latest = load(workbench, study_id)
    return handed_over(latest.study, _leaver(workbench, latest, annotator))


def hand_over(workbench: Workbench, study_id: str, annotator: str) -> Frozen:
    """An annotator leaves the round that is in use: what they labelled stays, the rest goes to those with least to do.
    Nothing else of the study changes; after a pilot they are not in the plan of the main round either."""
    latest = load(workbench, study_id)
    return _go_on(workbench, latest, {"left": (*latest.study.left, _leaver(workbench, latest, annotator))})


def close(workbench: Workbench, study_id: str) -> Frozen:
    """Ends a round although items are open: everybody stops here, and nobody takes over."""
    latest = load(workbench, study_id)
    if not latest.hash or all(one.done >= one.assigned for one in progress(workbench, latest)):
        raise WorkbenchError(f"No item is open in the round '{latest.round}' of '{study_id}'.")
    everybody = [_left(workbench, latest, name) for name in latest.study.at_work(latest.round)]
    return _go_on(workbench, latest, {"left": (*latest.study.left, *everybody)}, stay=True)


def open_adjudication(workbench: Workbench, study_id: str, adjudicators: Sequence[str]) -> Frozen:
    """The last round: one person decides each item of the main round on which the annotators differ."""
    latest = load(workbench, study_id)
    if latest.round != "main":
        raise WorkbenchError(f"Adjudication follows the main round; '{study_id}' is in round '{latest.round}'.")
    if not adjudicators:
        raise WorkbenchError("Adjudication needs at least one person.", todo="Name an adjudicator.")
    found = disputed(latest.study, labels(workbench, study_id, "main"))
    if not found:
        raise WorkbenchError("The annotators agree on every item, so there is nothing to adjudicate.")
    study = valid(
        Study, {**latest.study.model_dump(mode="json"), "adjudicators": list(adjudicators), "disputed": found}
    )
    return _record(workbench, study, "adjudication", study_hash(study, "adjudication"), latest)


def check(workbench: Workbench, study_id: str) -> Check:
    """Looks into every version and label of a study: are they what was frozen?"""
    versions, found = history(workbench, study_id), []
    if not versions:
        raise WorkbenchError(f"There is no study '{study_id}'.", todo="`python -m core annotate list` shows them.")
    for one in versions:
        if one.hash and design_hash(workbench.store.journal.read(one.id).payload["design"], one.round) != one.hash:
            found.append(f"Version {one.version} is not what its hash says.")
    main = next((one for one in versions if one.round == "main"), None)
    last = versions[-1]
    if main and last is not main and _as_main(last.study, main.study) != _as_main(main.study, main.study):
        found.append("The study was changed after its main round was frozen.")
    hashes, times = {one.hash: one for one in versions if one.hash}, {one.hash: one.created for one in versions}
    given = [_as_label(payload) for payload in workbench.store.labels.all(study_id)]
    if lost := workbench.store.labels.damaged:
        found.append(f"{len(lost):,} label records cannot be read, of this study or others, the first of them {min(lost)}: "
                     f"{lost[min(lost)]}.")  # fmt: skip
    leaving = _leaving(versions)
    for what, ids in _label_findings(last.study, given, hashes, times, leaving).items():
        found.append(f"{len(ids):,} labels {what}, the first of them {ids[0]}.")
    notes = _notes(versions)
    if taken := sum(bool(one.origin) for one in given):
        notes += (f"{taken:,} of {len(given):,} label records came from files or a server.",)
    return Check(not found, last.hash, len(given), tuple(found), notes)


def _leaving(versions: Sequence[Frozen]) -> dict[tuple[str, str], str]:
    """(round, annotator) -> when it was recorded that they left."""
    found: dict[tuple[str, str], str] = {}
    for version in versions:
        for one in version.study.left:
            found.setdefault((one.round, one.annotator), version.created)
    return found


def _notes(versions: Sequence[Frozen]) -> tuple[str, ...]:
    """Every hand-over in words."""
    notes, study = [], versions[0].study.model_copy(update={"left": ()})
    for version in versions:
        study = version.study.model_copy(update={"left": version.study.left[: len(study.left)]})
        when, found = f"{version.created[:16].replace('T', ' ')} UTC", []
        for one in version.study.left[len(study.left) :]:
            if one.annotator in study.people(one.round):
                found.append(handed_over(study, one))
            study = study.model_copy(update={"left": (*study.left, one)})
        if len(found) > 1:
            notes.append(
                f"The {one.round} round was closed on {when}; labels missing: {sum(each.short for each in found):,}."
            )
        elif found:
            others = ", ".join(f"{number:,} to {name}" for name, number in found[0].given.items())
            went = "; ".join(filter(None, [others, f"{found[0].short:,} to nobody" if found[0].short else ""]))
            notes.append(f"{found[0].annotator} left the {one.round} round on {when} with {found[0].kept:,} items labelled. "
                         f"The open items went: {went or 'there were none'}.")  # fmt: skip
    return tuple(notes)


def _label_findings(
    study: Study, given: Iterable[Label], hashes: dict[str, Frozen], times: dict[str, str],
    leaving: dict[tuple[str, str], str],
) -> dict[str, list[str]]:  # fmt: skip
    found: dict[str, list[str]] = defaultdict(list)
    for label in given:
        frozen = hashes.get(label.hash)
        if frozen is None and not label.origin:
            found["were given under a study that was never frozen"].append(label.id)
        elif frozen is not None and frozen.round != label.round:
            found["were given in another round than their study was frozen for"].append(label.id)
        elif frozen is not None and label.created and label.created < times[label.hash]:
            found["are older than the study they were given under"].append(label.id)
        elif not label.origin and label.created > leaving.get((label.round, label.annotator), "~"):
            found["were given by somebody who had left the round"].append(label.id)
        elif not label.withdrawn and problems(frozen.study if frozen else study, label):
            found["do not fit the items or the rubric"].append(label.id)
    return found


def candidates(workbench: Workbench, dataset: str = "") -> list[Candidate]:
    """Stored answers that have words, the latest of each system and question. A system is a model with its recipe, without
    what decides no word of an answer: the seed, which questions are asked, how trials are evaluated, how fast it runs."""
    rows = workbench.store.query(
        f"""SELECT id, dataset, question, text, model, hits, config FROM answers
            WHERE {LACKS} = '' AND (? = '' OR dataset = ?) ORDER BY id""", [dataset, dataset])  # fmt: skip
    gold = {(row["dataset"], row["text"]): row["answers"] for row in workbench.store.query(
        """SELECT s.dataset, q.text, q.answers FROM questions q JOIN question_sets s USING (fingerprint)
           WHERE len(q.answers) > 0""")}  # fmt: skip
    found: dict[tuple, Candidate] = {}
    for row in rows:
        recipe = _recipe(json.loads(row["config"] or "{}"))
        passages = tuple(Passage(document_id=hit["document_id"], title=clean(hit.get("title") or ""), start=hit["start"],
                                 end=hit["end"], text=clean(hit["text"])) for hit in json.loads(row["hits"] or "[]"))  # fmt: skip
        one = Candidate(row["id"], f"{Path(row['model'] or 'no model').name} · {recipe}", row["dataset"] or "",
                        clean(row["question"]), clean(row["text"]), passages,
                        tuple(clean(text) for text in gold.get((row["dataset"], row["question"]), ())))  # fmt: skip
        found[one.system, one.dataset, one.question] = one
    return list(found.values())


LACKS = """CASE WHEN text IS NULL THEN 'failed' WHEN finish_reason = 'abstained' THEN 'abstained'
                WHEN NOT regexp_matches(text, '\\w') THEN 'empty' ELSE '' END"""  # why an answer cannot be judged
# settings of a generator; the name of the file that was loaded tells how its weights were kept
WRITES_NOTHING = ("threads", "gpu_layers", "own_process", "logprobs", "reuse_prefix", "retries", "weights")


def _recipe(config: dict[str, Any]) -> str:
    """What tells systems of one model apart."""
    kept = {name: stage for name, stage in config.items() if name not in ("seed", "corpus", "evaluation")}
    if "generation" in kept:
        kept["generation"] = {key: value for key, value in kept["generation"].items() if key not in WRITES_NOTHING}
    return fingerprint(kept)[:6]


class Asked(NamedTuple):
    """What came of questions that were asked. asked: of each recipe and question one."""

    asked: int
    judged: int  # gave an answer that can be judged
    why: dict[str, int]  # failed, abstained (no passage was similar enough) or empty -> how many of the others


def asked(workbench: Workbench, found: Iterable[Candidate], recipe: str = "", questions: Iterable[str] = ()) -> Asked:
    """How many questions gave one of the answers `found`, and why the others did not; of a recipe and questions, or all."""
    wanted = {clean(text) for text in questions}
    rows = workbench.store.query(f"""SELECT dataset, question, config, {LACKS} AS lack FROM answers
                                     WHERE {LACKS} <> '' ORDER BY id""")  # fmt: skip
    good = {(one.system.rpartition(" · ")[2], one.dataset, one.question) for one in found}
    bad = {
        (_recipe(json.loads(row["config"] or "{}")), row["dataset"] or "", clean(row["question"])): row["lack"]
        for row in rows
    }

    def counts(key: tuple[str, str, str]) -> bool:
        return recipe in ("", key[0]) and (not wanted or key[2] in wanted)

    judged = sum(map(counts, good))
    why = Counter(lack for key, lack in bad.items() if key not in good and counts(key))
    return Asked(judged + sum(why.values()), judged, dict(why.most_common()))


def systems(found: Iterable[Candidate]) -> dict[str, int]:
    """System -> how many answers."""
    return dict(Counter(one.system for one in found).most_common())


def design(workbench: Workbench, mapping: dict[str, Any]) -> Study:
    """A study from plain settings: those of `Study`, with `draw` in place of the items.

    draw: count, pilot, by (question, system, dataset, none), allocation, dataset, systems (two for pairs), duplicates,
    attention (true: built-in ones among the items of each round).
    Without rubrics it has the one in use.
    """
    settings = {"rubrics": [default_rubric().model_dump(mode="json")], **mapping}
    how = settings.pop("draw", None)
    seed, kind = settings.get("seed", 0), settings.get("kind", "rating")
    if how is not None:
        how, found = dict(how), candidates(workbench, how.get("dataset", ""))
        try:
            items = _drawn(found, kind, seed, how)
        except TypeError as error:
            raise WorkbenchError(
                f"The items cannot be drawn: {error}.", where="draw", todo=design.__doc__.split("\n\n")[1].strip()
            ) from None
        settings["items"] = [item.model_dump(mode="json") for item in items]
    return valid(Study, settings)


def _drawn(found: list[Candidate], kind: str, seed: int, how: dict[str, Any]) -> tuple[Item, ...]:
    """The items of `draw`, with duplicates and attention items."""
    duplicates, attention, named = how.pop("duplicates", 0), how.pop("attention", False), how.pop("systems", None)
    how.pop("dataset", None)
    if named:
        found = [one for one in found if one.system in named]
    if kind == "pairs":
        if len(named or ()) != 2:
            raise WorkbenchError("Pairs are drawn of two systems.", where="draw.systems", todo="Name two.")
        items = draw_pairs(found, *named, seed=seed, **how)
    else:
        items = draw(found, seed=seed, **how)
    items = with_duplicates(items, duplicates, seed)
    return with_attention(items, seed) if attention else items


def answer_questions(workbench: Workbench, config: TrialConfig, count: int) -> Generator[Progress, None, Asked]:
    """Has the first `count` questions of the corpus answered by the recipe and stores the answers; those stored already
    are not asked again. Returns what came of these questions."""
    corpus = yield from workbench.pipeline.corpus(config)
    recipe = _recipe(config.model_dump(mode="json"))
    rows = workbench.store.query(
        "SELECT question, config FROM answers WHERE text IS NOT NULL AND dataset = ?", [corpus.name]
    )
    given = [(row["question"], json.loads(row["config"])) for row in rows]
    done = {question for question, one in given if _recipe(one) == recipe and one.get("seed", 0) == config.seed}
    queries = corpus.queries[:count]
    for number, query in enumerate(queries):
        yield Progress(number, len(queries), query.text)
        if query.text not in done:
            for step in workbench.ask(config, query.text):
                yield step if isinstance(step, Progress) else Progress(number, len(queries), query.text)
    return asked(workbench, candidates(workbench, corpus.name), recipe, [query.text for query in queries])


# Labelling -----------------------------------------------------------------------------------------------------------


def label(workbench: Workbench, frozen: Frozen, given: Label) -> Label:
    """Saves a label, whole or begun; returns it as recorded, once it is on disk to stay."""
    if not frozen.hash:
        raise WorkbenchError(f"The study '{frozen.study.id}' is a draft.", todo="Freeze it, then label.")
    _still_here(workbench, frozen, given.annotator)
    mine = assignment(frozen.study, frozen.round).get(given.annotator)
    if mine is None or given.item not in mine:
        raise WorkbenchError(f"Item '{given.item}' is not assigned to '{given.annotator}' in the {frozen.round} round.")
    if wrong := problems(frozen.study, given):
        raise WorkbenchError(f"This label does not fit the study: {'; '.join(wrong)}.")
    item = frozen.study.item(given.item)
    seen, empty = shown(frozen.study, item, given.annotator), blank(frozen.study, frozen.round, item, given.annotator)
    with workbench.store.labels.lock:  # of two tabs at once the later label replaces the earlier
        before = _one(workbench, frozen, given.annotator, given.item)
        return _saved(workbench, frozen.study, given.model_copy(update={
            "study": frozen.study.id, "round": frozen.round, "hash": frozen.hash, "rubric": frozen.study.rubric.version,
            "sentences": given.sentences or empty.sentences, "helpful": given.helpful or empty.helpful,
            "shown": seen.hash, "order": seen.order, "replaces": before.id if before else "", "restores": "",
        }))  # fmt: skip


def undo(workbench: Workbench, frozen: Frozen, item: str, annotator: str) -> Label:
    """Brings back the state before the latest label, as a new record. Nothing before it: the item is blank again."""
    _still_here(workbench, frozen, annotator)
    with workbench.store.labels.lock:
        latest = _one(workbench, frozen, annotator, item)
        if latest is None or (latest.withdrawn and not _before(workbench, latest)):
            raise WorkbenchError("There is nothing to undo here.")
        before = _before(workbench, latest)
        state = before or blank(frozen.study, frozen.round, frozen.study.item(item), annotator)
        return _saved(workbench, frozen.study, latest.model_copy(update={
            **{name: getattr(state, name) for name in CONTENT}, "withdrawn": before is None or before.withdrawn,
            "replaces": latest.id, "restores": before.id if before else "", "seconds": state.seconds,
        }))  # fmt: skip


def current(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    """The label as it stands."""
    found = _one(workbench, frozen, annotator, item)
    return None if found is None or found.withdrawn else found


def labels(workbench: Workbench, study_id: str, round: str = "") -> list[Label]:
    """The labels as they stand, whole and begun ones; of one round, or of all."""
    found = workbench.store.labels.current(study_id)
    return [_as_label(payload) for (place, _, _), payload in found.items()
            if round in ("", place) and not payload.get("withdrawn")]  # fmt: skip


def next_unlabelled(workbench: Workbench, frozen: Frozen, annotator: str, after: str = "") -> str | None:
    """The next item without a complete label, going on from `after` and round to the start; None: all are done."""
    mine = _assigned(frozen, annotator)
    start, found = mine.index(after) + 1 if after in mine else 0, workbench.store.labels.current(frozen.study.id)
    places = ((frozen.round, item, annotator) for item in (*mine[start:], *mine[:start]))
    return next((place[1] for place in places if place not in found or not found[place]["complete"]), None)


def resume(workbench: Workbench, frozen: Frozen, annotator: str) -> str | None:
    """The item to go on with: the one begun last, if it is not complete, else the next that is open."""
    found = workbench.store.labels.current(frozen.study.id)
    mine = [one for (round, _, name), one in found.items() if (round, name) == (frozen.round, annotator)]
    latest = max(mine, key=lambda one: one["id"], default=None)
    if (
        latest
        and not latest["complete"]
        and not latest.get("withdrawn")
        and latest["item"] in _assigned(frozen, annotator)
    ):
        return latest["item"]
    return next_unlabelled(workbench, frozen, annotator, latest["item"] if latest else "")


def progress(workbench: Workbench, frozen: Frozen) -> list[AnnotatorProgress]:
    """How far each annotator is in the round."""
    found = [one for (round, _, _), one in workbench.store.labels.current(frozen.study.id).items()
             if round == frozen.round and not one.get("withdrawn")]  # fmt: skip
    rows = []
    for name, mine in assignment(frozen.study, frozen.round).items():
        its = set(mine)
        own = [one for one in found if one["annotator"] == name and one["item"] in its]
        seconds = [one["seconds"] for one in own if one["complete"] and one.get("seconds") is not None]
        whole = sum(one["complete"] for one in own)
        rows.append(AnnotatorProgress(name, whole, len(mine), len(own) - whole, statistics.median(seconds) if seconds else None,
                                      max((one["created"] for one in own), default="")))  # fmt: skip
    return rows


def issue_token(workbench: Workbench, study_id: str, annotator: str) -> str:
    """A new token, shown once: only its hash is kept. An earlier one no longer holds."""
    study = load(workbench, study_id).study
    if annotator not in (people := (*study.annotators, *study.adjudicators)):
        raise WorkbenchError(
            f"'{annotator}' is nobody in the study '{study_id}'.", todo=f"Who is: {', '.join(people) or 'nobody'}."
        )
    path, token = _tokens(workbench), secrets.token_urlsafe(16)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with hold(workbench.home / "locks" / "tokens", purpose="issuing a token", seconds=10):
            kept = _kept_tokens(path)
            kept.setdefault(study_id, {})[annotator] = _token_hash(token)
            fresh = path.with_name(f".tokens.{os.getpid()}.tmp")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(kept, file)
            fresh.replace(path)
    except OSError as error:
        raise WorkbenchError(
            f"The token could not be kept: {error.strerror}.", where=str(path), todo=f"{remedy(error)}."
        ) from None
    return token


def may_label(workbench: Workbench, frozen: Frozen, annotator: str, token: str = "") -> bool:
    """Whether this person may label under this name in the round."""
    if annotator not in frozen.study.at_work(frozen.round):
        return False
    if not frozen.study.tokens:
        return True
    known = _kept_tokens(_tokens(workbench)).get(frozen.study.id, {}).get(annotator, "")
    return hmac.compare_digest(known, _token_hash(token.strip()))


# Files ---------------------------------------------------------------------------------------------------------------


def export(
    workbench: Workbench,
    study_id: str,
    formats: Sequence[str] = FORMATS,
    folder: Path | str | None = None,
    round: str = "",
) -> Manifest:
    """Writes the labels as they stand, and the study, into annotations/<study>/ with a manifest."""
    frozen, found = load(workbench, study_id), labels(workbench, study_id, round)
    if unknown := set(formats) - set(FORMATS):
        raise WorkbenchError(f"There is no format '{min(unknown)}'.", todo=f"Formats: {', '.join(FORMATS)}.")
    folder = Path(folder) if folder else FOLDER / study_id
    files = {"study.json": json.dumps({"study": study_id, "version": frozen.version, "round": frozen.round, "hash": frozen.hash,
                                       "created": frozen.created, "design": frozen.study.model_dump(mode="json")},
                                      ensure_ascii=False, indent=1)}  # fmt: skip
    if "jsonl" in formats:
        files["labels.jsonl"] = exchange.to_jsonl(found)
    if "csv" in formats:
        files["labels.csv"] = exchange.to_csv(found)
    if "label_studio" in formats:
        files["label_studio.xml"] = label_studio.config_xml(frozen.study)
        tasks = label_studio.tasks(frozen.study, found, round)
        files["label_studio.json"] = json.dumps(tasks, ensure_ascii=False, indent=1)
    pairs = exchange.dpo_pairs(frozen.study, found)
    if "dpo" in formats:
        files["dpo.jsonl"] = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    whole = sum(complete(frozen.study, one) for one in found)
    counts = {"items": len(frozen.study.items), "labels": len(found), "complete": whole,
              "annotators": len({one.annotator for one in found}), "pairs": len(pairs)}  # fmt: skip
    if lost := workbench.store.labels.damaged:
        counts["unreadable label records, of this study or others"] = len(lost)
    return _written(folder, files, frozen, counts)


def import_labels(
    workbench: Workbench, study_id: str, path: Path | str, keep_good: bool = False, names: dict[str, str] | None = None,
    replace: bool = False,
) -> Imported:  # fmt: skip
    """Labels from a file of ours or of Label Studio: JSONL, CSV or JSON. Nothing is taken of a file with problems, unless
    the good labels alone are asked for. A label that would take the place of one that says otherwise is a problem, unless
    `replace` is asked for. names: annotator in the file -> annotator of the study."""
    text = _read_text(Path(path))
    return _take(workbench, load(workbench, study_id), text, Path(path).name, keep_good, names or {}, replace)


def import_qags(workbench: Workbench, path: Path | str, study_id: str = "qags") -> Frozen:
    """A file of QAGS as a study with its labels. A second time nothing is added."""
    study, given, wrong = qags.read(_file(Path(path)), study_id)
    if wrong or not given:
        raise ImportProblems(wrong or [Problem(str(path), 1, "The file is empty.")], len(given))
    latest = _latest(workbench, study_id)
    if latest and latest.study != study:
        raise WorkbenchError(f"There is another study '{study_id}'.", todo="Give this one another name.")
    frozen = latest or _record(workbench, study, "main", study_hash(study, "main"), None)
    known = {(one.item, one.annotator) for one in labels(workbench, study_id)}
    fresh = [_stamped(study, one.model_copy(update={"hash": frozen.hash, "origin": Path(path).name}))
             for one in given if (one.item, one.annotator) not in known]  # fmt: skip
    if fresh:
        workbench.store.labels.add([_payload(study, one) for one in fresh])
    return frozen


def push(workbench: Workbench, study_id: str, url: str = "", round: str = "") -> dict[str, Any]:
    """A new project on a Label Studio server, with the round's items and the labels there are: {"project", "url", "tasks"}."""
    from core.annotation import label_studio_server

    frozen = load(workbench, study_id)
    tasks = label_studio.tasks(frozen.study, labels(workbench, study_id, round), round or frozen.round)
    return label_studio_server.call("push", url, title=f"{study_id} {(frozen.hash or 'draft')[:8]}",
                                    config=label_studio.config_xml(frozen.study), tasks=tasks)  # fmt: skip


def pull(
    workbench: Workbench, study_id: str, project: int, url: str = "", keep_good: bool = False,
    names: dict[str, str] | None = None, replace: bool = False,
) -> Imported:  # fmt: skip
    """The annotations of a Label Studio project, as `import_labels` takes them."""
    from core.annotation import label_studio_server

    found = label_studio_server.call("pull", url, project=project)
    text = json.dumps(found["tasks"], indent=1)
    return _take(workbench, load(workbench, study_id), text, f"project {project}", keep_good, names or {}, replace)


# What these stand on -------------------------------------------------------------------------------------------------


def _record(workbench: Workbench, study: Study, round: str, hash: str, before: Frozen | None) -> Frozen:
    """before: the version that this was decided on. Another that came meanwhile is not passed over."""
    with hold(workbench.home / "locks" / "studies", purpose="recording a study", seconds=10):
        versions = _versions(workbench, study.id)
        if versions[-1:] != ([before.id] if before else []):
            raise WorkbenchError(f"The study '{study.id}' was changed just now, by somebody else or in another window.",
                                 todo="Look at it again, then repeat this.")  # fmt: skip
        last = [one.id for one in workbench.store.studies() if one.study == study.id]
        created = datetime.now(UTC).isoformat()
        id = workbench.store.add("study", {"study": study.id, "version": len(versions) + 1, "round": round, "hash": hash,
                                           "design": study.model_dump(mode="json"), "created": created},
                                 after=last[-1] if last else "")  # fmt: skip
    return Frozen(id, study, round, hash, len(versions) + 1, created)


def _go_on(workbench: Workbench, latest: Frozen, changed: dict[str, Any], stay: bool = False) -> Frozen:
    """A new version of the same round; a plan of the main round goes along. stay: those who left now are in it all the same."""
    ahead = planned(workbench, latest.study.id)
    study = _with(latest.study, changed)
    new = _record(workbench, study, latest.round, study_hash(study, latest.round) if latest.hash else "", latest)
    if latest.round == "pilot":
        gone = set() if stay else {one.annotator for one in study.left[len(latest.study.left) :]}
        people = [name for name in (ahead or study).annotators if name not in gone]
        plan(workbench, _with(ahead or study, {**changed, "annotators": people}))
    return new


def _with(study: Study, changed: dict[str, Any]) -> Study:
    return valid(Study, {name: getattr(study, name) for name in Study.model_fields} | changed)


def _left(workbench: Workbench, frozen: Frozen, annotator: str) -> Left:
    """The record of an annotator stopping now."""
    done = _done(workbench, frozen)[annotator]
    kept = tuple(id for id in _assigned(frozen, annotator) if id in done)
    return Left(annotator=annotator, round=frozen.round, kept=kept)


def _leaver(workbench: Workbench, frozen: Frozen, annotator: str) -> Left:
    """The same of one who has something to hand over."""
    here = frozen.study.at_work(frozen.round) if frozen.hash else ()
    if annotator not in here:
        raise WorkbenchError(f"'{annotator}' labels nothing in the round '{frozen.round}' of '{frozen.study.id}'.",
                             todo=f"Who does: {', '.join(here) or 'nobody'}.")  # fmt: skip
    left = _left(workbench, frozen, annotator)
    if len(left.kept) == len(_assigned(frozen, annotator)):
        raise WorkbenchError(f"'{annotator}' has labelled everything, so there is nothing to hand over.")
    return left


def _still_here(workbench: Workbench, frozen: Frozen, annotator: str) -> None:
    """Whoever left labels no more, nor does anybody in a round that is over, also not in a window that was open before."""
    study, round = frozen.study, frozen.round
    last = [one for one in workbench.store.studies() if one.study == study.id and one.round != "plan"][-1:]
    if last and last[0].id > frozen.id and last[0].round != round:
        raise WorkbenchError(f"The {round} round is over, so nothing more is saved in it: {last[0].round} has begun.",
                             todo="Load the page anew.")  # fmt: skip
    if last and last[0].id > frozen.id:
        study = _frozen(workbench, last[0].id).study
    if annotator in study.people(round) and annotator not in study.at_work(round):
        raise WorkbenchError(f"'{annotator}' has left the {round} round, so nothing more is saved under this name.",
                             todo="Ask whoever runs the study.")  # fmt: skip


def _versions(workbench: Workbench, study_id: str) -> list[str]:
    return [one.id for one in workbench.store.studies() if one.study == study_id and one.round != "plan"]


def _latest(workbench: Workbench, study_id: str) -> Frozen | None:
    versions = _versions(workbench, study_id)
    return _frozen(workbench, versions[-1]) if versions else None


def _frozen(workbench: Workbench, id: str) -> Frozen:
    """A version by its record, which never changes, so it is remembered."""

    def read() -> Frozen:
        payload = workbench.store.journal.read(id).payload
        return Frozen(
            id, valid(Study, payload["design"]), *(payload[name] for name in ("round", "hash", "version", "created"))
        )

    return workbench.pipeline.remember("study", id, read)


def _same_pilot(before: Study, after: Study) -> None:
    """What the pilot's labels rest on cannot change any more."""
    same = ("id", "kind", "seed", "left")
    if any(getattr(before, name) != getattr(after, name) for name in same) or (
        before.round_items("pilot")
        != after.round_items("pilot")  # attention items, which belong to both rounds, among them
    ):
        raise WorkbenchError("The pilot round was labelled with other items, kind or seed.", where=f"study '{after.id}'",
                             todo="Keep them, or give the changed study another name.")  # fmt: skip
    if after.rubrics[: len(before.rubrics)] != before.rubrics:
        raise WorkbenchError("The history of the rubric was changed.", todo="Add a new version of the rubric instead.")


def _as_main(study: Study, main: Study) -> Study:
    """Without what may come after the main round was frozen."""
    return study.model_copy(update={"adjudicators": (), "disputed": (), "left": study.left[: len(main.left)]})


def _assigned(frozen: Frozen, annotator: str) -> tuple[str, ...]:
    mine = assignment(frozen.study, frozen.round).get(annotator)
    if mine is None:
        raise WorkbenchError(f"'{annotator}' is no annotator of the {frozen.round} round of '{frozen.study.id}'.")
    return mine


def _done(workbench: Workbench, frozen: Frozen) -> dict[str, set[str]]:
    done: dict[str, set[str]] = defaultdict(set)
    for (round, item, name), one in workbench.store.labels.current(frozen.study.id).items():
        if round == frozen.round and one["complete"]:
            done[name].add(item)
    return done


def _one(workbench: Workbench, frozen: Frozen, annotator: str, item: str, round: str = "") -> Label | None:
    payload = workbench.store.labels.one(frozen.study.id, round or frozen.round, item, annotator)
    return _as_label(payload) if payload else None


def _before(workbench: Workbench, label: Label) -> Label | None:
    """The state before this one; an undo stands for the state that it brought back."""
    store = workbench.store.labels
    if label.withdrawn and not label.restores:
        return None
    here = _as_label(store.get(label.restores)) if label.restores else label
    if not here.replaces:
        return None
    before = _as_label(store.get(here.replaces))
    if before.restores:
        return _as_label(store.get(before.restores))
    return None if before.withdrawn else before


def _as_label(payload: dict[str, Any]) -> Label:
    return Label.model_validate({key: value for key, value in payload.items() if key != "complete"})


def _payload(study: Study, label: Label) -> dict[str, Any]:
    return {**label.model_dump(mode="json", exclude={"id"}), "complete": complete(study, label)}


def _stamped(study: Study, label: Label) -> Label:
    return label if label.created else label.model_copy(update={"created": datetime.now(UTC).isoformat()})


def _saved(workbench: Workbench, study: Study, label: Label) -> Label:
    label = Label.model_validate(
        {**label.model_dump(), "created": datetime.now(UTC).isoformat(), "id": "", "origin": ""}
    )
    id = workbench.store.add_label(_payload(study, label))
    return label.model_copy(update={"id": id})


def _tokens(workbench: Workbench) -> Path:
    return workbench.home / "annotation" / "tokens.json"


def _kept_tokens(path: Path) -> dict[str, dict[str, str]]:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise WorkbenchError(
            "The tokens cannot be read.", where=str(path), todo="Remove the file and issue new ones."
        ) from None


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()  # 128 random bits: nothing to guess from a hash


def _written(folder: Path, files: dict[str, str], frozen: Frozen, counts: dict[str, int]) -> Manifest:
    files = {name: clean(text) for name, text in files.items()}
    listed = tuple({"name": name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text.encode())}
                   for name, text in files.items())  # fmt: skip
    manifest = Manifest(str(folder), frozen.study.id, frozen.hash, datetime.now(UTC).isoformat(), counts, listed)
    told = {key: value for key, value in manifest._asdict().items() if key != "folder"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, sha256 in _listed(folder).items():  # what an earlier export wrote here and nobody has touched since
            stale = folder / name
            ours = name in (*LABEL_FILES, "label_studio.xml", "dpo.jsonl")
            if (
                ours
                and name not in files
                and stale.is_file()
                and hashlib.sha256(stale.read_bytes()).hexdigest() == sha256
            ):
                stale.unlink()
        for name, text in {**files, "manifest.json": json.dumps(told, indent=1)}.items():
            fresh = folder / f".{name}.{os.getpid()}.tmp"
            fresh.write_bytes(text.encode())
            fresh.replace(folder / name)
    except OSError as error:
        for stray in folder.glob(f".*.{os.getpid()}.tmp"):
            stray.unlink(missing_ok=True)
        raise WorkbenchError(f"The labels could not be written: {error.strerror}.", where=str(folder),
                             todo="Choose another folder.") from error  # fmt: skip
    return manifest


def _file(path: Path) -> Path:
    if not path.is_file():
        raise WorkbenchError("There is no such file.", where=str(path))
    return path


def _read_text(path: Path) -> str:
    try:
        return _file(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise WorkbenchError("The file is not UTF-8.", where=f"{path}:{line}", todo="Save it as UTF-8.") from None
    except OSError as error:
        raise WorkbenchError(f"The file cannot be read: {error.strerror}.", where=str(path)) from None


def _parsed(study: Study, text: str, file: str, round: str) -> exchange.Parsed:
    """Read as what it looks like: a JSON list, JSON lines, or CSV."""
    first = text.lstrip()[:1]
    read = label_studio.from_tasks if first == "[" else exchange.from_jsonl if first == "{" else exchange.from_csv
    return read(text, file, study, round)


def _take(
    workbench: Workbench, frozen: Frozen, text: str, file: str, keep_good: bool, names: dict[str, str], replace: bool
) -> Imported:
    round = frozen.round if frozen.round in ROUNDS else "main"
    parsed = _parsed(frozen.study, text, file, round)
    good, wrong = _sound(workbench, frozen, parsed, file, names)
    if not good and not wrong:
        wrong = [Problem(file, 1, "The file holds no labels.")]
    found = _fresh(workbench, frozen, good, file, replace)
    if not replace:
        wrong += [Problem(file, line, f"'{one.annotator}' said otherwise of item {one.item} here: this would replace it.",
                          "Choose to replace labels (--replace), or leave it out.") for line, one in found.replacing]  # fmt: skip
    taken = [*found.new, *found.completing, *(found.replacing if replace else ())]
    if wrong and not keep_good:
        raise ImportProblems(sorted(wrong, key=lambda one: one.line), len(taken) + found.known)
    if taken:
        fresh = [_stamped(frozen.study, one) for _, one in taken]
        workbench.store.labels.add([_payload(frozen.study, one) for one in fresh], [one.id for one in fresh])
    wrong = tuple(sorted(wrong, key=lambda one: one.line))
    return Imported(
        len(taken), found.known, wrong, len(found.replacing) if replace else 0, len(found.completing), found.changed
    )


def _sound(
    workbench: Workbench, frozen: Frozen, parsed: exchange.Parsed, file: str, names: dict[str, str]
) -> tuple[list[tuple[int, Label]], list[Problem]]:
    """The labels that fit the study, each of one annotator and item once, with their lines."""
    good, wrong, seen, ids = [], list(parsed.problems), {}, {}
    for line, one in parsed.labels:
        one = _filled(frozen.study, one)
        one = one.model_copy(update={"annotator": names.get(one.annotator, one.annotator)})
        key, id = (one.round, one.item, one.annotator), one.id
        what, todo = _misfit(workbench, frozen, one)
        if not what and id and id in ids:
            what, todo = (
                f"The id '{id}' stands in line {ids[id]} already.",
                "Give each label an id of its own, or none.",
            )
        elif not what and key in seen and not (id and seen[key][0]):
            what = f"'{one.annotator}' labels item {one.item} a second time, first in line {seen[key][1]}."
            todo = "Keep one of the two."
        if what:
            wrong.append(Problem(file, line, what, todo))
        else:
            seen[key], ids[id] = (id, line), line
            good.append((line, one))
    return sorted(good, key=lambda pair: pair[1].id), wrong


def _filled(study: Study, one: Label) -> Label:
    """With a place for every answer, also where the file leaves a part out."""
    if not study.has(one.item) or (one.sentences and one.helpful):
        return one
    empty = blank(study, one.round, study.item(one.item), one.annotator)
    return one.model_copy(
        update={"sentences": one.sentences or empty.sentences, "helpful": one.helpful or empty.helpful}
    )


def _misfit(workbench: Workbench, frozen: Frozen, one: Label) -> tuple[str, str]:
    """What keeps a label out of the study, and what to do; "" if nothing does."""
    study, found = frozen.study, problems(frozen.study, one)
    if one.study != study.id:
        found = [f"it is a label of the study '{one.study}', not of '{study.id}'"]
    if one.rubric not in [rubric.version for rubric in study.rubrics]:
        found.append(f"there is no version {one.rubric} of the rubric")
    try:
        datetime.fromisoformat(one.created or "2000-01-01")
    except ValueError:
        found.append(f"'{one.created[:40]}' is no time (ISO 8601)")
    if found:
        return f"This label does not fit the study: {'; '.join(found)}.", "Mend or remove it."
    if one.annotator not in study.people(one.round):
        return (
            f"'{one.annotator}' is no annotator of the {one.round} round.",
            f"Say who of the study that is: --as '{one.annotator}=NAME'.",
        )
    if not one.id and _same(one, blank(study, one.round, study.item(one.item), one.annotator)):
        return f"This says nothing of item {one.item}.", "Give a label, or remove it."
    planned = (one.item in assignment(study, one.round)[one.annotator]
               or any((gone.round, gone.annotator) == (one.round, one.annotator) for gone in study.left)
               or (one.hash and one.hash in [version.hash for version in history(workbench, study.id)]))  # fmt: skip
    return ("", "") if planned else (
        f"Item {one.item} is not assigned to '{one.annotator}' in the {one.round} round.",
        "Remove it: labels from outside the design would count in the analysis.")  # fmt: skip


class _Found(NamedTuple):
    """What an import would do, each label with its line."""

    known: int
    changed: int
    new: list[tuple[int, Label]]
    completing: list[tuple[int, Label]]
    replacing: list[tuple[int, Label]]


def _fresh(
    workbench: Workbench, frozen: Frozen, good: list[tuple[int, Label]], file: str, revive: bool
) -> _Found:  # fmt: skip
    """What is not in the store yet. A label without an id of ours speaks only of what it answers: the rest stays as it is.
    What was taken from a file before is known, also if the annotator has changed it here since. revive: what was taken back
    here comes again."""
    store, found, taken = workbench.store.labels, _Found(0, 0, [], [], []), None
    here, known, changed = store.known(one.id for _, one in good if one.id), 0, 0
    own: dict[tuple[str, str, str], tuple[Label, list]] = {}  # what the file itself said before
    for line, given in good:
        key = given.round, given.item, given.annotator
        one, part = given, not given.id and not given.replaces and not given.withdrawn
        before, group = own.get(key) or (_one(workbench, frozen, given.annotator, given.item, given.round), None)
        if before and taken is None:
            taken = _taken(workbench, frozen.study.id)
        stands = before if before and not before.withdrawn else None
        last = [stands, *(taken.get((*key, origin)) for origin in (file, ""))] if before else []
        if one.id in here:
            stored = _as_label(store.get(one.id))
            last.append(stored if (stored.round, stored.item, stored.annotator) == key else None)
            one = one.model_copy(update={"id": ""})  # it stays, or was edited since it was exported
        same = [old for old in last if old and _same(old, _laid(old, one) if part else one)]
        if same and (stands or not revive):
            known += 1
            changed += same[0] is not stands
            continue
        new = _laid(stands, one) if part and stands else one
        kept = one.id if not before or "" < before.id < one.id else ""
        new = new.model_copy(update={"id": kept, "origin": (one.origin if kept else "") or file,
                                     "replaces": before.id or before.replaces if before else one.replaces})  # fmt: skip
        if group is None:
            group = found.new if not stands else found.completing if _kept(stands, new) else found.replacing
        group.append((line, new))
        own[key] = new, group
    return found._replace(known=known, changed=changed)


def _same(one: Label, other: Label) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in CONTENT)


def _taken(workbench: Workbench, study_id: str) -> dict[tuple[str, str, str, str], Label]:
    """(round, item, annotator, origin) -> the label that was last imported there; origin "": of any."""
    found = {}
    for payload in workbench.store.labels.all(study_id):
        if payload.get("origin"):
            label = _as_label(payload)
            for origin in ("", label.origin):
                found[label.round, label.item, label.annotator, origin] = label
    return found


def _laid(under: Label, one: Label) -> Label:
    """What one says, and where it is silent, what the other said."""
    said = any(name is not None for name in (*sum(one.sentences, ()), *one.helpful, one.preference))
    under = _shaped(under, one)
    return one.model_copy(update={
        "sentences": tuple(tuple(new or old for new, old in zip(*pair, strict=True))
                           for pair in zip(one.sentences, under.sentences, strict=True)),
        "helpful": tuple(new or old for new, old in zip(one.helpful, under.helpful, strict=True)),
        "spans": one.spans or under.spans, "preference": one.preference or under.preference,
        "comment": one.comment or under.comment, "cannot_judge": one.cannot_judge or (under.cannot_judge and not said),
    })  # fmt: skip


def _kept(before: Label, new: Label) -> bool:
    """Is all that was said before still said?"""
    before = _shaped(before, new)
    pairs = [*zip(sum(before.sentences, ()), sum(new.sentences, ()), strict=True),
             *zip(before.helpful, new.helpful, strict=True),
             (before.preference, new.preference), (before.comment or None, new.comment)]  # fmt: skip
    same = all(old in (None, now) for old, now in pairs) and set(before.spans) <= set(new.spans)
    return same and not new.withdrawn and before.cannot_judge == new.cannot_judge


def _shaped(one: Label, like: Label) -> Label:
    """With a place for every answer."""
    return one.model_copy(update={"sentences": one.sentences or tuple((None,) * len(names) for names in like.sentences),
                                  "helpful": one.helpful or (None,) * len(like.helpful)})  # fmt: skip


# Any file, for agreement ---------------------------------------------------------------------------------------------


def read_file(path: Path | str) -> tuple[Study, list[Label]] | Table:
    """The study and its labels: of our exports and Label Studio's (a folder, or a file; best beside its study.json), or of
    QAGS. Of another file of item, annotator and value the table that it is."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if (folder / "study.json").is_file():
        return _exported(folder, path if path.is_file() and path.name != "study.json" else None)
    text = _read_text(path)
    if '"summary_sentences"' in text[:1_000_000]:
        study, found, wrong = qags.read(path)
        if wrong:
            raise ImportProblems(wrong)
        return study, found
    if ours := alone.of_study(text, path.name):
        return ours[0], _standing(ours[1], path.name)
    made, wrong = alone.plain_table(text, path.name)
    if wrong:
        raise ImportProblems(wrong)
    return made


def read_table(path: Path | str, part: str = "sentences", round: str = "") -> Table:
    """Labels of any of these files as statistics take them; adjudicators, who saw what people differed in, only if asked for."""
    found = read_file(path)
    if isinstance(found, Table):
        return found
    return table(
        found[0], (one for one in found[1] if (one.round == round if round else one.round != "adjudication")), part
    )


def _exported(folder: Path, file: Path | None) -> tuple[Study, list[Label]]:
    """file None: what the folder's manifest lists."""
    try:
        given = json.loads(_read_text(folder / "study.json"))
        design, round, hash = given["design"], given["round"], given.get("hash")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WorkbenchError("This is no study.json of ours.", where=str(folder / "study.json"),
                             todo="Put back the one of the export, or move the labels to another folder.") from None  # fmt: skip
    study, written = valid(Study, design), _listed(folder)
    if hash and design_hash(design, round) != hash:
        raise WorkbenchError("The plan in study.json is not what was frozen: its hash does not fit.",
                             where=str(folder / "study.json"), todo="Export the study again.")  # fmt: skip
    if file is None:
        there = [name for name in LABEL_FILES if (folder / name).is_file() and (not written or name in written)]
        if not there:
            raise WorkbenchError("There are no labels in this folder.", where=str(folder), todo="Export them again.")
        file = folder / there[0]
    text = _read_text(file)
    if written.get(file.name, _sha256(text)) != _sha256(text):
        raise WorkbenchError(f"{file.name} is not what was exported: its checksum differs from the one in manifest.json.",
                             where=str(file), todo="Export it again; or take manifest.json away to read it as it is.")  # fmt: skip
    return study, _standing(_parsed(study, text, file.name, round if round in ROUNDS else "main"), file.name)


def _listed(folder: Path) -> dict[str, str]:
    """File -> SHA-256, by the folder's manifest; nothing where there is none."""
    try:
        return {one["name"]: one["sha256"] for one in json.loads(_read_text(folder / "manifest.json"))["files"]}
    except (WorkbenchError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _standing(parsed: exchange.Parsed, file: str) -> list[Label]:
    """The labels of a file as they stand; a second one of the same annotator and item has to have an id, as our own have."""
    wrong, first = list(parsed.problems), {}
    for line, one in parsed.labels:
        before = first.setdefault((one.round, one.item, one.annotator), (line, one.id))
        if before[0] != line and not (one.id and before[1]):
            wrong.append(Problem(file, line, f"'{one.annotator}' labels item {one.item} a second time, first in line {before[0]}.",
                                 "Keep one of the two."))  # fmt: skip
    if not parsed.labels and not wrong:
        wrong.append(Problem(file, 1, "The file holds no labels."))
    if wrong:
        raise ImportProblems(sorted(wrong, key=lambda one: one.line))
    return standing(one for _, one in parsed.labels)
