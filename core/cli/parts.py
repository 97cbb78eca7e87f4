"""Parts and settings: what there is to choose from, in the parts' own words."""

import inspect
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import BaseModel

from core import config, registry
from core.cli.frame import verb
from core.cli.tables import show_table
from core.errors import WorkbenchError

Kind = Literal[(*registry.kinds(), "settings", "training")]
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
BETTER = {1: "higher is better", -1: "lower is better", 0: "neither is better"}


def show_listing(listed: list[dict[str, Any]] | dict[str, Any]) -> None:
    """A table of parts or settings; one part with all that it says of itself."""
    if isinstance(listed, list):
        return show_table(listed)
    print(f"{listed['name']}\n\n{listed['what']}")
    if "source" in listed:
        print(f"\n{listed['label']}: {listed['low']:g} to {listed['high']:g}, {listed['better']}. Source: {listed['source']}.")
    if listed["settings"]:
        print()
        show_table(listed["settings"])


@verb("list", show_listing)
def listing(
    kind: Kind,
    name: Annotated[str, Parameter(help="A part, a stage or a training: only that, with its whole description.")] = "",
    /,
) -> list[dict[str, Any]] | dict[str, Any]:
    """The parts of a kind, or one of them in full; all settings of a recipe; the settings of trainings."""
    if kind in ("settings", "training"):
        rows = settings() if kind == "settings" else trainings()
        return [row for row in rows if row["setting"].startswith(name)] if name else rows
    if not name:
        return [{"name": part, "what": summary(cls)} for part, cls in registry.parts(kind).items()]
    if name not in (parts := registry.parts(kind)):
        raise WorkbenchError(f"There is no {kind} '{name}'.", where="list", todo=f"Choose among {', '.join(parts)}.")
    return told(kind, name, parts[name])


def summary(cls: type) -> str:
    """What a part does and when to take it: the first paragraph of its docstring, with the formula that its sentence goes on with."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    whole = next((number for number, paragraph in enumerate(paragraphs, 1) if paragraph.endswith((".", "?"))), len(paragraphs))
    return " ".join(" ".join(paragraphs[:whole]).split())


def told(kind: str, name: str, cls: type) -> dict[str, Any]:
    """A part's docstring, of a metric or measure its range and source, and its settings."""
    stages = [stage for stage, its in config.PART_KINDS.items() if its == kind]
    about = {"name": name, "what": inspect.cleandoc(cls.__doc__ or "")}
    if kind in ("metric", "measure"):
        low, high = cls.range
        about |= {"label": cls.label.format(k="k"), "low": low, "high": high, "better": BETTER[cls.direction]}
        about["source"] = cls.source
    own = setting_rows(stages[0] if stages else "", cls, name) if issubclass(cls, BaseModel) else []
    return {**about, "settings": [{k: v for k, v in row.items() if k != "part"} for row in own]}


def setting_rows(stage: str, cls: type[BaseModel], part: str) -> list[dict[str, Any]]:
    """The settings of a class: name behind its stage, default, bounds, unit and description."""
    rows, schema = [], cls.model_json_schema()["properties"]
    for name, info in cls.model_fields.items():
        if name == "part" or isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            continue
        about = schema[name]
        bounds = [f"{sign} {about[key]}" for key, sign in BOUNDS.items() if key in about]
        rows.append(
            {
                "setting": f"{stage}.{name}" if stage else name,
                "part": part,
                "default": info.default,
                "allowed": " | ".join(map(str, about.get("enum", []))) or ", ".join(bounds),
                "unit": about.get("unit", ""),
                "what": info.description or "",
            }
        )
    return rows


def settings() -> list[dict[str, Any]]:
    """Every setting of every stage and part: dotted name, part, default, bounds, unit and description."""
    table = []
    for stage, info in config.FIELDS.items():
        if stage in config.PART_KINDS:
            for name, cls in registry.parts(config.PART_KINDS[stage]).items():
                table += setting_rows(stage, cls, name)
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            table += setting_rows(stage, info.annotation, "")
    return table + [row for row in setting_rows("", config.TrialConfig, "") if row["setting"] == "seed"]


def trainings() -> list[dict[str, Any]]:
    """Every setting of every training, by the name of its verb, as `--train` takes it."""
    from core.training.adapters.settings import AdapterTraining, PreferenceTraining
    from core.training.encoders.rag_settings import RagTraining
    from core.training.encoders.settings import TrainConfig
    from core.training.faithfulness.settings import FaithfulnessTraining
    from core.training.heads.settings import HeadTraining
    from core.training.rerankers.settings import RerankerTraining

    each = {
        "encoder": TrainConfig, "rag": RagTraining, "reranker": RerankerTraining, "faithfulness": FaithfulnessTraining,
        "head": HeadTraining, "adapter": AdapterTraining, "preferences": PreferenceTraining,
    }  # fmt: skip
    rows = [row for name, cls in each.items() for row in setting_rows(name, cls, "")]
    return [{k: v for k, v in row.items() if k != "part"} for row in rows]
