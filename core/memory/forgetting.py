"""Facts are forgotten, and it is proven: what was there is in no search, table, neighbour or byte of the data folder any more.

Two controls say that the proof can fail: a planted fact that has to be met before and not after, since it is forgotten with the others, and
one that stays and has to be met before and after. Where the search does not see what is to be forgotten, nothing is deleted.
"""

import json
import re
import secrets
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.context.citations import STYLES, plain
from core.errors import WorkbenchError
from core.files.ids import new_id
from core.memory.facts import CONTROL, Fact, FactDraft, folded
from core.memory.scanning import Needles, Scan, comparable, normal, scan
from core.memory.store import FactStore, memory_of
from core.memory.tables import WAIT_S
from core.pipeline.forecast import Forecast, one_phase
from core.records import Progress
from core.store import tables as columns_of
from core.store.batches import batches
from core.store.journal import SUFFIX, Journal, encode
from core.workbench import Workbench

KIND = "forgotten_facts"
GONE = "[forgotten]"
VECTOR_BYTES = 64  # of a vector, by which it is sought: 32 numbers
MOST_MENTIONED = 50  # values that are looked for in other facts
TOLD = 4  # bytes from which a value tells what it is of, in a reason too: two signs of Chinese, or four letters
FORGOTTEN, STAYING = "control that is forgotten", "control that stays"
JOBS = "jobs"
BLANKS = r"(?:\s|\\+(?:[nrt]|u00a0))+"
FIELDS = ("subject", "attribute", "value")  # by which an agent writes a fact


class ForgettingChoice(NamedTuple):
    """What a forgetting would take."""

    facts: tuple[Fact, ...]
    derived: tuple[Fact, ...]  # facts derived from them, which would be stale
    mentioning: tuple[Fact, ...]  # other facts in whose text one of their values stands


class Forgotten(NamedTuple):
    """The certificate of a forgetting, as it is recorded: who, when and why, and nothing of what it was."""

    key: str
    who: str
    why: str
    forgotten: str
    facts: int
    stale: int
    files: int
    bytes: int
    before: int
    after: int
    proven: bool
    checks: dict[str, int]
    cleaned: dict[str, int]
    remaining: list[str]


def choice(store: FactStore, ids: Sequence[str] = (), subject: str = "", derived: bool = False) -> ForgettingChoice:
    """ids: facts, each with all its versions. subject: all about it. derived: what follows from them, too."""
    facts, below = _chosen(store, ids, subject, derived)
    values = list({fact.value or fact.text: None for fact in facts.values() if _tells(fact.value or fact.text)})
    said = store.mentioning(values[:MOST_MENTIONED], [*facts, *below])
    return ForgettingChoice(tuple(facts.values()), tuple(below.values()), tuple(said))


def _chosen(store: FactStore, ids: Sequence[str], subject: str, derived: bool) -> tuple[dict[str, Fact], dict[str, Fact]]:
    """(facts to forget, what else was derived from them), by id."""
    facts = {fact.id: fact for fact_id in ids for fact in store.history(store.fact(fact_id).id)}
    facts |= {fact.id: fact for fact in store.about(subject)} if subject.strip() else {}
    if not facts:
        raise WorkbenchError("There is nothing of that to forget.", todo="Name facts by their ids, or a subject: `memory facts`.")
    below = {fact.id: fact for fact in store.below(list(facts)) if fact.id not in facts}
    return (facts | below, {}) if derived else (facts, below)


def forget(
    workbench: Workbench, who: str, why: str, ids: Sequence[str] = (), subject: str = "", derived: bool = False
) -> Generator[Progress, None, Forgotten]:
    """Deletes facts, empties every file of them, and proves it. The record of it holds no content. Raises a WorkbenchError before
    anything is deleted where a reason is missing or tells the content, or where the search does not see what is there."""
    store = memory_of(workbench)
    with files.hold(workbench.home / "locks" / "forgetting", purpose="forgetting facts", seconds=WAIT_S, what="memory"):
        if left := store.about(CONTROL):  # by a process that was killed
            store.remove([control.id for control in left])
        return (yield from _forgotten(workbench, store, who, why, ids, subject, derived))


def _forgotten(
    workbench: Workbench, store: FactStore, who: str, why: str, ids: Sequence[str], subject: str, derived: bool
) -> Generator[Progress, None, Forgotten]:
    chosen = list(_chosen(store, ids, subject, derived)[0].values())
    _check_reason(who, why, chosen)
    controls = {name: _planted(store) for name in (FORGOTTEN, STAYING)}
    try:
        targets = [fact.id for fact in chosen]
        needles, sought = _sought(store, chosen, controls)
        first = yield from scan(workbench.home, needles, "Searching every file for what is to go")
        unseen = [name for name in (*sought, *controls) if name not in first.where]
        if unseen:
            raise WorkbenchError(
                f"The search of the files does not see {len(unseen):,} of the facts, so nothing could be proven. Nothing was deleted.",
                where=str(store.path),
                todo="Run `memory check`; a damaged file is copied back from a backup.",
            )
        # the memory itself last: who is killed before can ask again, and the texts are still there to be sought
        cleaned = yield from _clean(workbench, _elsewhere(first, store, {*sought, *_vector_names(sought)}), needles, sought)
        yield Progress(0, 0, "Forgetting")
        vectors = [row[2] for row in store.rows_of(targets) if row[2]]
        numbers = {row[0] for row in store.rows_of(targets)}
        stale = store.remove([*targets, controls[FORGOTTEN].id])
        store.compact()
        second = yield from scan(workbench.home, needles, "Searching every file again")
    finally:
        with suppress(WorkbenchError):
            store.remove([control.id for control in controls.values()])
    yield Progress(0, 0, "Searching memory and tables")
    checks = {
        "files": len([name for name in second.where if name != STAYING]),
        "search": sum(hit.fact.id in set(targets) for fact in chosen for hit in store.read(fact.text, 10, counted=False)),
        "neighbours": sum(len(numbers & set(store.neighbours(vector, 10))) for vector in vectors),
        "sql": _in_tables(workbench, chosen),
        "control": int(STAYING in second.where),
    }
    remaining = {path for name, paths in second.where.items() if name != STAYING for path in paths} | second.unread.keys()
    others = store.mentioning(fact.text for fact in chosen) if any(path.parent == store.path.parent for path in remaining) else []
    proven = (
        not any(number for place, number in checks.items() if place != "control")
        and bool(checks["control"])
        and not second.unread
    )
    made = Forgotten(
        key=new_id(),
        who=who.strip(),
        why=why.strip(),
        forgotten=datetime.now(UTC).isoformat(timespec="seconds"),
        facts=len(targets),
        stale=len(stale),
        files=second.files,
        bytes=second.bytes,
        before=sum(name in first.where for name in sought),
        after=sum(name != STAYING and name != FORGOTTEN for name in second.where),
        proven=proven,
        checks=checks,
        cleaned=dict(cleaned),
        remaining=[
            *sorted(path.relative_to(workbench.home).as_posix() for path in remaining),
            *(f"fact {fact.id}" for fact in others),
        ],
    )
    batches(workbench.home).add(KIND, {made.key: {name: value for name, value in made._asdict().items() if name != "key"}}, {})
    return made


def forget_cost(workbench: Workbench) -> Forecast:
    """What a forgetting takes: every file is read twice."""
    sizes = [path.stat().st_size for path in workbench.home.rglob("*") if path.is_file()]
    return one_phase(f"{len(sizes):,} files read twice ({files.size(sum(sizes))})", units=1 + sum(sizes) // 1_000_000)


def forgettings(workbench: Workbench) -> list[dict[str, Any]]:
    """The audit: every forgetting, the newest first."""
    names = ", ".join(Forgotten._fields)
    return workbench.store.query(f"SELECT {names} FROM {KIND} ORDER BY key DESC")


def exported(workbench: Workbench, subject: str) -> dict[str, Any]:
    """All that is remembered about a subject: its facts with their earlier versions, from what each was derived and what follows, and the
    facts of others that mention it."""
    store = memory_of(workbench)
    facts = store.about(subject)
    rows = []
    for fact in facts:
        derivation = store.derivation(fact.id)
        behind = {"derived_from": [each.id for each in derivation.parents], "led_to": [each.id for each in derivation.children]}
        rows.append({**fact._asdict(), **behind, "used_at": store.used_at(fact.id)})
    mentioned = store.mentioning([subject], [fact.id for fact in facts]) if _tells(subject.strip()) else []
    return {"subject": subject, "facts": rows, "mentioned_in": [fact._asdict() for fact in mentioned]}


def _check_reason(who: str, why: str, facts: Iterable[Fact]) -> None:
    if not who.strip() or not why.strip():
        raise WorkbenchError("A forgetting says who asks for it, and why.", todo="Give both; they are all that stays.")
    said = folded(f"{who} {why}")
    for fact in facts:
        if any(_tells(text) and folded(text) in said for text in (fact.value, fact.text)):
            raise WorkbenchError("The reason tells what is to be forgotten.", todo="It stays in the record: say it without.")


def _tells(text: str) -> bool:
    return len(text.encode()) >= TOLD


def _planted(store: FactStore) -> Fact:
    """Sought in small letters with single blanks: a search that sees it sees copies in another writing."""
    text = f"Control  {secrets.token_hex(16).upper()}"
    return store.fact(store.write(FactDraft(text, CONTROL, "control", text)).id)


def _sought(store: FactStore, chosen: Sequence[Fact], controls: dict[str, Fact]) -> tuple[Needles, dict[str, Fact]]:
    """Facts in every form that our files give them, and vectors; and the facts by the names of what is sought."""
    sought: dict[str, Fact] = {}
    forms: dict[str, list[bytes]] = {}
    facts = {fact.id: fact for fact in chosen}
    for number, fact_id, vector in store.rows_of([*facts]):
        sought[str(number)] = fact = facts[fact_id]
        forms[str(number)] = [form.encode() for form in _forms_of(fact)]
        forms[str(number)] += [fact.text.encode("utf-16-le"), *(_inside(_text_key(case)) for case in _cases(fact.text))]
        if vector:
            forms[f"vector {number}"] = [_inside(vector[:VECTOR_BYTES])]
    forms |= {name: [folded(control.text).encode()] for name, control in controls.items()}
    return Needles(forms), sought


def _inside(data: bytes) -> bytes:
    """Bytes that are no text, without those at its ends that `normal` takes together with what stands beside them."""
    return normal(data)[1:-1]


def _forms_of(fact: Fact) -> list[str]:
    """Those of its text, also made plain for a prompt, and of the call by which an agent writes it, as it stands in a trace."""
    forms = [form for text in (fact.text, *(plain(fact.text, style) for style in STYLES)) for form in written_forms(text)]
    if fact.attribute:
        for between in ((", ", ": "), (",", ":")):
            forms += written_forms(json.dumps(_fields(fact), ensure_ascii=False, separators=between)[1:-1])
    return list(dict.fromkeys(forms))


def _fields(fact: Fact) -> dict[str, str]:
    return {name: getattr(fact, name) for name in FIELDS}


def _text_key(text: str) -> bytes:
    """Under which the vectors kept by text have it, where it was encoded elsewhere, say as a question."""
    return blake2b(text.encode(), digest_size=16).digest()


def _vector_names(texts: Iterable[str]) -> list[str]:
    return [f"vector {name}" for name in texts]


def written_forms(text: str) -> list[str]:
    """A text as it stands in a file: as it is and in JSON, which may escape letters, in the cases of those that are not ASCII. All else
    that may differ is nothing to `normal`."""
    forms = [form for case in _cases(text) for form in (case, json.dumps(case)[1:-1])]
    return list({comparable(form.encode()): form for form in forms}.values())


def _cases(text: str) -> dict[str, None]:
    return dict.fromkeys((text, text.lower(), text.upper(), text.title()))


def _elsewhere(first: Scan, store: FactStore, names: Iterable[str]) -> set[Path]:
    """Files beside the memory's own that hold one of these."""
    paths = {path for name in names for path in first.where.get(name, ())}
    return {path for path in paths if path.parent != store.path.parent}


def _clean(
    workbench: Workbench, paths: Iterable[Path], needles: Needles, sought: dict[str, Fact]
) -> Generator[Progress, None, Counter[str]]:
    """Empties these files of the facts, each in the way of its kind; what kind is unknown stays, and is met by the second search."""
    cleaned: Counter[str] = Counter()
    copies = _Copies(needles, sought)
    home, database = workbench.home, False
    for path in sorted(paths):
        yield Progress(0, 0, "Emptying files that hold it")
        kind = path.relative_to(home).parts[0]
        if kind == "cache":
            _drop_cached(path, home / "cache")
            cleaned["cache"] += 1
        elif kind == "journal" and path.name.endswith(SUFFIX):
            cleaned["journal"] += _redact(path, copies)
        elif kind == JOBS and len(path.relative_to(home).parts) > 2:
            cleaned["jobs"] += _drop_job(workbench, path.relative_to(home).parts[1])
        database |= path.name.startswith("groundwork.duckdb")
    if cleaned["journal"] or database:
        yield from workbench.store.rebuild()
        cleaned["database"] += 1
    return +cleaned


def _drop_cached(path: Path, cache: Path) -> None:
    """The whole entry: a folder that says what it holds, else the file."""
    entry = path.parent if (path.parent / "meta.json").exists() and path.parent != cache else path
    with suppress(FileNotFoundError):  # several of its files held it
        files.remove_whole(entry)


def _redact(path: Path, copies: "_Copies") -> int:
    """The record written again under its id, without the words. A damaged record stays as it is, and is told."""
    record = Journal(path.parent).load(path)
    if record is None:
        return 0
    mode = path.stat().st_mode
    files.write_whole(path, encode(record.id, record.kind, copies.taken_out(record.payload)), "The record")
    path.chmod(mode & 0o777)
    return 1


class _Copies:
    """Facts as they stand in records: seen by what is sought in files, taken out in any writing that is the same to it."""

    def __init__(self, needles: Needles, sought: dict[str, Fact]) -> None:
        self._needles, self._sought = needles, sought
        self._calls = {tuple(map(folded, _fields(fact).values())) for fact in sought.values() if fact.attribute}
        self._patterns: dict[str, list[re.Pattern[str]]] = {}

    def taken_out(self, value: Any) -> Any:
        if isinstance(value, str):
            names = self._needles.within(value.encode("utf-8", "surrogatepass")) & self._sought.keys()
            for pattern in sorted((each for name in names for each in self._of(name)), key=lambda each: -len(each.pattern)):
                value = pattern.sub(GONE, value)
            return value
        if isinstance(value, dict):
            if tuple(folded(str(value.get(name))) for name in FIELDS) in self._calls:
                value = value | dict.fromkeys(FIELDS, GONE)
            return {self.taken_out(name): self.taken_out(inner) for name, inner in value.items()}
        return [self.taken_out(inner) for inner in value] if isinstance(value, list) else value

    def _of(self, name: str) -> list[re.Pattern[str]]:
        if name not in self._patterns:
            self._patterns[name] = [_pattern(form) for form in _forms_of(self._sought[name])]
        return self._patterns[name]


def _pattern(form: str) -> re.Pattern[str]:
    """Matches what is the same to `normal`."""
    same = comparable(form.encode())
    if same != normal(form.encode()):
        return re.compile(re.escape(form))
    words = ["".join(rf"\\*{re.escape(letter)}" for letter in word) for word in same.decode().split(" ")]
    return re.compile(BLANKS.join(words), re.IGNORECASE)


def _drop_job(workbench: Workbench, job_id: str) -> int:
    """What a finished job printed and was asked; one that runs is left alone."""
    with suppress(WorkbenchError):
        if workbench.jobs.get(job_id).alive:
            return 0
    with suppress(FileNotFoundError):
        files.remove_whole(workbench.home / JOBS / job_id)
        return 1
    return 0


def _in_tables(workbench: Workbench, chosen: Iterable[Fact]) -> int:
    """Rows of the tables of SQL in which one of the facts stands."""
    # DuckDB makes all letters small, not only those of ASCII
    forms = list({comparable(form.lower().encode()).decode() for fact in chosen for form in _forms_of(fact)})
    rows = 0
    for table, (_, columns) in columns_of.TABLES.items():
        named = [f'CAST("{name}" AS VARCHAR)' for name, about in columns.items() if "VARCHAR" in about[0] or "JSON" in about[0]]
        if named:
            said = rf"replace(lower(regexp_replace(concat_ws(' ', {', '.join(named)}), '\\+([nrt]|u00a0)', ' ', 'g')), '\', '')"
            said = rf"(SELECT DISTINCT regexp_replace({said}, '[\s\x{{a0}}]+', ' ', 'g') AS said FROM {table})"
            sql = f"SELECT count(*) AS number FROM {said} WHERE len(list_filter(?::VARCHAR[], lambda form: contains(said, form))) > 0"
            rows += workbench.store.query(sql, [forms])[0]["number"]
    return rows
