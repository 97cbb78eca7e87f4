"""Articles as tables: what a page and a terminal say of them."""

from collections.abc import Sequence
from typing import Any

from core.articles.steps import DRAFT, Article
from core.report.table import COUNT, MEAN, TWO, Column, Table, between


def article_row(made: Article) -> dict[str, Any]:
    counts = {"notes": len(made.notes), "sentences": len(made.draft), "drafts": sum(step == DRAFT for step, _ in made.steps)}
    return {"id": made.id, "topic": made.topic, "state": made.state, **counts}


def articles_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Of rows as `article_row` makes them."""
    columns = (
        Column("topic", width=345),
        Column("state", width=150),
        Column("notes", "Evidence", COUNT, "Sentences of the corpus that it may rest on."),
        Column("sentences", format=COUNT),
        Column("drafts", format=COUNT),
        Column("id", width=125),
    )
    return Table("articles", columns, list(rows), "Articles")


def sentence_rows(made: Article) -> list[dict[str, Any]]:
    """A row a sentence of the last draft, with what the editor says of it."""
    support, wrong = made.gate.get("support", []), made.gate.get("wrong", {})
    return [
        {
            "number": place + 1,
            "text": each.text,
            "way": each.way,
            "evidence": note.text,
            "document": note.title or note.document_id,
            "support": support[place] if place < len(support) else None,
            "sent_back": wrong.get(str(place), ""),
        }
        for place, (each, note) in enumerate(zip(made.draft, made.evidence, strict=True))
    ]


def sentences_table(made: Article, command: str = "") -> Table:
    columns = (
        Column("number", "", COUNT),
        Column("text", "Sentence", width=260),
        Column("evidence", width=260),
        Column("document", width=130),
        Column("way", "How", help="Rewritten by the model, or quoted from its evidence.", width=90),
        Column("support", format=TWO, help="How surely its evidence supports it, by the measure of faithfulness."),
        Column("sent_back", "Sent back, because", width=230),
    )
    return Table("article_sentences", columns, sentence_rows(made), made.topic, command=command)


def gate_table(value: dict[str, Any], command: str = "") -> Table:
    columns = (
        Column("least", "Least accuracy", TWO, "Technical accuracy required to accept a draft without confident hallucination."),
        Column("out", "Accepted", COUNT),
        Column("pass", "False pass", width=170, help="Share of the drafts unfaithful by people that were accepted."),
        Column("reject", "False reject", width=170, help="Share of the drafts faithful by people that were sent back."),
    )
    rows = [
        {"least": row["least"], "out": row["out"], "pass": _share(row["false_pass"]), "reject": _share(row["false_reject"])}
        for row in value["curve"]
    ]
    note = f"n {value['drafts']:,}, {value['faithful']:,} faithful by people; Wilson intervals (95%)"
    return Table("article_gate", columns, rows, "Decisions of the gate and of people", note, command)


def _share(told: dict[str, Any]) -> str:
    return f"{told['mean']:.3f} ({between(told['low'], told['high'], MEAN)})"
