"""Search over everything that is stored: experiments, trials, studies of people, questions, answers; and over the corpora there are.

Every word has to occur, in whichever field; a number of a recipe has to be the whole value. The newest of a kind come first.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.workbench import Workbench

MOST_WORDS, MOST_CHARACTERS = 12, 200
ID_LETTERS = 6  # from so many on a word may be of an id: fewer occur in many by chance
AROUND = 60  # characters shown on each side of the first word that occurs


class SearchField(NamedTuple):
    """A kind of thing that is searched. select: of its id, title and place in time, with `recipe`, the values in its recipe,
    and `settings`, the same by name. texts, lists: the other columns in which words are looked for."""

    select: str
    texts: tuple[str, ...]
    lists: tuple[str, ...] = ()


SOURCES = {
    "experiment": SearchField(
        """SELECT experiment AS id, coalesce(nullif(title, ''), experiment) AS title, id AS place, experiment AS name, question,
           note, tags, list_concat(document->>'$.base.*.*', list_concat(list_filter(document->>'$.base.*', lambda x: x[1] <> '{'),
           list_concat(document->>'$.factors[*].setting', document->>'$.factors[*].values[*]'))) AS recipe,
           document->'$.base' AS settings FROM experiments""",
        ("title", "name", "question", "note"), ("tags",),
    ),
    "trial": SearchField(
        """SELECT id, note, tags, sweep, status, reason, config AS settings, id AS place, made_name AS name, dataset AS corpus,
           list_filter(config->>'$.*.*', lambda x: NOT list_contains({usual}, x)) AS recipe,
           coalesce(nullif(name, ''), made_name, id) AS title FROM trials""",
        ("title", "name", "corpus", "note", "sweep", "status", "reason"), ("tags",),
    ),
    "study": SearchField(
        """SELECT study AS id, coalesce(nullif(design->>'$.title', ''), study) AS title, id AS place, study AS name,
           design->>'$.question' AS question, design->>'$.hypothesis' AS hypothesis, design->>'$.annotators[*]' AS annotators,
           NULL::VARCHAR[] AS recipe, NULL AS settings FROM studies WHERE round <> 'plan'
           QUALIFY row_number() OVER (PARTITION BY study ORDER BY id DESC) = 1""",
        ("title", "name", "question", "hypothesis"), ("annotators",),
    ),
    "question": SearchField(
        """SELECT query_id AS id, query_id AS name, text AS title, -min(position) AS place, dataset AS corpus, query_group AS "group",
           any_value(answers) AS answers, NULL::VARCHAR[] AS recipe, NULL AS settings
           FROM questions JOIN question_sets USING (fingerprint) GROUP BY query_id, text, dataset, query_group""",
        ("title", "name", "corpus", "group"), ("answers",),
    ),
    "answer": SearchField(
        """SELECT id, question AS title, id AS place, text AS answer, model, NULL::VARCHAR[] AS recipe, NULL AS settings
           FROM answers""",
        ("title", "answer", "model"),
    ),
}  # fmt: skip
CORPUS = "corpus"


class Match(NamedTuple):
    """kind: of `SOURCES`, or CORPUS. where: the fields in which words occur. excerpt: what stands around the first of them.
    corpus: of a question the one it is asked of, of a trial the one it searched."""

    kind: str
    id: str
    title: str
    where: tuple[str, ...]
    excerpt: str
    corpus: str = ""


class Matches(NamedTuple):
    """totals: of each kind how many there are, of which `rows` holds the first."""

    rows: list[Match]
    totals: dict[str, int]


def find(workbench: Workbench, words: str, most: int = 20) -> Matches:
    """What holds all of these words, so many of each kind."""
    asked = words.encode("utf-8", "replace").decode().lower().split()
    if not asked:
        raise WorkbenchError("There is nothing to search for.", todo="Type a word or more.")
    if len(asked) > MOST_WORDS or len(words) > MOST_CHARACTERS:
        raise WorkbenchError(
            f"A search takes up to {MOST_WORDS} words and {MOST_CHARACTERS} characters.", todo="Leave the common ones out."
        )
    rows, totals = [], {}
    for kind, source in SOURCES.items():
        for row in workbench.store.query(_statement(source, asked), [*(word for word in asked for _ in range(4)), most]):
            totals[kind] = row["total"]
            places = _places(source, row, asked)
            rows.append(
                Match(kind, row["id"], row["title"], tuple(places), next(iter(places.values()), ""), row.get("corpus") or "")
            )
    if corpora := _corpora(workbench, asked):
        totals[CORPUS] = len(corpora)
        rows += corpora[:most]
    return Matches(rows, totals)


def _corpora(workbench: Workbench, asked: list[str]) -> list[Match]:
    """Those whose name or title holds the words, those on this machine first."""
    matches = []
    for status in sorted(workbench.datasets(), key=lambda status: not status.present):
        fields = {"name": status.name, "title": status.title}
        if all(any(word in text.lower() for text in fields.values()) for word in asked):
            where = tuple(name for name, text in fields.items() if any(word in text.lower() for word in asked))
            excerpt = status.note or ("on this machine" if status.present else "to be downloaded")
            matches.append(Match(CORPUS, status.name, status.name, where, f"{status.title}, {excerpt}", status.name))
    return matches


def _statement(source: SearchField, asked: list[str]) -> str:
    said = ", ".join([*(f'"{name}"' for name in source.texts), *(f"array_to_string({name}, ' ')" for name in source.lists)])
    conditions = [
        f"(contains(said, ?) OR {'list_contains(recipe, ?)' if _number(word) else 'contains(valued, ?)'}"
        f" OR (length(?) >= {ID_LETTERS} AND contains(id, ?)))"
        for word in asked
    ]
    select = source.select.replace("{usual}", _sql_list(usual_words()))
    return f"""SELECT *, count(*) OVER () AS total FROM (
        SELECT *, lower(concat_ws(' ', {said})) AS said, coalesce(lower(array_to_string(recipe, ' ')), '') AS valued
        FROM ({select})) WHERE {" AND ".join(conditions)} ORDER BY place DESC, id LIMIT ?"""


def _number(word: str) -> bool:
    try:
        return bool(float(word)) or True
    except ValueError:
        return False


def _places(source: SearchField, row: dict[str, Any], asked: list[str]) -> dict[str, str]:
    """Field in which a word occurs -> what stands around it; of a recipe the settings with their values."""
    fields = {name: row[name] or "" for name in source.texts}
    fields |= {name: " ".join(filter(None, row[name] or ())) for name in source.lists}
    places = {"id": row["id"]} if any(len(word) >= ID_LETTERS and word in row["id"] for word in asked) else {}
    for name, text in fields.items():
        begins = [text.lower().find(word) for word in asked if word in text.lower()]
        if begins:
            places[name] = _around(text, min(begins))
    for setting, value in _settings(row["settings"]):
        if value not in usual_words() and any(value == word if _number(word) else word in value.lower() for word in asked):
            places[setting] = f"{setting} = {value}"
    return places


@cache
def usual_words() -> frozenset[str]:
    """The words of settings that nobody chose: in every recipe, so that who looks for them looks for something else."""
    stages = TrialConfig().model_dump(mode="json").values()
    return frozenset(value for of in stages if isinstance(of, dict) for value in of.values() if isinstance(value, str) and value)


def _sql_list(words: Iterable[str]) -> str:
    return "[" + ", ".join("'" + word.replace("'", "''") + "'" for word in sorted(words)) + "]"


def _settings(text: str | None) -> list[tuple[str, str]]:
    """(dotted setting, its value) of a recipe."""
    stages = json.loads(text or "{}")
    inner = [(f"{stage}.{name}", value) for stage, of in stages.items() if isinstance(of, dict) for name, value in of.items()]
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in inner]


def _around(text: str, begin: int) -> str:
    start, end = max(0, begin - AROUND), begin + AROUND
    words = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{words}{'…' if end < len(text) else ''}"
