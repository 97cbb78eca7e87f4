"""The verbs of human evaluation: studies frozen before they are labelled, labels kept for ever, both exchanged as files."""

import hashlib
import hmac
import json
import os
import secrets
import statistics
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.annotation import exchange, label_studio, qags
from core.annotation.drawing import Candidate, attention_items, clean, draw, draw_pairs, with_duplicates
from core.annotation.exchange import Problem
from core.annotation.labels import CONTENT, Label, Table, blank, complete, content, disputed, problems, standing, table
from core.annotation.study import (
    FOLDER,
    ROUNDS,
    Item,
    Passage,
    Rubric,
    Study,
    assignment,
    default_rubric,
    design_hash,
    shown,
    study_hash,
)
from core.config import TrialConfig, fingerprint, valid
from core.errors import WorkbenchError
from core.records import Progress
from core.store.lock import hold
from core.workbench import Workbench

FORMATS = ("jsonl", "csv", "label_studio", "dpo")
TOLD = 5  # problems of an import that its error names


class Frozen(NamedTuple):
    """A version of a study as it is recorded. round: draft, or the round it was frozen for. hash: "" for a draft."""

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
    known: int  # already here, the same
    problems: tuple[Problem, ...]


class ImportProblems(WorkbenchError):
    """Nothing was imported. `problems` has all that is wrong, by line."""

    def __init__(self, found: Sequence[Problem], good: int) -> None:
        self.problems = tuple(found)
        listed = "\n".join(f"{one.file}:{one.line}: {one.what} {one.todo}".rstrip() for one in found[:TOLD])
        more = f"\n… and {len(found) - TOLD} more." if len(found) > TOLD else ""
        super().__init__(f"{len(found)} problems, so nothing was imported:\n{listed}{more}", where=f"{found[0].file}:{found[0].line}",
                         todo=f"Mend them, or keep the {good} good labels alone (--keep-good).")  # fmt: skip


# Studies -------------------------------------------------------------------------------------------------------------


def studies(workbench: Workbench) -> list[Frozen]:
    """The latest version of each study, newest first."""
    rows = workbench.store.query("SELECT max(id) AS id FROM studies GROUP BY study ORDER BY id DESC")
    return [_frozen(workbench, row["id"]) for row in rows]


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
    return latest if latest and latest.study == study else _record(workbench, study, "draft", "")


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
    missing = [name for name in ("question", "measure") if not getattr(study, name).strip()]
    if missing:
        raise WorkbenchError(
            f"The study has no {' and no '.join(missing)}.", todo="Say it before the first label is seen."
        )
    if before == "pilot":
        _same_pilot(latest.study, study)
    assignment(study, round)
    return _record(workbench, study, round, study_hash(study, round))


def revise(workbench: Workbench, study_id: str, rubric: Rubric) -> Frozen:
    """A new version of the rubric while the pilot runs; the earlier ones stay in the study."""
    latest = load(workbench, study_id)
    if latest.round not in ("draft", "pilot"):
        raise WorkbenchError(f"The rubric of '{study_id}' is frozen: the {latest.round} round has begun.",
                             todo="Give the changed study another name.")  # fmt: skip
    if not rubric.changed.strip():
        raise WorkbenchError("A new version of the rubric says what was changed.", todo="Write it under `changed`.")
    new = rubric.model_copy(update={"version": latest.study.rubric.version + 1})
    study = valid(Study, {**latest.study.model_dump(mode="json"),
                          "rubrics": [one.model_dump(mode="json") for one in (*latest.study.rubrics, new)]})  # fmt: skip
    return _record(workbench, study, latest.round, study_hash(study, latest.round) if latest.hash else "")


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
    return _record(workbench, study, "adjudication", study_hash(study, "adjudication"))


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
    if main and last is not main and _without_adjudication(last.study) != _without_adjudication(main.study):
        found.append("The study was changed after its main round was frozen.")
    hashes, times = {one.hash: one for one in versions if one.hash}, {one.hash: one.created for one in versions}
    given = [_as_label(payload) for payload in workbench.store.labels.all(study_id)]
    for what, ids in _label_findings(last.study, given, hashes, times).items():
        found.append(f"{len(ids):,} labels {what}, the first of them {ids[0]}.")
    return Check(not found, last.hash, len(given), tuple(found))


def _label_findings(
    study: Study, given: Iterable[Label], hashes: dict[str, Frozen], times: dict[str, str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for label in given:
        frozen = hashes.get(label.hash)
        if frozen is None and not label.origin:
            found["were given under a study that was never frozen"].append(label.id)
        elif frozen is not None and frozen.round != label.round:
            found["were given in another round than their study was frozen for"].append(label.id)
        elif frozen is not None and label.created and label.created < times[label.hash]:
            found["are older than the study they were given under"].append(label.id)
        elif not label.withdrawn and problems(frozen.study if frozen else study, label):
            found["do not fit the items or the rubric"].append(label.id)
    return found


def candidates(workbench: Workbench, dataset: str = "") -> list[Candidate]:
    """Stored answers that have words, the latest of each recipe and question. A system is a recipe without its seed."""
    rows = workbench.store.query(
        """SELECT id, dataset, question, text, model, hits, config FROM answers
           WHERE text IS NOT NULL AND regexp_matches(text, '\\w') AND finish_reason <> 'abstained'
             AND (? = '' OR dataset = ?) ORDER BY id""", [dataset, dataset])  # fmt: skip
    gold = {(row["dataset"], row["text"]): row["answers"] for row in workbench.store.query(
        """SELECT s.dataset, q.text, q.answers FROM questions q JOIN question_sets s USING (fingerprint)
           WHERE len(q.answers) > 0""")}  # fmt: skip
    found: dict[tuple, Candidate] = {}
    for row in rows:
        config = json.loads(row["config"] or "{}")
        recipe = fingerprint({key: value for key, value in config.items() if key != "seed"})[:6]
        passages = tuple(Passage(document_id=hit["document_id"], title=clean(hit.get("title") or ""), start=hit["start"],
                                 end=hit["end"], text=clean(hit["text"])) for hit in json.loads(row["hits"] or "[]"))  # fmt: skip
        one = Candidate(row["id"], f"{Path(row['model'] or 'no model').name} · {recipe}", row["dataset"] or "",
                        clean(row["question"]), clean(row["text"]), passages,
                        tuple(clean(text) for text in gold.get((row["dataset"], row["question"]), ())))  # fmt: skip
        found[one.system, one.dataset, one.question] = one
    return list(found.values())


def systems(found: Iterable[Candidate]) -> dict[str, int]:
    """System -> how many answers."""
    return dict(Counter(one.system for one in found).most_common())


def design(workbench: Workbench, mapping: dict[str, Any]) -> Study:
    """A study from plain settings: those of `Study`, with `draw` in place of the items.

    draw: count, pilot, by, allocation, dataset, systems (two for pairs), duplicates, attention (true: the built-in items).
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
    return (*with_duplicates(items, duplicates, seed), *(attention_items() if attention else ()))


def answer_questions(workbench: Workbench, config: TrialConfig, count: int) -> Generator[Progress, None, int]:
    """Has the first `count` questions of the corpus answered by the recipe and stores the answers; those stored already
    are not asked again. Returns how many are stored now."""
    corpus = yield from workbench.pipeline.corpus(config)
    stored = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    rows = workbench.store.query(
        "SELECT question, config FROM answers WHERE text IS NOT NULL AND dataset = ?", [corpus.name]
    )
    done = {row["question"] for row in rows if json.dumps(json.loads(row["config"]), sort_keys=True) == stored}
    queries = corpus.queries[:count]
    for number, query in enumerate(queries):
        yield Progress(number, len(queries), query.text)
        if query.text not in done:
            for step in workbench.ask(config, query.text):
                yield step if isinstance(step, Progress) else Progress(number, len(queries), query.text)
    return len(queries)


# Labelling -----------------------------------------------------------------------------------------------------------


def label(workbench: Workbench, frozen: Frozen, given: Label) -> Label:
    """Saves a label, whole or begun; returns it as recorded, once it is on disk to stay."""
    if not frozen.hash:
        raise WorkbenchError(f"The study '{frozen.study.id}' is a draft.", todo="Freeze it, then label.")
    mine = assignment(frozen.study, frozen.round).get(given.annotator)
    if mine is None or given.item not in mine:
        raise WorkbenchError(f"Item '{given.item}' is not assigned to '{given.annotator}' in the {frozen.round} round.")
    if wrong := problems(frozen.study, given):
        raise WorkbenchError(f"This label does not fit the study: {'; '.join(wrong)}.")
    item = frozen.study.item(given.item)
    seen, before = shown(frozen.study, item, given.annotator), _one(workbench, frozen, given.annotator, given.item)
    empty = blank(frozen.study, frozen.round, item, given.annotator)
    return _saved(workbench, frozen.study, given.model_copy(update={
        "study": frozen.study.id, "round": frozen.round, "hash": frozen.hash, "rubric": frozen.study.rubric.version,
        "sentences": given.sentences or empty.sentences, "helpful": given.helpful or empty.helpful,
        "shown": seen.hash, "order": seen.order, "replaces": before.id if before else "", "restores": "",
    }))  # fmt: skip


def undo(workbench: Workbench, frozen: Frozen, item: str, annotator: str) -> Label:
    """Brings back the state before the latest label, as a new record. Nothing before it: the item is blank again."""
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
    start = mine.index(after) + 1 if after in mine else 0
    done = _done(workbench, frozen)[annotator]
    return next((item for item in (*mine[start:], *mine[:start]) if item not in done), None)


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
    path, token = _tokens(workbench), secrets.token_urlsafe(16)
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold(workbench.home / "locks" / "tokens", purpose="issuing a token", seconds=10):
        kept = _kept_tokens(path)
        kept.setdefault(study_id, {})[annotator] = _token_hash(token)
        fresh = path.with_name(f".tokens.{os.getpid()}.tmp")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(kept, file)
        fresh.replace(path)
    return token


def may_label(workbench: Workbench, frozen: Frozen, annotator: str, token: str = "") -> bool:
    """Whether this person may label under this name in the round."""
    if annotator not in frozen.study.people(frozen.round):
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
    return _written(folder, files, frozen, counts)


def import_labels(
    workbench: Workbench, study_id: str, path: Path | str, keep_good: bool = False, names: dict[str, str] | None = None
) -> Imported:
    """Labels from a file of ours or of Label Studio: JSONL, CSV or JSON. Nothing is taken of a file with problems, unless
    the good labels alone are asked for. names: annotator in the file -> annotator of the study."""
    return _take(workbench, load(workbench, study_id), _read_text(Path(path)), Path(path).name, keep_good, names or {})


def import_qags(workbench: Workbench, path: Path | str, study_id: str = "qags") -> Frozen:
    """A file of QAGS as a study with its labels. A second time nothing is added."""
    study, given, wrong = qags.read(_file(Path(path)), study_id)
    if wrong or not given:
        raise ImportProblems(wrong or [Problem(str(path), 1, "The file is empty.")], len(given))
    latest = _latest(workbench, study_id)
    if latest and latest.study != study:
        raise WorkbenchError(f"There is another study '{study_id}'.", todo="Give this one another name.")
    frozen = latest or _record(workbench, study, "main", study_hash(study, "main"))
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
    names: dict[str, str] | None = None,
) -> Imported:  # fmt: skip
    """The annotations of a Label Studio project."""
    from core.annotation import label_studio_server

    found = label_studio_server.call("pull", url, project=project)
    text = json.dumps(found["tasks"], indent=1)
    return _take(workbench, load(workbench, study_id), text, f"project {project}", keep_good, names or {})


# What these stand on -------------------------------------------------------------------------------------------------


def _record(workbench: Workbench, study: Study, round: str, hash: str) -> Frozen:
    created, version = datetime.now(UTC).isoformat(), len(_versions(workbench, study.id)) + 1
    id = workbench.store.add("study", {"study": study.id, "version": version, "round": round, "hash": hash,
                                       "design": study.model_dump(mode="json"), "created": created})  # fmt: skip
    return Frozen(id, study, round, hash, version, created)


def _versions(workbench: Workbench, study_id: str) -> list[str]:
    rows = workbench.store.query("SELECT id FROM studies WHERE study = ? ORDER BY id", [study_id])
    return [row["id"] for row in rows]


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
    same = ("id", "kind", "seed")
    pilot = [item for item in after.items if item.round == "pilot"]
    if any(getattr(before, name) != getattr(after, name) for name in same) or pilot != [
        item for item in before.items if item.round == "pilot"
    ]:
        raise WorkbenchError("The pilot round was labelled with other items, kind or seed.", where=f"study '{after.id}'",
                             todo="Keep them, or give the changed study another name.")  # fmt: skip
    if after.rubrics[: len(before.rubrics)] != before.rubrics:
        raise WorkbenchError("The history of the rubric was changed.", todo="Add a new version of the rubric instead.")


def _without_adjudication(study: Study) -> Study:
    return study.model_copy(update={"adjudicators": (), "disputed": ()})


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


def _one(workbench: Workbench, frozen: Frozen, annotator: str, item: str) -> Label | None:
    payload = workbench.store.labels.one(frozen.study.id, frozen.round, item, annotator)
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
    label = Label.model_validate({**label.model_dump(), "created": datetime.now(UTC).isoformat(), "id": ""})
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
    listed = tuple({"name": name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text.encode())}
                   for name, text in files.items())  # fmt: skip
    manifest = Manifest(str(folder), frozen.study.id, frozen.hash, datetime.now(UTC).isoformat(), counts, listed)
    told = {key: value for key, value in manifest._asdict().items() if key != "folder"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {**files, "manifest.json": json.dumps(told, indent=1)}.items():
            fresh = folder / f".{name}.{os.getpid()}.tmp"
            fresh.write_bytes(text.encode())
            fresh.replace(folder / name)
    except OSError as error:
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
    workbench: Workbench, frozen: Frozen, text: str, file: str, keep_good: bool, names: dict[str, str]
) -> Imported:
    round = frozen.round if frozen.round in ROUNDS else "main"
    parsed = _parsed(frozen.study, text, file, round)
    good, wrong = _sound(frozen.study, parsed, file, names)
    if not good and not wrong:
        wrong = [Problem(file, 1, "The file holds no labels.")]
    if wrong and not keep_good:
        raise ImportProblems(wrong, len(good))
    fresh, known = _fresh(workbench, frozen, good, file)
    if fresh:
        workbench.store.labels.add([_payload(frozen.study, one) for one in fresh], [one.id for one in fresh])
    return Imported(len(fresh), known, tuple(wrong))


def _sound(
    study: Study, parsed: exchange.Parsed, file: str, names: dict[str, str]
) -> tuple[list[Label], list[Problem]]:
    """The labels that fit the study, each of one annotator and item once."""
    good, wrong, seen = [], list(parsed.problems), {}
    for line, one in parsed.labels:
        one = one.model_copy(update={"annotator": names.get(one.annotator, one.annotator)})
        key, id = (one.round, one.item, one.annotator), one.id
        found = problems(study, one)
        if one.study != study.id:
            found = [f"it is a label of the study '{one.study}', not of '{study.id}'"]
        if found:
            wrong.append(
                Problem(file, line, f"This label does not fit the study: {'; '.join(found)}.", "Mend or remove it.")
            )
        elif one.annotator not in study.people(one.round):
            wrong.append(Problem(file, line, f"'{one.annotator}' is no annotator of the {one.round} round.",
                                 f"Say who of the study that is: --as '{one.annotator}=NAME'."))  # fmt: skip
        elif key in seen and not (id and seen[key][0] and id != seen[key][0]):
            wrong.append(Problem(file, line, f"'{one.annotator}' labels item {one.item} a second time, first in line {seen[key][1]}.",
                                 "Keep one of the two."))  # fmt: skip
        else:
            seen[key] = id, line
            good.append(one)
    return sorted(good, key=lambda one: one.id), sorted(wrong, key=lambda one: one.line)


def _fresh(workbench: Workbench, frozen: Frozen, good: list[Label], file: str) -> tuple[list[Label], int]:
    """What is not in the store yet. A label without an id of ours takes the place of the one that stands there."""
    here, known = workbench.store.labels.known(one.id for one in good if one.id), 0
    fresh = []
    for one in good:
        before = workbench.store.labels.one(frozen.study.id, one.round, one.item, one.annotator)
        if one.id in here or (not one.id and before and content(_as_label(before)) == content(one)):
            known += 1
        elif one.id:
            fresh.append(_stamped(frozen.study, one.model_copy(update={"origin": one.origin or file})))
        else:
            fresh.append(
                _stamped(
                    frozen.study, one.model_copy(update={"origin": file, "replaces": before["id"] if before else ""})
                )
            )
    return fresh, known


# Any file, for agreement ---------------------------------------------------------------------------------------------


def read_file(path: Path | str) -> tuple[Study, list[Label]] | Table:
    """The study and its labels, of our exports (a folder or a file beside its study.json), a Label Studio export beside it,
    or QAGS; of a CSV of item, annotator and value the table that it is."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if (folder / "study.json").is_file():
        return _exported(folder, path if path.is_file() else folder / "labels.jsonl")
    text = _read_text(path)
    if '"summary_sentences"' in text[:1_000_000]:
        study, found, wrong = qags.read(path)
        if wrong:
            raise ImportProblems(wrong, len(found))
        return study, found
    return _plain_table(text, path.name)


def read_table(path: Path | str, part: str = "sentences", round: str = "") -> Table:
    """Labels of any of these files as statistics take them; adjudicators, who saw what people differed in, only if asked for."""
    found = read_file(path)
    if isinstance(found, Table):
        return found
    return table(
        found[0], (one for one in found[1] if (one.round == round if round else one.round != "adjudication")), part
    )


def agreement(
    path: Path | str, part: str = "sentences", round: str = "", resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Every coefficient that suits the labels of a file, with intervals by bootstrap over units."""
    from core.statistics.agreement.measures import measures, paradox
    from core.statistics.agreement.words import KRIPPENDORFF, krippendorff_words

    found = read_table(path, part, round)
    number = len(found.categories) or None
    rows = [one._asdict() for one in measures(found.values, found.level, number, resamples, seed=seed)]
    alpha = rows[0]["value"] if rows else None
    odd = paradox(found.values, number) if number else None
    return {"file": str(path), "part": part, "level": found.level, "units": len(found.items), "annotators": len(found.annotators),
            "labels": int((found.values == found.values).sum()), "categories": list(found.categories), "measures": rows,
            "words": "" if alpha is None else f"alpha: {krippendorff_words(alpha)} ({KRIPPENDORFF})",
            "paradox": odd.sentence if odd else ""}  # fmt: skip


def _exported(folder: Path, file: Path) -> tuple[Study, list[Label]]:
    given = json.loads(_read_text(folder / "study.json"))
    study = valid(Study, given["design"])
    parsed = _parsed(study, _read_text(file), file.name, given["round"] if given["round"] in ROUNDS else "main")
    if parsed.problems:
        raise ImportProblems(parsed.problems, len(parsed.labels))
    return study, standing(one for _, one in parsed.labels)


def _plain_table(text: str, file: str) -> Table:
    """A foreign file of item, annotator and value: numbers are an interval scale, words are nominal."""
    import csv
    import io

    import numpy as np

    rows: dict[tuple[str, str], str] = {}
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = set(reader.fieldnames or ())
    column = next((name for name in ("value", "label", "rating") if name in names), None)
    if not {"item", "annotator"} <= names or not column:
        raise ImportProblems([Problem(file, 1, f"The columns are {', '.join(sorted(map(str, names)))}.",
                                      "It needs item, annotator and value.")], 0)  # fmt: skip
    for row in reader:
        key = (
            "/".join(row[name] for name in ("item", "response", "number", "sentence") if row.get(name)),
            row["annotator"],
        )
        if not row[column]:
            continue
        if key in rows:
            raise ImportProblems([Problem(file, reader.line_num, f"'{key[1]}' labels item {key[0]} a second time.",
                                          "Keep one of the two.")], len(rows))  # fmt: skip
        rows[key] = row[column]
    items, people = (list(dict.fromkeys(key[place] for key in rows)) for place in (0, 1))
    categories = tuple(sorted(set(rows.values())))
    try:
        numbers, categories, level = {value: float(value) for value in categories}, (), "interval"
    except ValueError:
        numbers, level = {value: float(place) for place, value in enumerate(categories)}, "nominal"
    values = np.full((len(items), len(people)), np.nan)
    place = {name: n for n, name in enumerate(items)}
    for (item, who), value in rows.items():
        values[place[item], people.index(who)] = numbers[value]
    return Table(values, tuple(items), tuple(people), categories, level, tuple(items))
