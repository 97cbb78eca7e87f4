"""A paper: its figures, tables and numbers in order, each with the command that computes it and the trials it rests on.

The document is <home>/papers/<id>/paper.yaml. Beside it stands, a file an item, what the item showed when it was taken: what is
recomputed later is held against that, so a number cannot move unnoticed.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import Field, model_validator

from core import files
from core.config import StageConfig, knob, valid
from core.errors import WorkbenchError
from core.files import ids
from core.labs.papers import derived, looked, sources
from core.labs.papers.looked import ComparedRecipes
from core.labs.papers.reading import OnDemand
from core.labs.papers.shelf import names
from core.labs.trials import comparison
from core.records import plain
from core.report.colours import with_new
from core.report.print_style import WIDTHS_MM
from core.report.table import Table
from core.report.table import read as read_table
from core.workbench import Workbench

MOST_BYTES = 20_000_000  # of what an item shows
MOST_ITEMS = 300
MOST_TRIALS = 10_000  # of an item
MOST_WORDS = 2_000  # of a command
COLUMN_MM, PAGE_MM = WIDTHS_MM.values()
Place = Literal["before", "results", "after"]
NAME = r"^[a-z][a-z0-9-]{0,59}$"
DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
MENTION = r"\{([a-z][a-z0-9-]{0,59})\}"  # of an item in a text

Words = Annotated[tuple[Annotated[str, Field(max_length=10_000)], ...], Field(max_length=MOST_WORDS)]
TrialIds = Annotated[tuple[Annotated[str, Field(pattern=r"^[0-9a-z]{26}$")], ...], Field(max_length=MOST_TRIALS)]


class PaperItem(StageConfig):
    """What all items say."""

    name: str = knob(..., "Its name in files, labels and macros: small letters, digits and hyphens.", pattern=NAME)
    command: Words = knob((), "What computes it: the words behind `python -m core`.")
    trials: TrialIds = knob((), "The trials that it rests on.")
    caption: str = knob("", "What stands below a figure, above a table.", max_length=10_000)

    @property
    def taken_from_page(self) -> bool:
        """Whether it shows what a page showed, and not what its command answers."""
        return False


class PaperFigure(PaperItem):
    kind: Literal["figure"] = "figure"
    width_mm: float = knob(COLUMN_MM, "A column has 84 mm, a page 174.", unit="mm", ge=20, le=400)
    drawing: Literal["", "means", "differences"] = knob("", "What is drawn of a table of results; empty: a chart of a page.")
    panel: str = knob(
        "", "A letter drawn into its corner; figures with letters that follow each other are one.", pattern="^[a-z]?$"
    )

    @property
    def taken_from_page(self) -> bool:
        return not self.drawing

    @model_validator(mode="before")
    @classmethod
    def _without_claims(cls, fields: Any) -> Any:
        """What older papers say of their charts is found out by now."""
        claims = ("derived", "of_rows")
        return {name: fields[name] for name in fields if name not in claims} if isinstance(fields, dict) else fields


class PaperTable(PaperItem):
    kind: Literal["table"] = "table"
    width_mm: float = knob(COLUMN_MM, "A column has 84 mm, a page 174.", unit="mm", ge=20, le=400)
    digits: int = knob(3, "Digits behind the point, in a table of results.", ge=0, le=10)
    of_page: bool = knob(False, "It shows a page's table, in the page's formats; else a table of results.")

    @property
    def taken_from_page(self) -> bool:
        return self.of_page


class PaperNumber(PaperItem):
    kind: Literal["number"] = "number"
    value: str = knob("", "Where it stands in what the command answers, as in `metrics.recall.mean`.", max_length=300)
    form: Literal["plain", "signed", "percent", "p"] = knob("plain", "How it is written; p: below its last digit as < 0.001.")
    digits: int = knob(3, "Digits behind the point.", ge=0, le=10)
    unit: str = knob("", "Written behind it.", max_length=40)


class PaperText(PaperItem):
    """Words of the authors, in Markdown with its headings; {name} stands for an item, so that no number is typed twice."""

    kind: Literal["text"] = "text"
    text: str = knob("", "Markdown; {gain} is the number of that name.", max_length=20_000)
    place: Place = knob("results", "before: ahead of the methods; results: between figures and tables; after: behind them.")


Item = PaperFigure | PaperTable | PaperNumber | PaperText


class Paper(StageConfig):
    """A paper: its items, and its abstract."""

    id: str = knob(..., "Its name in files and addresses.", pattern=NAME)
    title: str = knob("", "As it stands on the first page.", max_length=500)
    authors: str = knob("", "As they stand below the title.", max_length=2_000)
    abstract: str = knob("", "Markdown, with items by name as in a text.", max_length=5_000)
    serif: bool = knob(True, "Type of the figures: with serifs as LaTeX has by itself, or without.")
    dpi: int = knob(600, "Dots an inch of figures as PNG.", ge=72, le=1200)
    colours: dict[str, str] = knob({}, "System -> its colour in all figures (#rrggbb).")
    items: tuple[Annotated[Item, Field(discriminator="kind")], ...] = knob((), "In their order.", max_length=MOST_ITEMS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [item.name for item in self.items]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two items are called {twice[0]}")
        shown = [item.name for item in self.items if item.kind != "text"]
        texts = [(f"the text {item.name}", item.text) for item in self.items if item.kind == "text"]
        for which, text in [("the abstract", self.abstract), *texts]:
            if unknown := [name for name in named(text) if name not in shown]:
                raise ValueError(f"{which} names {{{unknown[0]}}}, and no figure, table or number is called so")
        if bad := [colour for colour in self.colours.values() if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour)]:
            raise ValueError(f"{bad[0]!r} is no colour such as #0072B2")
        return self

    def item(self, name: str) -> Item:
        for item in self.items:
            if item.name == name:
                return item
        raise WorkbenchError(
            f"The paper has no item '{name}'.", where=self.id, todo=f"It has {', '.join(i.name for i in self.items) or 'none'}."
        )

    def placed(self, place: Place) -> list[Item]:
        """The items there; all but texts stand in the results."""
        return [item for item in self.items if place == (item.place if item.kind == "text" else "results")]

    @property
    def trials(self) -> list[str]:
        """Those that any item rests on."""
        return sorted({trial for item in self.items for trial in item.trials})


def named(text: str) -> list[str]:
    """The items in a text, each once, in their order; what stands in code calls none."""
    return list(dict.fromkeys(re.findall(MENTION, re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))))


def macro(name: str, start: str = "res") -> str:
    r"""\resGainOfRrfTwo of gain-of-rrf-2: a macro's name has letters only, and begins so that no package has it."""
    words = "".join(f"-{DIGITS[int(sign)]}-" if sign.isdigit() else sign for sign in name).split("-")
    return f"\\{start}" + "".join(word.capitalize() for word in words)


class Taken(NamedTuple):
    """What an item showed when it was taken: of a number its value, of a table its cells, of a figure its drawing and data. looked:
    how many recipes had been looked at on its questions."""

    content: Any
    looked: tuple[ComparedRecipes, ...] = ()


# Documents -----------------------------------------------------------------------------------------------------------


def papers(workbench: Workbench) -> list[Paper]:
    """All papers, by their id."""
    return [load(workbench, name) for name in names(workbench)]


def load(workbench: Workbench, paper_id: str) -> Paper:
    return read(_document(workbench, paper_id))


def read(source: Path | str | bytes, where: str = "") -> Paper:
    """The paper in a YAML file or text; WorkbenchError names what is wrong with it."""
    return _valid(Paper, files.read_yaml(source, "The paper", of=dict, where=where))


def written(paper: Paper) -> str:
    """As YAML that `read` takes, without what is at its default."""
    mapping = paper.model_dump(mode="json", exclude_defaults=True)
    mapping["items"] = [{"kind": item.kind, **item.model_dump(mode="json", exclude_defaults=True)} for item in paper.items]
    return yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)


def create(workbench: Workbench, title: str, paper_id: str = "") -> Paper:
    """A new paper; its id comes from its title where none is said."""
    _check_title(title)
    paper = _valid(Paper, {"id": paper_id or _slug(title), "title": title})
    path = _folder(workbench, paper.id) / "paper.yaml"
    if path.exists():
        raise WorkbenchError(f"There is already a paper '{paper.id}'.", todo="Give it another id.")
    _save(workbench, paper)
    return paper


def change(workbench: Workbench, paper_id: str, **fields: Any) -> Paper:
    """Another title, authors, abstract, type, resolution or colours."""
    _only(fields, ("title", "authors", "abstract", "serif", "dpi", "colours"))
    _check_title(fields.get("title", paper_id))
    return _changed(workbench, paper_id, lambda paper: fields)


# Items ---------------------------------------------------------------------------------------------------------------


def add(
    workbench: Workbench,
    paper_id: str,
    fields: dict[str, Any],
    content: Any = None,
    looks: tuple[ComparedRecipes, ...] | None = None,
) -> Paper:
    """Takes an item into the paper, in place of one of the same name, else at the end.

    fields: those of the item, with its kind. content: what it shows, where that is no source's answer: of a page's chart
    {"figure": the plotly mapping, "data": its rows}. looks: how many recipes had been looked at, else as many as by now.
    """
    item = _valid(Paper, {"id": "paper", "items": [fields]}).items[0]
    _check_macro(load(workbench, paper_id), item)
    if content is None:
        words, trials = sources.exact(workbench, item.command, item.trials)
        item = item.model_copy(update={"command": words, "trials": trials})
        content = sources.content(workbench, item)
    looks = looked.at_hand(workbench, item.trials) if looks is None else looks
    _keep(_document(workbench, paper_id).parent, item.name, Taken(content, looks))

    def with_it(paper: Paper) -> dict[str, Any]:
        items = [item if old.name == item.name else old for old in paper.items]
        colours = with_new(paper.colours, content["figure"]) if item.kind == "figure" else paper.colours
        return {"colours": colours, "items": items if item in items else [*items, item]}

    return _changed(workbench, paper_id, with_it)


def _check_macro(paper: Paper, item: Item) -> None:
    """LaTeX defines a macro once: digits are words in its name, and hyphens nothing."""
    same = [old.name for old in paper.items if old.kind == item.kind != "text" and macro(old.name) == macro(item.name)]
    if same and item.name not in same:
        raise WorkbenchError(
            f"In LaTeX '{item.name}' would be called as '{same[0]}' is: {macro(item.name)}.",
            where=paper.id,
            todo="Give it another name.",
        )


def add_chart(
    workbench: Workbench, paper_id: str, name: str, figure: Any, rows: Any, command: str, caption: str = ""
) -> PaperFigure:
    """Takes a page's chart with its data into a paper, which is made where there is none; a name that is taken gets a number."""
    fields = {"kind": "figure", "name": name, "caption": caption}
    return _from_page(workbench, paper_id, fields, {"figure": figure, "data": rows}, command)


def add_page_table(workbench: Workbench, paper_id: str, table: Table, first: int | None = None) -> PaperTable:
    """Takes a page's table as `add_chart` takes a chart. first: how many of its rows are printed; None: all."""
    fields = {"kind": "table", "of_page": True, "name": table.name, "caption": table.caption, "width_mm": PAGE_MM}
    *before, command = table.command.split("\n")
    fields["caption"] += f" After: {'; '.join(before)}." * bool(before)
    content = table.content(first)
    read_table(content)
    return _from_page(workbench, paper_id, fields, content, command)


def _from_page(workbench: Workbench, paper_id: str, fields: dict[str, Any], shown: dict[str, Any], command: str) -> Item:
    """An item that shows what its page showed, with the command and the trials that its words name."""
    paper_id, free = _place_for(workbench, paper_id, fields["name"])
    stored = workbench.store.journal.listing()
    first = command.partition("\n")[0]  # the caption names all
    try:
        words = sources.split(first)
    except WorkbenchError:  # not as a shell reads it
        words = first.split()
    words = tuple(word[:10_000] for word in words)[:MOST_WORDS]
    content = json.loads(json.dumps(plain(shown), default=str))
    fields = {
        **fields,
        "name": free,
        "command": words,
        "trials": [word for word in dict.fromkeys(re.findall(r"\b[0-9a-z]{26}\b", command)) if word in stored],
        "caption": fields["caption"][:10_000],
    }
    looks = None
    if derived.able(words):
        fields["command"] = []
        if followed := _followed(workbench, words, content):
            fields |= {"command": words, "trials": followed.trials}
            content, looks = followed.content, followed.looks
    return add(workbench, paper_id, fields, content, looks).item(free)


def add_table(workbench: Workbench, paper_id: str, name: str, command: str, caption: str = "") -> PaperTable:
    """Takes what a command answers as a table of results into a paper, which is made where there is none."""
    paper_id, free = _place_for(workbench, paper_id, name)
    fields = {"kind": "table", "name": free, "command": sources.split(command), "caption": caption[:10_000], "width_mm": PAGE_MM}
    return add(workbench, paper_id, fields).item(free)


def _place_for(workbench: Workbench, paper_id: str, name: str) -> tuple[str, str]:
    """(id of the paper, which is made where there is none of this id or title, a name that is free in it)."""
    if paper_id not in names(workbench):
        title, paper_id = paper_id, _slug(paper_id)
        if paper_id not in names(workbench):
            create(workbench, title, paper_id)
    return paper_id, free_name(load(workbench, paper_id), name)


def free_name(paper: Paper, words: str) -> str:
    """A name from words that no item of the paper has."""
    there, slug = {item.name for item in paper.items}, _slug(words)
    return next(each for number in range(1, MOST_ITEMS + 2) if (each := slug + f"-{number}" * (number > 1)) not in there)


class Followed(NamedTuple):
    """A chart or table that its command gives, with what it rests on."""

    content: dict[str, Any]
    trials: list[str]
    looks: tuple[ComparedRecipes, ...]


def _followed(workbench: Workbench, command: Sequence[str], content: dict[str, Any]) -> Followed | None:
    """None where its command gives another chart, or none."""
    try:
        trials = derived.derived(workbench, command, content["data"]).trials
        looks = looked.at_hand(workbench, trials)
        told, now = derived.rows_now(workbench, command, content, trials, looks)
        counted = [{name: row[name] for name in comparison.OF_LOOKS if name in row} for row in now]  # of this moment
        content = {**content, "data": [row | own for row, own in zip(told, counted, strict=True)]}
        same = len(trials) <= MOST_TRIALS and not derived.changes(workbench, command, content, trials, looks)
        return Followed(content, trials, looks) if same else None
    except Exception:  # rows of a page may be of any shape, and the chart is taken all the same
        return None


def change_item(workbench: Workbench, paper_id: str, name: str, **fields: Any) -> Paper:
    """Another caption, width, panel letter, way of writing or, of a text, other words or place; what it shows stays."""
    _only(fields, ("caption", "width_mm", "panel", "form", "digits", "unit", "text", "place"))

    def with_it(paper: Paper) -> dict[str, Any]:
        own = paper.item(name)
        return {"items": [{**item.model_dump(), **fields} if item is own else item for item in paper.items]}

    return _changed(workbench, paper_id, with_it)


def add_text(workbench: Workbench, paper_id: str, text: str = "", at: int | None = None, place: Place = "results") -> Paper:
    """Words among the items: the one of that number, counted from 1, else the last."""
    item = _valid(PaperText, {"name": free_name(load(workbench, paper_id), "text"), "text": text, "place": place})
    return _changed(workbench, paper_id, lambda paper: {"items": _at(paper, item, at or len(paper.items) + 1)})


def remove(workbench: Workbench, paper_id: str, name: str) -> Paper:
    """Takes an item out of the paper, with what it showed."""
    paper = _changed(workbench, paper_id, lambda paper: {"items": _but(paper, paper.item(name).name)})
    files.discard(_place(_folder(workbench, paper.id), name))
    return paper


def put_back(workbench: Workbench, paper_id: str, item: Item, showed: Taken, place: int) -> Paper:
    """Takes back what was removed: the item with what it showed, at its place, counted from 1."""
    if item.kind != "text":
        _keep(_document(workbench, paper_id).parent, item.name, showed)
    return _changed(workbench, paper_id, lambda paper: {"items": _at(paper, item, place)})


def move(workbench: Workbench, paper_id: str, name: str, place: int) -> Paper:
    """Puts an item at that place, counted from 1."""
    return _changed(workbench, paper_id, lambda paper: {"items": _at(paper, paper.item(name), place)})


def _but(paper: Paper, name: str) -> list[Item]:
    return [item for item in paper.items if item.name != name]


def _at(paper: Paper, item: Item, place: int) -> list[Item]:
    """The items with this one at a place, counted from 1."""
    others, before = _but(paper, item.name), max(0, place - 1)
    return [*others[:before], item, *others[before:]]


def taken(workbench: Workbench, paper_id: str, name: str) -> Taken:
    """What an item showed when it was taken."""
    return read_taken(_place(_folder(workbench, paper_id), name))


def showed(workbench: Workbench, paper: Paper) -> OnDemand[Taken]:
    """Item -> what it showed when it was taken; a text shows nothing but its words."""
    return OnDemand(
        {
            item.name: partial(Taken, "") if item.kind == "text" else partial(taken, workbench, paper.id, item.name)
            for item in paper.items
        }
    )


def read_taken(path: Path) -> Taken:
    what, todo = "What the item showed", "Take it into the paper again."
    record = files.read_json(path, what, of=dict, todo=todo, most=MOST_BYTES)
    told = {name: record[name] for name in ("content", "looked") if name in record}
    try:
        result, sealed = (
            Taken(told["content"], tuple(map(ComparedRecipes.model_validate, told.get("looked", ())))),
            record["checksum"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WorkbenchError(f"{what} cannot be read: {error}.", where=str(path), todo=todo) from None
    if _seal(told) != sealed:
        raise WorkbenchError("What the item showed was changed: its checksum does not match.", where=path.name)
    return result


def take_again(workbench: Workbench, paper_id: str) -> Paper:
    """Computes every item anew and keeps what they show now; what was taken from a page stays."""
    paper = load(workbench, paper_id)
    for item in paper.items:
        if not sources.computed(item):
            continue
        try:
            add(workbench, paper_id, item.model_dump())
        except WorkbenchError as error:
            todo = f"Take it out: `python -m core paper remove {paper_id} {item.name}`."
            raise WorkbenchError(f"'{item.name}' cannot be computed anew: {error.what}", where=paper_id, todo=todo) from error
    return load(workbench, paper_id)


def checksum(content: Any) -> str:
    """SHA-256 of plain values, the same for equal ones."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False, ensure_ascii=True).encode()).hexdigest()


def packed(showed: Taken) -> str:
    """What `read_taken` reads."""
    told: dict[str, Any] = {"content": showed.content}
    if showed.looked:
        told["looked"] = [each.model_dump(mode="json") for each in showed.looked]
    return json.dumps({"checksum": _seal(told), **told}, indent=1, ensure_ascii=True) + "\n"


def _seal(told: dict[str, Any]) -> str:
    return checksum([told["content"], told["looked"]] if "looked" in told else told["content"])


def _keep(folder: Path, name: str, showed: Taken) -> None:
    text = packed(showed._replace(content=plain(showed.content)))
    if len(text) > MOST_BYTES:
        raise WorkbenchError(f"'{name}' shows more than {MOST_BYTES >> 20} MiB.", todo="Choose fewer points or rows.")
    place = _place(folder, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(place, text, "What the item shows")


def _slug(words: str) -> str:
    """A name from words, a letter first."""
    return ids.slug(words, "paper", 50, letter_first=True)


def _check_title(title: str) -> None:
    if not title.strip():
        raise WorkbenchError("The paper has no title.", todo="Give the one that is to stand on its first page.")


def _valid(model: type[StageConfig], mapping: dict[str, Any]) -> Any:
    """What is wrong is told without the settings of recipes, which say nothing of a paper's."""
    try:
        return valid(model, mapping)
    except WorkbenchError as error:
        raise WorkbenchError(error.what, where=error.where) from None


def _only(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    if other := sorted(fields.keys() - {*names}):
        raise WorkbenchError(f"'{other[0]}' is not changed so.", todo=f"What is: {', '.join(names)}. Else take the item again.")


def _changed(workbench: Workbench, paper_id: str, fields: Callable[[Paper], dict[str, Any]]) -> Paper:
    """The paper with the fields that are made of it, as it stands at this moment."""
    with files.changing(_document(workbench, paper_id)):
        before = load(workbench, paper_id)
        paper = _valid(Paper, dict(before) | fields(before))
        _save(workbench, paper)
    return paper


def _save(workbench: Workbench, paper: Paper) -> None:
    folder = _folder(workbench, paper.id)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_whole(folder / "paper.yaml", written(paper), "The paper")


def _folder(workbench: Workbench, paper_id: str) -> Path:
    if not re.fullmatch(NAME, paper_id):
        raise WorkbenchError(f"'{paper_id}' is no name of a paper.", todo="Small letters, digits and hyphens.")
    return workbench.home / "papers" / paper_id


def _document(workbench: Workbench, paper_id: str) -> Path:
    """The file of a paper that there is."""
    path = _folder(workbench, paper_id) / "paper.yaml"
    if not path.is_file():
        raise WorkbenchError(f"There is no paper '{paper_id}'.", todo="`python -m core paper list` names them.")
    return path


def _place(folder: Path, name: str) -> Path:
    return folder / "items" / f"{name}.json"
