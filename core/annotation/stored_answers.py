"""Stored answers that people can judge."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from core.annotation.drawing import Candidate, clean
from core.annotation.study import Passage, Study, plain
from core.annotation.system_names import names_for, recipe_of
from core.context.citations import BRACKETS
from core.records import as_read
from core.workbench import Workbench

WORDS = "'[\\pL\\pN_]'"  # of any script: the database knows by \\w those of ASCII alone
TOLD = f"""SELECT key, system, dataset, question, answer, passages FROM system_answers WHERE regexp_matches(answer, {WORDS})
          ORDER BY take, id"""  # of other systems, the last take of a question last
LACKS = f"""CASE WHEN text IS NULL THEN 'failed' WHEN finish_reason = 'abstained' THEN 'abstained'
                WHEN NOT regexp_matches(text, {WORDS}) THEN 'empty' ELSE '' END"""  # why an answer cannot be judged


def read_candidates(workbench: Workbench, dataset: str = "") -> list[Candidate]:
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
    latest: dict[tuple, Candidate] = {}
    names: dict[tuple[str, str], str] = {}  # file of the model and recipe -> system
    for row in rows:
        config, file = json.loads(row["config"] or "{}"), Path(row["model"] or "no model").name
        recipe = recipe_of(config)
        if (file, recipe) not in names:
            ways = names_for(file, recipe, config)
            names[file, recipe] = next(name for name in ways if name not in names.values())
        if dataset not in ("", row["dataset"]):
            continue
        passages = tuple(
            Passage(
                document_id=hit["document_id"],
                title=clean(hit.get("title") or ""),
                start=hit["start"],
                end=hit["end"],
                text=clean(as_read(hit)),
            )
            for hit in json.loads(row["hits"] or "[]")
        )
        candidate = Candidate(
            row["id"],
            names[file, recipe],
            row["dataset"] or "",
            clean(row["question"]),
            clean(row["text"]),
            passages,
            tuple(clean(text) for text in gold.get((row["dataset"], row["question"]), ())),
            recipe,
            config.get("context", {}).get("citations", BRACKETS),
        )
        latest[candidate.system, candidate.dataset, candidate.question] = candidate
    for candidate in _of_other_systems(workbench, gold, set(names.values())):
        if dataset in ("", candidate.dataset):
            latest[candidate.system, candidate.dataset, candidate.question] = candidate
    return list(latest.values())


def _of_other_systems(workbench: Workbench, gold: dict[tuple[str, str], list[str]], taken: set[str]) -> Iterator[Candidate]:
    """taken: what recipes are called; a system of such a name is told apart."""
    for row in workbench.store.query(TOLD):
        system, dataset, question = (row[name] for name in ("system", "dataset", "question"))
        passages = tuple(
            Passage(document_id=clean(each["document"]), start=each["start"] or 0, end=each["end"] or 0, text=clean(each["text"]))
            for each in json.loads(row["passages"] or "null") or ()
        )
        name = f"{system}, another system" if system in taken else system
        references = tuple(clean(text) for text in gold.get((dataset, question), ()))
        yield Candidate(row["key"], clean(name), dataset, clean(question), clean(row["answer"]), passages, references)


def candidates(workbench: Workbench, study: Study | None = None) -> list[Candidate]:
    """Stored answers that can be judged; read again once there are more. Systems that the study has already are called
    as it calls them: names that were made by an older version stay."""
    answers = _candidates(workbench)
    names = {answer.source: answer.system for item in plain(study.items) for answer in item.responses} if study else {}
    named = {answer.system: names[answer.source] for answer in answers if answer.source in names}
    if all(now == name for now, name in named.items()):
        return answers
    return [answer._replace(system=named.get(answer.system, answer.system)) for answer in answers]


def _candidates(workbench: Workbench) -> list[Candidate]:
    [row] = workbench.store.query(
        """SELECT count(*) AS answers, max(id) AS last, (SELECT count(*) FROM questions) AS questions,
                  (SELECT count(*) FROM system_answers) AS told FROM answers"""
    )
    key = "/".join(map(str, row.values()))
    return workbench.pipeline.remember("candidates", key, lambda: read_candidates(workbench))


def corpora_of(workbench: Workbench, study: Study) -> list[str]:
    """Of which corpora the answers are that a study shows, as far as they are stored here."""
    return sorted(set(corpus_of_answers(workbench, study).values()))


def shown(study: Study) -> set[str]:
    """Ids of the answers that it shows."""
    return {response.source for item in study.items for response in item.responses}


def corpus_of_answers(workbench: Workbench, study: Study) -> dict[str, str]:
    """Id of each answer that a study shows, of a recipe or another system -> its corpus, as far as it is stored here."""
    rows = workbench.store.query(
        """SELECT DISTINCT id, dataset FROM (SELECT id, dataset FROM answers UNION ALL SELECT key, dataset FROM system_answers)
           WHERE id IN (SELECT unnest(?::VARCHAR[])) AND dataset <> ''""",
        [sorted(shown(study))],
    )
    return {row["id"]: row["dataset"] for row in rows}


def citations_of_answers(workbench: Workbench, study: Study) -> dict[str, str]:
    """Id of each answer of a recipe that a study shows -> how it cites, as far as it is stored here."""
    rows = workbench.store.query(
        "SELECT DISTINCT id, config->>'$.context.citations' AS citations FROM answers WHERE id IN (SELECT unnest(?::VARCHAR[]))",
        [sorted(shown(study))],
    )
    return {row["id"]: row["citations"] for row in rows if row["citations"]}


def newest_answer(workbench: Workbench) -> str:
    """The id of the answer that was stored last; of the same one no answer has come."""
    [row] = workbench.store.query("SELECT max(id) AS id FROM answers")
    return row["id"]


class QuestionsAsked(NamedTuple):
    """What came of questions that were asked. asked: of each recipe and question one."""

    asked: int
    judged: int  # gave an answer that can be judged
    why: dict[str, int]  # failed, abstained (no passage was similar enough) or empty -> how many of the others


def asked(workbench: Workbench, answers: Iterable[Candidate], recipe: str = "", questions: Iterable[str] = ()) -> QuestionsAsked:
    """How many questions gave one of these answers, and why the others did not; of a recipe and questions, or all."""
    wanted = {clean(text) for text in questions}
    rows = workbench.store.query(f"""SELECT dataset, question, config, {LACKS} AS lack FROM answers
                                     WHERE {LACKS} <> '' ORDER BY id""")
    good = {(answer.recipe, answer.dataset, answer.question) for answer in answers}
    bad = {
        (recipe_of(json.loads(row["config"] or "{}")), row["dataset"] or "", clean(row["question"])): row["lack"] for row in rows
    }

    def counts(key: tuple[str, str, str]) -> bool:
        return recipe in ("", key[0]) and (not wanted or key[2] in wanted)

    judged = sum(map(counts, good))
    why = Counter(lack for key, lack in bad.items() if key not in good and counts(key))
    return QuestionsAsked(judged + sum(why.values()), judged, dict(why.most_common()))
