"""The rooms of the code and the stages of a recipe, as docs/architecture.md shows them: `python -m docs.map` writes both anew."""

from html import escape
from pathlib import Path

from core.config import PLACES
from core.pipeline.stages import STAGES
from docs.rooms import FLOORS, Room
from docs.tables import code, filled, table

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs/architecture.md", ROOT / "docs/images/rooms.svg"
WIDTH, FLOOR_HEIGHT, GAP = 960, 64, 8
KEPT = {"disk": "memory and disk", "memory": "memory", "journal": "the journal, as", "": "computed anew each time"}


def pages() -> dict[Path, str]:
    page = PAGE.read_text("utf-8")
    page = filled(page, "rooms", "\n".join(table(("Room", "Holds"), rooms())))
    page = filled(page, "stages", "\n".join(table(("Stage", "Setting", "Made from", "Kept in"), stages())))
    return {PAGE: page, PICTURE: drawn()}


def rooms() -> list[tuple[str, str]]:
    """Highest floor first, as one comes in; a line between floors."""
    floors = [[(code(path(room)), room.holds) for room in floor] for floor in reversed(FLOORS)]
    return [row for number, floor in enumerate(floors) for row in ([("", "")] if number else []) + floor]


def path(room: Room) -> str:
    """Where a room stands: a folder, or the one file that it is."""
    inside = next(
        place for place in (ROOT / room.name, ROOT / "core" / room.name, ROOT / f"core/{room.name}.py") if place.exists()
    )
    return str(inside.relative_to(ROOT)) + "/" * inside.is_dir()


def stages() -> list[tuple[str, str, str, str]]:
    """A row a stage; of the places of a list the first stands for all."""
    places = {stage.name: PLACES[stage.field] for stage in STAGES if stage.field in PLACES}
    further = {name for name, (_, number) in places.items() if number}
    first = {field: name for name, (field, number) in places.items() if not number}
    rows = []
    for stage in (stage for stage in STAGES if stage.name not in further):
        above = dict.fromkeys(f"{first[places[name][0]]} …" if name in places else name for name in stage.above)
        mark = " …" if stage.name in places else ""
        rows.append(
            (
                stage.name + mark,
                code(stage.field) + mark,
                ", ".join(above),
                f"{KEPT[stage.storage]} {code(stage.records)}".strip(),
            )
        )
    return rows


def drawn() -> str:
    """The floors as a picture: a room imports from its own floor and from those below it."""
    height = len(FLOORS) * FLOOR_HEIGHT + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, floor in enumerate(reversed(FLOORS)):
        wide, top = (WIDTH - GAP) / len(floor), GAP + number * FLOOR_HEIGHT
        for place, room in enumerate(floor):
            left = GAP + place * wide
            lines += [
                f"<g><title>{escape(path(room))}: {escape(room.holds)}</title>",
                f'<rect x="{left:.1f}" y="{top}" width="{wide - GAP:.1f}" height="{FLOOR_HEIGHT - GAP}" rx="4" fill="#e8f1f8"/>',
                f'<text x="{left + (wide - GAP) / 2:.1f}" y="{top + 34}" text-anchor="middle" font-size="15" fill="#1a1a1a">'
                f"{escape(room.name)}</text></g>",
            ]
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, "utf-8")
