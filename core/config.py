"""The whole recipe of a trial as one frozen config, and the identity of everything computed from it.

Form, command line, YAML, validation, docs table and cache key all come from these classes.
"""

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import resolve_name
from pathlib import Path
from string import Template
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from core import registry
from core.errors import WorkbenchError
from core.registry import knob_label, lower, plain_words, word


class StageConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PartConfig(StageConfig):
    """Base of every part: subclasses set `part: Literal["name"] = "name"` and their knobs."""

    order: ClassVar[int] = 0  # of display among the parts of its kind, smallest first; then by name
    idle: ClassVar[bool] = False  # it does nothing: its stage is passed over
    # settings that older records lack, with the value that does what those did: said by them, a recipe has their identity
    added: ClassVar[dict[str, Any]] = {}
    part: str

    @model_validator(mode="before")
    @classmethod
    def _of_older_records(cls, recipe: Any) -> Any:
        """A record holds all settings that there were; what people write names some, and has today's defaults for the others."""
        lacking = cls.model_fields.keys() - recipe.keys() if isinstance(recipe, dict) else set()
        return {**recipe, **cls.added} if lacking and lacking == cls.added.keys() else recipe

    def absent(self) -> bool:
        """Whether its model, the setting `model`, is still to be fetched, and may be."""
        return False

    def fetch(self) -> None:
        """Brings the model to this machine."""


def knob(
    default: Any,
    tip: str,
    *,
    unit: str = "",
    step: float | None = None,
    label: str = "",
    automatic: bool = False,
    editor: bool = False,
    **bounds: Any,
) -> Any:
    """A setting: default, bounds (ge, le, gt, lt), unit, one description of at most two sentences. automatic: 0 leaves the
    choice to the part. editor: it is edited by more than a widget of its stage's form."""
    told = {"unit": unit, "step": step, "label": label, "automatic": automatic, "editor": editor}
    extra = {name: value for name, value in told.items() if value}
    return Field(default, description=tip, json_schema_extra=extra or None, **bounds)


class Choice(NamedTuple):
    """Mark of a field that chooses a part of a kind."""

    kind: str


def chosen(kind: str) -> Any:
    """Field type: any registered part of that kind, from an instance, its name, or a mapping with `part` and knobs."""

    def build(value: Any) -> Any:
        if isinstance(value, str):
            value = {"part": value}
        if isinstance(value, dict):
            return registry.find(kind, str(value.get("part", ""))).model_validate(value)
        return value

    return Annotated[SerializeAsAny[PartConfig], BeforeValidator(build), Choice(kind)]


_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


class CorpusConfig(StageConfig):
    dataset: str = knob("python-reference", "The corpus and its questions, by the name that `datasets` lists.")
    questions: Literal["all", "dev", "test"] = knob(
        "all", "All questions, or a half of them split by document and title: tune on dev, report on test."
    )


class TransformConfig(StageConfig):
    """What is done to the encoder's vectors before they are indexed, in the order of these settings.

    Everything is fitted on the chunks' vectors alone and applied to the questions' as well.
    """

    centre: bool = knob(
        False,
        "Subtracts the mean of all chunks, the direction that all texts share. Helps vectors that fill a cone; loses "
        "what that direction told.",
    )
    remove_top: int = knob(
        0,
        "Principal directions taken out after centring (all-but-the-top). A few even out a cone "
        "of vectors, many take out meaning.",
        unit="directions",
        ge=0,
        le=50,
    )
    projection: Literal["none", "pca", "whitening"] = knob(
        "none",
        "PCA keeps the directions of most variance, and both centre. Whitening also gives them equal weight, noise included.",
    )
    dimensions: int = knob(
        0, "Dimensions that the projection keeps; 0 keeps all. Fewer are smaller and faster, and lose detail.", ge=0, le=4096
    )
    cut: int = knob(
        0,
        "Matryoshka cut: only the first so many numbers are kept; 0 keeps all. Fewer are smaller and "
        "faster; encoders not trained for it lose much.",
        ge=0,
        le=4096,
    )
    normalise: bool = knob(
        False,
        "Scales every vector to length 1, so that dot product and distance rank as cosine does. Loses what the length told.",
    )
    quantise: Literal["none", "float16", "int8", "binary", "pq", "opq"] = knob(
        "none",
        "Number format of the stored vectors; questions stay exact. Fewer bytes (int8 a quarter, binary a 32nd) "
        "rank less exactly, which rescoring mostly repairs.",
    )
    code_bytes: int = knob(
        32, "Bytes of a PQ or OPQ code. More keep more of the vector, and take more memory.", unit="bytes", ge=1, le=512
    )
    rescore: int = knob(
        1,
        "So many times the candidates are fetched and ranked again by the unquantised vectors; 1: "
        "off. More finds more, slower, and the float vectors have to be kept.",
        ge=1,
        le=50,
    )


class RetrievalConfig(StageConfig):
    candidates: int = knob(
        100, "Chunks each retriever hands to the fusion. More finds more, and takes longer.", unit="chunks", ge=1, le=1000
    )
    documents: str = knob(
        "",
        "Only these documents may be found: `source=manual*; title!=Draft*`, or a text that title, source or id contain; empty: "
        "all. `{group}` stands for the question's own.",
    )
    top_k: int = knob(
        20,
        "Length of the final ranking that is shown and kept; where the depth k is larger, so many are kept.",
        unit="chunks",
        ge=1,
        le=1000,
    )


class ContextConfig(StageConfig):
    passages: int = knob(
        3, "Chunks given to the generator. More may hold the answer, or distract a small model.", unit="chunks", ge=1, le=20
    )
    max_tokens: int = knob(
        1200, "Room for the passages in the prompt; what does not fit is left out, last first.", unit="tokens", ge=64, le=32768
    )
    threshold: float = knob(
        0.3, "Dense similarity that the best chunk must reach. Below it the answer is: I don't know.", ge=-1.0, le=1.0, step=0.01
    )
    hand_on: Literal["chunk", "merged", "neighbours", "section", "document"] = knob(
        "chunk",
        "What is given for a chunk: itself, joined with chunks it overlaps or touches, or what it stands in, joined alike. "
        "More text around it explains more and fills the room sooner; where it has none, the chunk itself is given.",
    )
    duplicates: float = knob(
        1.0,
        "A chunk that shares this much of its word sequences with a better one is dropped, and the next takes its place; 1: "
        "off. Lower drops more, also what only looks alike.",
        gt=0.0,
        le=1.0,
        step=0.05,
    )
    compress: float = knob(
        1.0,
        "Share of a passage's sentences that is kept, those nearest the question; 1 keeps all. Fewer make room for more "
        "passages, and may drop the answer.",
        gt=0.0,
        le=1.0,
        step=0.05,
    )
    nearest_by: Literal["words", "encoder"] = knob(
        "words",
        "How near a sentence is to the question when passages are compressed: by the rare words they share, or by the encoder.",
    )
    order: Literal["best_first", "best_last", "interleaved"] = knob(
        "best_first",
        "Order of the passages in the prompt. Models read the start and the end better than the middle: interleaved puts "
        "the best at both ends.",
    )
    citations: Literal["brackets", "parentheses", "footnotes", "titles"] = knob(
        "brackets", "How passages are marked and cited: [1], (1), [^1], or [title]. Citations are read back in the same form."
    )
    template: str = knob(
        "",
        "The prompt, with the variables $instructions, $passages, $question, $reminder, $title, $titles, $n, $mark and "
        "$unknown; empty: the built-in one. A dollar is written $$.",
        editor=True,
        max_length=4000,
    )
    passage: str = knob(
        "",
        "A passage in the prompt, with the variables $mark, $n, $text, $title, $document and $page; empty: the built-in one.",
        label="Passage template",
        editor=True,
        max_length=4000,
    )

    @field_validator("template", "passage")
    @classmethod
    def _readable(cls, text: str, info: ValidationInfo) -> str:
        if text:
            check_template(text, *TEMPLATES[info.field_name])
        return text


# setting -> (the variables of such a template, those of them that it must have)
TEMPLATES = {
    "template": ("instructions passages question reminder title titles n mark unknown".split(), ("passages", "question")),
    "passage": ("mark n text title document page".split(), ("text",)),
}


def check_template(text: str, variables: Sequence[str], needed: Sequence[str]) -> None:
    """Raises ValueError naming what is wrong. string.Template knows names alone: no attribute, no item, no call."""
    names = Template(text).get_identifiers()
    if not Template(text).is_valid():
        raise ValueError("a $ that begins no variable is written $$")
    if unknown := [name for name in names if name not in variables]:
        raise ValueError(f"there is no variable ${unknown[0]}; there are {', '.join(f'${name}' for name in variables)}")
    if missing := [name for name in needed if name not in names]:
        raise ValueError(f"the variable ${missing[0]} is missing")


class EvaluationConfig(StageConfig):
    k: int = knob(10, "Depth at which the ranking is judged.", unit="chunks", ge=1, le=1000)
    overlap: float = knob(
        0.5, "Share of the shorter of chunk and gold span that must overlap for the chunk to count.", gt=0.0, le=1.0, step=0.05
    )
    resamples: int = knob(1000, "Bootstrap resamples behind each interval.", ge=100, le=20000)
    confidence: float = knob(0.95, "Level of the intervals.", gt=0.5, lt=1.0, step=0.01)


class TrialConfig(StageConfig):
    """The recipe in pipeline order. Every trial, page and command speaks in these terms."""

    corpus: CorpusConfig = Field(default_factory=CorpusConfig)
    chunking: chosen("chunker") = Field("recursive", validate_default=True)
    embedding: chosen("encoder") = Field("minilm", validate_default=True)
    transform: TransformConfig = Field(default_factory=TransformConfig)
    sparse: chosen("sparse") = Field("bm25s", validate_default=True)
    index: chosen("index") = Field("exact", validate_default=True)
    query: chosen("query") = Field("as_asked", validate_default=True)
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig)
    fusion: chosen("fusion") = Field("convex", validate_default=True)
    rerank: chosen("reranker") = Field("none", validate_default=True)
    rerank_2: chosen("reranker") = Field("none", validate_default=True)
    rerank_3: chosen("reranker") = Field("none", validate_default=True)
    context: ContextConfig = Field(default_factory=ContextConfig)
    answering: chosen("answering") = Field("one_prompt", validate_default=True)
    generation: chosen("generator") = Field("llama_cpp", validate_default=True)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    seed: int = knob(0, "Seeds every resampling and every sampled answer.", ge=0, le=2**31 - 1)

    @property
    def depth(self) -> int:
        """So many of the final ranking are kept and judged: never fewer than the metrics look at."""
        return max(self.retrieval.top_k, self.evaluation.k)


# field of the recipe -> kind of part it chooses from
PART_KINDS = {
    name: mark.kind for name, info in TrialConfig.model_fields.items() for mark in info.metadata if isinstance(mark, Choice)
}


def build(mapping: dict[str, Any]) -> TrialConfig:
    """TrialConfig from a plain mapping (YAML, URL, command line); raises WorkbenchError naming each bad setting."""
    return valid(TrialConfig, mapping)


def valid(model: type[BaseModel], mapping: dict[str, Any]) -> Any:
    """A config of that class from a plain mapping; raises WorkbenchError naming each bad setting."""
    try:
        return model.model_validate(mapping)
    except ValidationError as error:
        problems = [(error["loc"], problem_words(_label_at(model, mapping, error["loc"]), error)) for error in error.errors()]
        told = "; ".join(words for _, words in problems)
        raise WorkbenchError(
            f"{told[:1].upper()}{told[1:]}.",
            where=", ".join(".".join(map(str, place)) for place, _ in problems if place),
            todo="`python -m core list settings` names every setting with its bounds.",
        ) from None


def _label_at(model: type[BaseModel], mapping: Any, place: Sequence[Any]) -> str:
    """What a form calls the setting there: of a part that is chosen one of the part's."""
    label = ""
    for name in place:
        field = model.model_fields.get(str(name)) if model else None
        if field is None:
            return word(next((each for each in reversed(place) if isinstance(each, str)), "")) or label or str(name)
        label, mapping = knob_label(str(name), field), mapping.get(name) if isinstance(mapping, dict) else None
        kind = next((mark.kind for mark in field.metadata if isinstance(mark, Choice)), "")
        if kind:
            model = registry.parts(kind).get(mapping.get("part", field.default) if isinstance(mapping, dict) else str(mapping))
        else:
            model = field.annotation if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) else None
    return label


def problem_words(name: str, error: Any) -> str:
    """What is wrong with a setting, of an error as pydantic tells it: "dense weight must be at most 1"."""
    limits, kind = error.get("ctx") or {}, error["type"]
    if kind == "value_error":
        return plain_words(error["msg"].removeprefix("Value error, "))
    if kind == "extra_forbidden":
        return f"there is no setting '{error['loc'][-1]}'"
    if limit := next((key for key in _LIMITS if key in limits), ""):
        return f"{lower(name)} must be {_LIMITS[limit]} {limits[limit]:{',' if isinstance(limits[limit], int) else 'g'}}"
    if kind == "string_pattern_mismatch":
        return f"{lower(name)} must match {limits['pattern']}"
    if kind == "literal_error":
        return f"{lower(name)} must be {limits['expected']}"
    return f"{lower(name)} must be {next((word for part, word in _KINDS.items() if part in kind), error['msg'])}"


_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "max_length": "of a length of at most"}
_KINDS = {
    "int": "a whole number", "float": "a number", "finite": "a finite number", "bool": "true or false", "string": "a text",
    "tuple": "a list", "list": "a list", "missing": "given",
}  # fmt: skip


def with_settings(config: TrialConfig, settings: dict[str, Any]) -> TrialConfig:
    """A copy with dotted settings replaced ({"chunking.size_tokens": 128}). A new `part` starts from its defaults."""
    mapping = config.model_dump(mode="json")
    # parts first: a knob given beside a new part belongs to the new one
    for path, value in sorted(settings.items(), key=lambda item: "." in item[0] and not item[0].endswith(".part")):
        stage, _, name = path.partition(".")
        if stage not in mapping:
            raise WorkbenchError(f"There is no stage '{stage}'.", where=path, todo=f"Stages: {', '.join(mapping)}.")
        if not name:
            mapping[stage] = {"part": value} if stage in PART_KINDS and isinstance(value, str) else value
        elif not isinstance(mapping[stage], dict):
            raise WorkbenchError(
                f"'{stage}' has no setting '{name}'.", where=path, todo="`python -m core list settings` names every setting."
            )
        elif name == "part":
            if value != mapping[stage].get("part"):
                mapping[stage] = {"part": value}
        else:
            mapping[stage] = {**mapping[stage], name: value}
    return build(mapping)


def difference(recipe: TrialConfig, base: TrialConfig | None = None) -> dict[str, Any]:
    """Dotted settings that turn `base` (default: the defaults) into `recipe`, in pipeline order."""
    base, changes = base or TrialConfig(), {}
    for stage in TrialConfig.model_fields:
        mine, theirs = getattr(recipe, stage), getattr(base, stage)
        if mine == theirs:
            continue
        if not isinstance(mine, BaseModel):
            changes[stage] = mine
            continue
        if type(mine) is not type(theirs):
            changes[f"{stage}.part"] = mine.part
            theirs = type(mine)()
        for name in type(mine).model_fields:
            if getattr(mine, name) != getattr(theirs, name):
                changes[f"{stage}.{name}"] = getattr(mine, name)
    return changes


def setting_rows(stage: str, cls: type[BaseModel], part: str) -> list[dict[str, Any]]:
    """The settings of a class: name behind its stage, default, bounds, unit and description."""
    rows, schema = [], cls.model_json_schema()["properties"]
    for name, info in cls.model_fields.items():
        if name == "part" or isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            continue
        about = schema[name]
        bounds = [f"{sign} {about[key]}" for key, sign in _BOUNDS.items() if key in about]
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
    for stage, info in TrialConfig.model_fields.items():
        if stage in PART_KINDS:
            for name, cls in registry.parts(PART_KINDS[stage]).items():
                table += setting_rows(stage, cls, name)
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            table += setting_rows(stage, info.annotation, "")
    return table + [row for row in setting_rows("", TrialConfig, "") if row["setting"] == "seed"]


def fingerprint(*parts: Any) -> str:
    """Identity of content: 20 hex digits of SHA-256 over canonical JSON (configs as their dumped mapping). Of a recipe the
    stages and added settings that do nothing are left out: one from before there were such is the same."""

    def plain(value: Any) -> Any:
        if not isinstance(value, BaseModel):
            return str(value)
        mapping = value.model_dump(mode="json")
        return doing(mapping) if isinstance(value, TrialConfig) else mapping

    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def doing(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe as a mapping without the stages, and the added settings, that do nothing: records from before there were such
    say the same."""
    told = {}
    for field, value in recipe.items():
        added = _passed_over().get((field, value.get("part", "")), {}) if isinstance(value, dict) else {}
        if added is not None:
            told[field] = {k: v for k, v in value.items() if k not in added or v != added[k]} if added else value
    return told


@cache
def _passed_over() -> dict[tuple[str, str], dict[str, Any] | None]:
    """(field, part) -> its added settings; None: it is idle, and passed over as a whole."""
    parts = ((field, name, part) for field, kind in PART_KINDS.items() for name, part in registry.parts(kind).items())
    return {(field, name): None if part.idle else part.added for field, name, part in parts if part.idle or part.added}


CORE = Path(__file__).parent
FRAME = {
    "config", "errors", "files", "jobs", "progress", "records", "registry", "store",
    # of models what finds, loads and measures them, but not what changes a text or a weight
    "models.amx", "models.gguf_files", "models.hardware", "models.hub", "models.identity", "models.loading",
    "models.own_process", "models.probes", "models.threads",
}  # fmt: skip
EVERYWHERE = {"numpy", "pydantic", "yaml"}  # packages that all of core stands on
DISTRIBUTIONS = {
    "Stemmer": "PyStemmer", "bs4": "beautifulsoup4", "docx": "python-docx", "faiss": "faiss-cpu",
    "llama_cpp": "llama-cpp-python", "sklearn": "scikit-learn",
}  # fmt: skip


def code_version(*workers: Any) -> str:
    """Identity of the code behind a result: the modules in which these parts, classes or functions stand, all that those
    import inside `core`, also within functions, and the versions of the packages that they import.

    What is not imported is not in it: a change elsewhere in the folder computes nothing anew. Left out is the FRAME: it
    says what is wanted, fetches, keeps and hands on, and computes nothing of a result. What a model file holds is in
    the identity of the part that reads it.
    """
    return _code_version(frozenset(worker.__module__ for worker in workers))


@cache
def _code_version(modules: frozenset[str]) -> str:
    behind = _behind(modules)
    return fingerprint({module: source(module) for module in behind}, _versions(behind))


def package_versions(*workers: Any) -> dict[str, str]:
    """The packages that these workers stand on, and their versions."""
    return {"numpy": installed("numpy"), **_versions(_behind(frozenset(worker.__module__ for worker in workers)))}


def _versions(modules: Iterable[str]) -> dict[str, str]:
    names = {name.partition(".")[0] for module in modules for name in _imported(module)}
    outside = sorted(names - sys.stdlib_module_names - EVERYWHERE - {"core"})
    return {(package := DISTRIBUTIONS.get(name, name)): installed(package) for name in outside}


def _behind(modules: frozenset[str]) -> list[str]:
    """The modules with all of core that they import, but the frame; sorted."""
    names, ahead = set(), list(modules)
    while ahead:
        if (module := ahead.pop()) not in names:
            names.add(module)
            ahead += [other for other in _imported(module) if other.startswith("core.") and not _in_frame(other)]
    return sorted(names)


def _in_frame(module: str) -> bool:
    _, room, *inner = module.split(".")
    return room in FRAME or ".".join([room, *inner]) in FRAME


@cache
def _imported(module: str) -> frozenset[str]:
    """Names of the modules that a module imports, at its top and within its functions."""
    names, ahead = set(), list(ast.parse(source(module)).body)
    while ahead:
        statement = ahead.pop()
        ahead += [inner for block in _BLOCKS for inner in getattr(statement, block, ())]
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            origin = resolve_name("." * statement.level + (statement.module or ""), module.rpartition(".")[0])
            whole = {f"{origin}.{alias.name}" for alias in statement.names}
            inside = {name for name in whole if name.startswith("core.") and _file(name)}
            names |= inside | ({origin} if inside < whole else set())
    return frozenset(names)


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def source(module: str) -> str:
    """The text of a module of core, or of the loaded one that holds a part from elsewhere."""
    file = _file(module) or getattr(sys.modules.get(module), "__file__", None)
    return Path(file).read_text("utf-8") if file else ""


def _file(module: str) -> Path | None:
    path = CORE.parent.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def installed(package: str) -> str:
    """The version of a package, or "absent". Only the head of its metadata is read: parsing all of it, with a README of
    some hundred pages, takes 10 ms and more for each of the engines."""
    try:
        match = re.search(r"^Version:[ \t]*(\S+)", distribution(package).read_text("METADATA") or "", re.MULTILINE)
    except PackageNotFoundError:
        return "absent"
    return match[1] if match else version(package)
