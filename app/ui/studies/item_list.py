"""The exact list of a round."""

from app.ui import cards
from core.annotation import system_names
from core.annotation.study import Study, plain, systems_of
from core.report.table import Column, Table


def table(study: Study, round_name: str, room: float = 1.0) -> Table:
    """The exact list of a round, one row an item; numbered without repeats and attention items, as on the page Agreement. The system
    stands there only where there is more than one. room: of the texts, beside that on the page."""
    place = {item.id: number for number, item in enumerate(plain(study.items, round_name), 1)}
    named = system_names.short_names(systems_of(study))
    several = len(named) > 1
    columns = (
        Column("No.", help="Again: a hidden repeat of that item. Known: an attention item, with a known answer.", width=72),
        *[Column("System", help="Hidden from annotators.", width=150)] * several,
        Column("Question", width=round(200 * room)),
        Column("Answer", width=round((200 if several else 300) * room)),
        Column("Sentences", help="Of the answer; each is labelled."),
    )
    rows = [
        {
            "No.": "known"
            if item.attention
            else f"{place[item.duplicate_of]} again"
            if item.duplicate_of
            else f"{place[item.id]}",
            "Question": item.question,
            "Answer": " ⟷ ".join(response.text for response in item.responses),
            "Sentences": sum(len(response.sentences) for response in item.responses),
            "System": " ⟷ ".join(named.get(response.system, "") for response in item.responses),
        }
        for item in study.round_items(round_name)
    ]
    return Table("items", columns, rows)


def parts(study: Study, round_name: str) -> str:
    """ "30 items, 3 repeats, 5 attention items": what everybody of a round goes through, or shares in."""
    those = study.round_items(round_name)
    counts = [
        (len(plain(those)), "item"),
        (sum(bool(item.duplicate_of) for item in those), "repeat"),
        (sum(item.attention for item in those), "attention item"),
    ]
    return ", ".join(cards.count(number, what) for number, what in counts if number)
