"""The verbs of human evaluation: studies frozen before they are labelled, and labels kept for ever."""

import hashlib
import hmac
import json
import os
import re
import secrets
import statistics
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.annotation.drawing import Candidate, clean, draw, draw_pairs, with_attention, with_duplicates
from core.annotation.labels import CONTENT, Label, blank, disputed, from_record, problems, to_record
from core.annotation.study import (
    HandOver,
    Item,
    Left,
    Passage,
    Rubric,
    Study,
    altered,
    assignment,
    default_rubric,
    design_hash,
    handed_over,
    shown,
    study_hash,
)
from core.config import TrialConfig, build, difference, fingerprint, valid
from core.errors import WorkbenchError
from core.labs.trials.comparison import FUSIONS
from core.records import Progress
from core.store.journal import remedy
from core.store.lock import hold
from core.workbench import Workbench


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


# Studies -------------------------------------------------------------------------------------------------------------


def studies(workbench: Workbench) -> list[Frozen]:
    """The latest version of each study, newest first."""
    latest, found = {one.study: one.id for one in workbench.store.studies() if one.round != "plan"}, []
    for id in sorted(latest.values(), reverse=True):
        try:
            found.append(_frozen(workbench, id))
        except WorkbenchError as error:  # the others are there
            workbench.store.note(f"A study was left out: {error}")
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
        raise WorkbenchError(
            f"The study '{study.id}' is frozen for its {latest.round} round.", todo="Give the changed study another name."
        )
    return latest if latest and latest.study == study else _record(workbench, study, "draft", "", latest)


def freeze(workbench: Workbench, study: Study, round: str) -> Frozen:
    """Records the study with its hash; from then on the round can be labelled. pilot, then main; or main at once."""
    latest = _latest(workbench, study.id)
    before = latest.round if latest else "draft"
    if round not in ("pilot", "main") or before in ("main", "adjudication") or (before, round) == ("pilot", "pilot"):
        raise WorkbenchError(
            f"The study '{study.id}' cannot be frozen for round '{round}' after '{before}'.",
            todo="Give the changed study another name.",
        )
    if not study.round_items(round):
        raise WorkbenchError(f"There are no items for the {round} round.", where=f"study '{study.id}'", todo="Draw items.")
    if study.ask == ("sentences",) and (
        bare := next((one.id for one in study.round_items(round) if not any(each.sentences for each in one.responses)), "")
    ):
        raise WorkbenchError(
            f"Item {bare} has no sentence to label.",
            where=f"study '{study.id}'",
            todo="Leave it out, or ask how helpful the answers are.",
        )
    missing = [name for name in ("question", "measure") if not getattr(study, name).strip()]
    if missing:
        raise WorkbenchError(f"The study has no {' and no '.join(missing)}.", todo="Say it before the first label is seen.")
    if before == "pilot":
        _same_pilot(latest.study, study)
    assignment(study, round)
    return _record(workbench, study, round, study_hash(study, round), latest)


def revise(workbench: Workbench, study_id: str, rubric: Rubric) -> Frozen:
    """A new version of the rubric while the pilot runs; the earlier ones stay in the study."""
    latest = load(workbench, study_id)
    if latest.round not in ("draft", "pilot"):
        raise WorkbenchError(
            f"The rubric of '{study_id}' is frozen: the {latest.round} round has begun.",
            todo="Give the changed study another name.",
        )
    if not rubric.changed.strip():
        raise WorkbenchError("A new version of the rubric says what was changed.", todo="Write it under `changed`.")
    new = rubric.model_copy(update={"version": latest.study.rubric.version + 1})
    return _go_on(workbench, latest, {"rubrics": (*latest.study.rubrics, new)})


def plan(workbench: Workbench, study: Study) -> None:
    """Keeps changes for the main round that are made while the pilot is in use. Freezing the main round puts them in force;
    until then no label is given under them."""
    latest = load(workbench, study.id)
    if latest.round != "pilot":
        raise WorkbenchError(f"The study '{study.id}' is in round '{latest.round}': plans are made between pilot and main round.")
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
    study = altered(latest.study, {"adjudicators": tuple(adjudicators), "disputed": tuple(found)})
    return _record(workbench, study, "adjudication", study_hash(study, "adjudication"), latest)


def check(workbench: Workbench, study_id: str) -> Check:
    """Looks into every version and label of a study: are they what was frozen?"""
    last, versions, found = load(workbench, study_id), history(workbench, study_id), []
    for one in versions:
        if one.hash and design_hash(workbench.store.journal.read(one.id).payload["design"], one.round) != one.hash:
            found.append(f"Version {one.version} is not what its hash says.")
    main = next((one for one in versions if one.round == "main"), None)
    if main and _as_main(last.study, main.study) != _as_main(main.study, main.study):
        found.append("The study was changed after its main round was frozen.")
    hashes = {one.hash: one for one in versions if one.hash}
    given = [from_record(payload) for payload in workbench.store.labels.all(study_id)]
    if lost := workbench.store.labels.damaged:
        found.append(
            f"{len(lost):,} label records cannot be read, of this study or others, the first of them {min(lost)}: "
            f"{lost[min(lost)]}."
        )
    for where, what in {**workbench.store.labels.gaps, **workbench.store.labels.cut()}.items():
        found.append(f"{where}: {what}.")
    for what, ids in _label_findings(last.study, given, hashes, _leaving(versions)).items():
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
            notes.append(f"The {one.round} round was closed on {when}; labels missing: {sum(each.short for each in found):,}.")
        elif found:
            others = ", ".join(f"{number:,} to {name}" for name, number in found[0].given.items())
            went = "; ".join(filter(None, [others, f"{found[0].short:,} to nobody" if found[0].short else ""]))
            notes.append(
                f"{found[0].annotator} left the {one.round} round on {when} with {found[0].kept:,} items labelled. "
                f"The open items went: {went or 'there were none'}."
            )
    return tuple(notes)


def _label_findings(
    study: Study, given: Iterable[Label], hashes: dict[str, Frozen], leaving: dict[tuple[str, str], str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for label in given:
        frozen = hashes.get(label.hash)
        if frozen is None and not label.origin:
            found["were given under a study that was never frozen"].append(label.id)
        elif frozen is not None and frozen.round != label.round:
            found["were given in another round than their study was frozen for"].append(label.id)
        elif frozen is not None and label.created and label.created < frozen.created:
            found["are older than the study they were given under"].append(label.id)
        elif not label.origin and label.created > leaving.get((label.round, label.annotator), "~"):
            found["were given by somebody who had left the round"].append(label.id)
        elif not label.withdrawn and problems(frozen.study if frozen else study, label):
            found["do not fit the items or the rubric"].append(label.id)
    return found


def candidates(workbench: Workbench, dataset: str = "") -> list[Candidate]:
    """Stored answers that have words, the latest of each system and question. A system is a model with its recipe, without
    what decides no word of an answer: the seed, which questions are asked, how trials are evaluated, how fast it runs. Of
    systems that would be called alike the later ones have longer names, so none changes its name as others come."""
    rows = workbench.store.query(
        f"""SELECT id, dataset, question, text, model, hits, config FROM answers
            WHERE {LACKS} = '' ORDER BY id"""
    )
    gold = {
        (row["dataset"], row["text"]): row["answers"]
        for row in workbench.store.query(
            """SELECT s.dataset, q.text, q.answers FROM questions q JOIN question_sets s USING (fingerprint)
           WHERE len(q.answers) > 0"""
        )
    }
    found: dict[tuple, Candidate] = {}
    names: dict[tuple[str, str], str] = {}  # file of the model and recipe -> system
    for row in rows:
        config, file = json.loads(row["config"] or "{}"), Path(row["model"] or "no model").name
        recipe = _recipe(config)
        if (file, recipe) not in names:
            ways = _named(file, recipe, config)
            names[file, recipe] = next(name for name in ways if name not in names.values())
        if dataset not in ("", row["dataset"]):
            continue
        passages = tuple(
            Passage(
                document_id=hit["document_id"],
                title=clean(hit.get("title") or ""),
                start=hit["start"],
                end=hit["end"],
                text=clean(hit["text"]),
            )
            for hit in json.loads(row["hits"] or "[]")
        )
        one = Candidate(
            row["id"],
            names[file, recipe],
            row["dataset"] or "",
            clean(row["question"]),
            clean(row["text"]),
            passages,
            tuple(clean(text) for text in gold.get((row["dataset"], row["question"]), ())),
            recipe,
        )
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


# how a file keeps its weights, at the end of its name: ".Q4_1.gguf", "-Q4_K_M.gguf", ".Q4_1-as-bf16.gguf"
KEPT_AS = re.compile(r"([-._](i?q\d\w*|b?f16|f32))?(-as-\w+)?(\.gguf)?$", re.IGNORECASE)
SETTINGS, LETTERS = 3, 24  # so many settings are in a system's name, and so many letters of each


def _named(file: str, recipe: str, config: dict[str, Any]) -> Iterator[str]:
    """What to call a system, the shortest first: the model, and what its recipe changes of the defaults."""
    said, whole = _settings(config)
    yield from (", ".join([model, *said, *([] if whole else [recipe])]) for model in (KEPT_AS.sub("", file), file))
    yield ", ".join([file, *said, recipe])


def _settings(config: dict[str, Any]) -> tuple[list[str], bool]:
    """What a recipe changes of the defaults, in words, and whether that is all of it."""
    try:
        changed = difference(build(config))
    except WorkbenchError:  # of an older version
        return [], False
    silent, first = {"part", "model", *WRITES_NOTHING}, {"generation": 0, "context": 1}
    words = []
    for name in sorted(changed, key=lambda name: first.get(name.partition(".")[0], 2)):
        stage, _, what = name.partition(".")
        if stage not in ("seed", "corpus", "evaluation") and not (stage == "generation" and what in silent):
            words.append(_setting(stage, what.replace("_", " "), changed[name]))
    shown = [text[:LETTERS] for text in words[:SETTINGS]]
    return shown, shown == words


def recipe_words(config: TrialConfig) -> str:
    """What a recipe changes of the defaults, as its answers' system is called."""
    return ", ".join(_settings(config.model_dump(mode="json"))[0]) or "default settings"


def _setting(stage: str, what: str, value: Any) -> str:
    """As in "temperature 0.7", "2 passages", "BM25": in the words of the forms, a fusion by its preset's name."""
    if (stage, what) == ("fusion", "part"):
        return FUSIONS.get(value, str(value).replace("_", " "))
    if what == "passages":
        return f"{value} {what if value != 1 else 'passage'}"
    if isinstance(value, bool | float):
        value = {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value:g}"
    elif what == "part":
        value = str(value).replace("_", " ")
    return f"{what if stage == 'generation' else stage if what == 'part' else f'{stage} {what}'} {value}"


class Asked(NamedTuple):
    """What came of questions that were asked. asked: of each recipe and question one."""

    asked: int
    judged: int  # gave an answer that can be judged
    why: dict[str, int]  # failed, abstained (no passage was similar enough) or empty -> how many of the others


def asked(workbench: Workbench, found: Iterable[Candidate], recipe: str = "", questions: Iterable[str] = ()) -> Asked:
    """How many questions gave one of the answers `found`, and why the others did not; of a recipe and questions, or all."""
    wanted = {clean(text) for text in questions}
    rows = workbench.store.query(f"""SELECT dataset, question, config, {LACKS} AS lack FROM answers
                                     WHERE {LACKS} <> '' ORDER BY id""")
    good = {(one.recipe, one.dataset, one.question) for one in found}
    bad = {
        (_recipe(json.loads(row["config"] or "{}")), row["dataset"] or "", clean(row["question"])): row["lack"] for row in rows
    }

    def counts(key: tuple[str, str, str]) -> bool:
        return recipe in ("", key[0]) and (not wanted or key[2] in wanted)

    judged = sum(map(counts, good))
    why = Counter(lack for key, lack in bad.items() if key not in good and counts(key))
    return Asked(judged + sum(why.values()), judged, dict(why.most_common()))


def systems(found: Iterable[Candidate]) -> dict[str, int]:
    """System -> how many answers."""
    return dict(Counter(one.system for one in found).most_common())


def short_names(systems: Iterable[str]) -> dict[str, str]:
    """System -> what tells it from the others: of one model its settings alone."""
    names = list(dict.fromkeys(systems))
    models = {name.partition(", ")[0] for name in names}
    return {name: name.partition(", ")[2] or "default settings" if len(models) == 1 < len(names) else name for name in names}


def design(workbench: Workbench, mapping: dict[str, Any]) -> Study:
    """A study from plain settings: those of `Study`, with `draw` in place of the items.

    draw: count, pilot, by (question, system, dataset, none), allocation, dataset, systems (two for pairs), duplicates,
    attention (true: items with known answers among those of each round, made of the corpus).
    Without rubrics it has the one in use.
    """
    settings = {"rubrics": [default_rubric().model_dump(mode="json")], **mapping}
    how = settings.pop("draw", None)
    seed, kind = settings.get("seed", 0), settings.get("kind", "rating")
    if how is not None:
        how, found = dict(how), candidates(workbench, how.get("dataset", ""))
        try:
            items = _drawn(found, kind, seed, how, _names(settings["rubrics"]))
        except TypeError as error:
            raise WorkbenchError(
                f"The items cannot be drawn: {error}.", where="draw", todo=design.__doc__.split("\n\n")[1].strip()
            ) from None
        settings["items"] = [item.model_dump(mode="json") for item in items]
    return valid(Study, settings)


def _names(rubrics: Any) -> tuple[str, ...]:
    """The labels of the rubric in use; whether it is a rubric at all is looked at later."""
    with suppress(TypeError, KeyError, IndexError, AttributeError):
        return tuple(one["name"] for one in rubrics[-1]["labels"])
    return ()


def _drawn(found: list[Candidate], kind: str, seed: int, how: dict[str, Any], labels: Sequence[str]) -> tuple[Item, ...]:
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
    return with_attention(items, seed, candidates=found, labels=labels) if attention else items


def answer_questions(workbench: Workbench, config: TrialConfig, count: int) -> Generator[Progress, None, Asked]:
    """Has the first `count` questions of the corpus answered by the recipe and stores the answers; those stored already
    are not asked again. Returns what came of these questions."""
    corpus = yield from workbench.pipeline.corpus(config)
    recipe = _recipe(config.model_dump(mode="json"))
    rows = workbench.store.query("SELECT question, config FROM answers WHERE text IS NOT NULL AND dataset = ?", [corpus.name])
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
        return _saved(
            workbench,
            frozen.study,
            given.model_copy(
                update={
                    "study": frozen.study.id,
                    "round": frozen.round,
                    "hash": frozen.hash,
                    "rubric": frozen.study.rubric.version,
                    "sentences": given.sentences or empty.sentences,
                    "helpful": given.helpful or empty.helpful,
                    "shown": seen.hash,
                    "order": seen.order,
                    "replaces": before.id if before else "",
                    "restores": "",
                }
            ),
        )


def undo(workbench: Workbench, frozen: Frozen, item: str, annotator: str) -> Label:
    """Brings back the state before the latest label, as a new record. Nothing before it: the item is blank again."""
    _still_here(workbench, frozen, annotator)
    with workbench.store.labels.lock:
        latest = _one(workbench, frozen, annotator, item)
        if latest is None or (latest.withdrawn and not _before(workbench, latest)):
            raise WorkbenchError("There is nothing to undo here.")
        before = _before(workbench, latest)
        state = before or blank(frozen.study, frozen.round, frozen.study.item(item), annotator)
        return _saved(
            workbench,
            frozen.study,
            latest.model_copy(
                update={
                    **{name: getattr(state, name) for name in CONTENT},
                    "withdrawn": before is None or before.withdrawn,
                    "replaces": latest.id,
                    "restores": before.id if before else "",
                    "seconds": state.seconds,
                }
            ),
        )


def current(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    """The label as it stands."""
    found = _one(workbench, frozen, annotator, item)
    return None if found is None or found.withdrawn else found


def labels(workbench: Workbench, study_id: str, round: str = "") -> list[Label]:
    """The labels as they stand, whole and begun ones; of one round, or of all."""
    found = workbench.store.labels.current(study_id)
    return [
        from_record(payload) for (place, _, _), payload in found.items() if round in ("", place) and not payload.get("withdrawn")
    ]


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
    if latest and not latest["complete"] and not latest.get("withdrawn") and latest["item"] in _assigned(frozen, annotator):
        return latest["item"]
    return next_unlabelled(workbench, frozen, annotator, latest["item"] if latest else "")


def progress(workbench: Workbench, frozen: Frozen) -> list[AnnotatorProgress]:
    """How far each annotator is in the round."""
    found = [
        one
        for (round, _, _), one in workbench.store.labels.current(frozen.study.id).items()
        if round == frozen.round and not one.get("withdrawn")
    ]
    rows = []
    for name, mine in assignment(frozen.study, frozen.round).items():
        its = set(mine)
        own = [one for one in found if one["annotator"] == name and one["item"] in its]
        seconds = [one["seconds"] for one in own if one["complete"] and one.get("seconds") is not None]
        whole = sum(one["complete"] for one in own)
        rows.append(
            AnnotatorProgress(
                name,
                whole,
                len(mine),
                len(own) - whole,
                statistics.median(seconds) if seconds else None,
                max((one["created"] for one in own), default=""),
            )
        )
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


# What these stand on -------------------------------------------------------------------------------------------------


def _record(workbench: Workbench, study: Study, round: str, hash: str, before: Frozen | None) -> Frozen:
    """before: the version that this was decided on. Another that came meanwhile is not passed over."""
    with hold(workbench.home / "locks" / "studies", purpose="recording a study", seconds=10):
        versions = _versions(workbench, study.id)
        if versions[-1:] != ([before.id] if before else []):
            raise WorkbenchError(
                f"The study '{study.id}' was changed just now, by somebody else or in another window.",
                todo="Look at it again, then repeat this.",
            )
        last = [one.id for one in workbench.store.studies() if one.study == study.id]
        created = datetime.now(UTC).isoformat()
        id = workbench.store.add(
            "study",
            {
                "study": study.id,
                "version": len(versions) + 1,
                "round": round,
                "hash": hash,
                "design": study.model_dump(mode="json"),
                "created": created,
            },
            after=last[-1] if last else "",
        )
    return Frozen(id, study, round, hash, len(versions) + 1, created)


def _go_on(workbench: Workbench, latest: Frozen, changed: dict[str, Any], stay: bool = False) -> Frozen:
    """A new version of the same round; a plan of the main round goes along. stay: those who left now are in it all the same."""
    ahead = planned(workbench, latest.study.id)
    study = altered(latest.study, changed)
    new = _record(workbench, study, latest.round, study_hash(study, latest.round) if latest.hash else "", latest)
    if latest.round == "pilot":
        gone = set() if stay else {one.annotator for one in study.left[len(latest.study.left) :]}
        people = [name for name in (ahead or study).annotators if name not in gone]
        plan(workbench, altered(ahead or study, {**changed, "annotators": people}))
    return new


def _left(workbench: Workbench, frozen: Frozen, annotator: str) -> Left:
    """The record of an annotator stopping now."""
    given = workbench.store.labels.current(frozen.study.id)
    kept = tuple(id for id in _assigned(frozen, annotator) if given.get((frozen.round, id, annotator), {}).get("complete"))
    return Left(annotator=annotator, round=frozen.round, kept=kept)


def _leaver(workbench: Workbench, frozen: Frozen, annotator: str) -> Left:
    """The same of one who has something to hand over."""
    here = frozen.study.at_work(frozen.round) if frozen.hash else ()
    if annotator not in here:
        raise WorkbenchError(
            f"'{annotator}' labels nothing in the round '{frozen.round}' of '{frozen.study.id}'.",
            todo=f"Who does: {', '.join(here) or 'nobody'}.",
        )
    left = _left(workbench, frozen, annotator)
    if len(left.kept) == len(_assigned(frozen, annotator)):
        raise WorkbenchError(f"'{annotator}' has labelled everything, so there is nothing to hand over.")
    return left


def _still_here(workbench: Workbench, frozen: Frozen, annotator: str) -> None:
    """Whoever left labels no more, nor does anybody in a round that is over, also not in a window that was open before."""
    study, round = frozen.study, frozen.round
    last = [one for one in workbench.store.studies() if one.study == study.id and one.round != "plan"][-1:]
    if last and last[0].id > frozen.id and last[0].round != round:
        raise WorkbenchError(
            f"The {round} round is over, so nothing more is saved in it: {last[0].round} has begun.", todo="Load the page anew."
        )
    if last and last[0].id > frozen.id:
        study = _frozen(workbench, last[0].id).study
    if annotator in study.people(round) and annotator not in study.at_work(round):
        raise WorkbenchError(
            f"'{annotator}' has left the {round} round, so nothing more is saved under this name.",
            todo="Ask whoever runs the study.",
        )


def _versions(workbench: Workbench, study_id: str) -> list[str]:
    return [one.id for one in workbench.store.studies() if one.study == study_id and one.round != "plan"]


def _latest(workbench: Workbench, study_id: str) -> Frozen | None:
    versions = _versions(workbench, study_id)
    return _frozen(workbench, versions[-1]) if versions else None


def _frozen(workbench: Workbench, id: str) -> Frozen:
    """A version by its record, which never changes, so it is remembered."""

    def read() -> Frozen:
        payload = workbench.store.journal.read(id).payload
        try:
            return Frozen(
                id, valid(Study, payload["design"]), *(payload[name] for name in ("round", "hash", "version", "created"))
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise WorkbenchError(
                f"Record {id} is no study: {type(error).__name__}: {error}.", todo="Copy the file back from a backup."
            ) from None

    return workbench.pipeline.remember("study", id, read)


def _same_pilot(before: Study, after: Study) -> None:
    """What the pilot's labels rest on cannot change any more."""
    same = ("id", "kind", "seed", "left")
    if any(getattr(before, name) != getattr(after, name) for name in same) or (
        before.round_items("pilot") != after.round_items("pilot")  # attention items, which belong to both rounds, among them
    ):
        raise WorkbenchError(
            "The pilot round was labelled with other items, kind or seed.",
            where=f"study '{after.id}'",
            todo="Keep them, or give the changed study another name.",
        )
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


def _one(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    payload = workbench.store.labels.one(frozen.study.id, frozen.round, item, annotator)
    return from_record(payload) if payload else None


def _before(workbench: Workbench, label: Label) -> Label | None:
    """The state before this one; an undo stands for the state that it brought back."""
    store = workbench.store.labels
    if label.withdrawn and not label.restores:
        return None
    here = from_record(store.get(label.restores)) if label.restores else label
    if not here.replaces:
        return None
    before = from_record(store.get(here.replaces))
    if before.restores:
        return from_record(store.get(before.restores))
    return None if before.withdrawn else before


def _saved(workbench: Workbench, study: Study, label: Label) -> Label:
    label = Label.model_validate({**label.model_dump(), "created": datetime.now(UTC).isoformat(), "id": "", "origin": ""})
    id = workbench.store.add_label(to_record(study, label))
    return label.model_copy(update={"id": id})


def _tokens(workbench: Workbench) -> Path:
    return workbench.home / "annotation" / "tokens.json"


def _kept_tokens(path: Path) -> dict[str, dict[str, str]]:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise WorkbenchError("The tokens cannot be read.", where=str(path), todo="Remove the file and issue new ones.") from None


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()  # 128 random bits: nothing to guess from a hash
