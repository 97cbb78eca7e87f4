"""The whole recipe of a trial as one frozen config, and the identity of everything computed from it.

Form, command line, YAML, validation, docs table and cache key all come from these classes.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import zip_longest
from string import Template
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from core import registry
from core.errors import WorkbenchError
from core.registry import code_version as code_version
from core.registry import digest, knob_label, lower, plain_words, word
from core.registry import package_versions as package_versions
from core.registry import source as source


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
        if not isinstance(recipe, dict):
            return recipe
        lacking = cls.model_fields.keys() - recipe.keys()
        return {**recipe, **{name: cls.added[name] for name in lacking}} if lacking <= cls.added.keys() else recipe

    def having(self, **settings: Any) -> Self:
        """This part with these settings, of them those that it has."""
        return self.model_copy(update={name: value for name, value in settings.items() if name in type(self).model_fields})

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


class Places(NamedTuple):
    """Of a field that lists parts of a kind: each member has a place, by whose name its settings are said and recorded."""

    kind: str
    first: str  # name of the first place; the second is `first_2`
    usual: tuple[str, ...]  # the parts where nothing is said
    told: int  # so many places stand in every record; 0: none of a list that is the usual one

    @property
    def names(self) -> tuple[str, ...]:
        return (self.first, *(f"{self.first}_{number}" for number in range(2, MOST_MEMBERS + 1)))

    def of(self, members: Sequence[Any]) -> dict[str, Any]:
        """The members by their places, and nothing in the rest of those that a record holds."""
        if not self.told and tuple(member["part"] for member in members) == self.usual:
            return {}
        width = max(self.told, len(self.usual), len(members))
        return dict(zip_longest(self.names[:width], members, fillvalue={"part": NOTHING}))


MOST_MEMBERS = 5  # of a list in a recipe
NOTHING = "none"  # the part of a place without a member
# field of the recipe -> its places
LISTS = {"retrievers": Places("retriever", "retriever", ("sparse", "dense"), 0), "rerankers": Places("reranker", "rerank", (), 3)}
PLACES = {name: (field, number) for field, places in LISTS.items() for number, name in enumerate(places.names)}


def members(field: str) -> Any:
    """Field type: a list of parts of the kind of that field's places."""
    return Annotated[tuple[chosen(LISTS[field].kind), ...], LISTS[field]]


class CorpusConfig(StageConfig):
    dataset: str = knob("python-reference", "The corpus and its questions, by the name that `corpus list` lists.")
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
        "Matryoshka cut: only this many leading dimensions are kept; 0: all. Fewer are smaller and "
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
        "Length of the final ranking that is shown and kept; if the depth k is larger, k are kept.",
        unit="chunks",
        ge=1,
        le=1000,
    )


class ContextConfig(StageConfig):
    # settings that came later, with the value that does nothing: so they stand in no record and in no key, as before them
    added: ClassVar[dict[str, Any]] = {"confidence": 0.0, "length": "few_words"}
    passages: int = knob(
        3, "Chunks given to the generator. More may hold the answer, or distract a small model.", unit="chunks", ge=1, le=20
    )
    max_tokens: int = knob(
        1200, "Room for the passages in the prompt; what does not fit is left out, last first.", unit="tokens", ge=64, le=32768
    )
    threshold: float = knob(
        0.3, "Dense similarity that the best chunk must reach. Below it the answer is: I don't know.", ge=-1.0, le=1.0, step=0.01
    )
    confidence: float = knob(
        0.0, "Answers of which the model is less sure than this become: I don't know. 0: off.", ge=0.0, le=1.0, step=0.01
    )
    length: Literal["few_words", "sentence"] = knob(
        "few_words",
        "What the built-in prompt asks for. Reference answers that are whole sentences are met better by one sentence.",
        label="Answer in",
    )
    hand_on: Literal["chunk", "merged", "neighbours", "section", "document"] = knob(
        "chunk",
        "What is given for a chunk: itself, merged with chunks it overlaps or touches, or what contains it, merged likewise. "
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

    @model_serializer(mode="wrap")
    def _without_added(self, dump: Any) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if name not in self.added or value != self.added[name]}


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
    retrievers: members("retrievers") = Field(default_factory=lambda: _usual("retrievers"), max_length=MOST_MEMBERS)
    retrieval: RetrievalConfig = Field(default_factory=RetrievalConfig)
    fusion: chosen("fusion") = Field("convex", validate_default=True)
    rerankers: members("rerankers") = Field((), max_length=MOST_MEMBERS)
    context: ContextConfig = Field(default_factory=ContextConfig)
    answering: chosen("answering") = Field("one_prompt", validate_default=True)
    generation: chosen("generator") = Field("llama_cpp", validate_default=True)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    seed: int = knob(0, "Seeds every resampling and every sampled answer.", ge=0, le=2**31 - 1)

    @property
    def depth(self) -> int:
        """So many of the final ranking are kept and judged: never fewer than the metrics look at."""
        return max(self.retrieval.top_k, self.evaluation.k)

    def __getattr__(self, name: str) -> Any:
        """The member at a place."""
        if name not in PLACES:
            return super().__getattr__(name)
        field, number = PLACES[name]
        listed = getattr(self, field)
        return listed[number] if number < len(listed) else _nothing(LISTS[field].kind)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "TrialConfig":
        changes = dict(update or {})
        for field in dict.fromkeys(PLACES[name][0] for name in changes if name in PLACES):
            changes[field] = _without_end([changes.pop(name, getattr(self, name)) for name in LISTS[field].names])
        return super().model_copy(update=changes, deep=deep)

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, recipe: Any) -> Any:
        """Members are said as a list or by their places."""
        if not isinstance(recipe, dict) or not (placed := PLACES.keys() & recipe.keys()):
            return recipe
        recipe = dict(recipe)
        for field in {PLACES[name][0] for name in placed}:
            members = recipe.get(field, LISTS[field].usual)
            members = list(members) if isinstance(members, list | tuple) else [members]
            for name in (name for name in LISTS[field].names if name in placed):
                number = PLACES[name][1]
                members += [NOTHING] * (number + 1 - len(members))
                members[number] = recipe.pop(name)
            recipe[field] = members
        return recipe

    @field_validator(*LISTS)
    @classmethod
    def _trimmed(cls, listed: tuple[PartConfig, ...], info: ValidationInfo) -> tuple[PartConfig, ...]:
        if not (trimmed := _without_end(listed)) and LISTS[info.field_name].usual:
            raise ValueError(f"a recipe needs a {LISTS[info.field_name].kind}")
        return trimmed

    @model_serializer(mode="wrap")
    def _by_places(self, dump: Any) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for name, value in dump(self).items():
            told |= LISTS[name].of(value) if name in LISTS else {name: value}
        return told


@cache
def _usual(field: str) -> tuple[PartConfig, ...]:
    return tuple(registry.find(LISTS[field].kind, name)() for name in LISTS[field].usual)


@cache
def _nothing(kind: str) -> PartConfig:
    return registry.find(kind, NOTHING)()


def _without_end(listed: Sequence[PartConfig]) -> tuple[PartConfig, ...]:
    """Members up to the last that does something: what stands before it keeps its place."""
    return tuple(listed[: max((number for number, member in enumerate(listed, 1) if not member.idle), default=0)])


def _fields() -> dict[str, FieldInfo]:
    told: dict[str, FieldInfo] = {}
    for name, info in TrialConfig.model_fields.items():
        if name in LISTS:
            places = zip_longest(LISTS[name].names, LISTS[name].usual, fillvalue=NOTHING)
            told |= {place: FieldInfo.from_annotated_attribute(chosen(LISTS[name].kind), part) for place, part in places}
        else:
            told[name] = info
    return told


# what settings of a recipe begin with, in pipeline order: its fields, and the places of those that are lists
FIELDS = _fields()
# of these, those that choose a part -> its kind
PART_KINDS = {name: mark.kind for name, info in FIELDS.items() for mark in info.metadata if isinstance(mark, Choice)}


def build(mapping: dict[str, Any]) -> TrialConfig:
    """TrialConfig from a plain mapping (YAML, URL, command line); raises WorkbenchError naming each bad setting."""
    return valid(TrialConfig, mapping)


def valid(model: type[BaseModel], mapping: dict[str, Any]) -> Any:
    """A config of that class from a plain mapping; raises WorkbenchError naming each bad setting."""
    try:
        return model.model_validate(mapping)
    except ValidationError as error:
        problems = [(at := _at(error["loc"]), problem_words(_label_at(model, mapping, at), error)) for error in error.errors()]
        told = "; ".join(words for _, words in problems)
        raise WorkbenchError(
            f"{told[:1].upper()}{told[1:]}.",
            where=", ".join(".".join(map(str, place)) for place, _ in problems if place),
            todo="`python -m core list settings` names every setting with its bounds.",
        ) from None


def _at(place: Sequence[Any]) -> Sequence[Any]:
    """A member's place by its name."""
    return (LISTS[place[0]].names[place[1]], *place[2:]) if len(place) > 1 and place[0] in LISTS else place


def _label_at(model: type[BaseModel], mapping: Any, place: Sequence[Any]) -> str:
    """What a form calls the setting there: of a part that is chosen one of the part's."""
    label = ""
    for name in place:
        field = (FIELDS if model is TrialConfig else model.model_fields).get(str(name)) if model else None
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
        counted = {"string_too_long": " characters", "too_long": " entries"}.get(kind, "")
        return f"{lower(name)} must be {_LIMITS[limit]} {limits[limit]:{',' if isinstance(limits[limit], int) else 'g'}}{counted}"
    if kind == "string_pattern_mismatch":
        return f"{lower(name)} must match {limits['pattern']}"
    if kind == "literal_error":
        return f"{lower(name)} must be {limits['expected']}"
    return f"{lower(name)} must be {next((word for part, word in _KINDS.items() if part in kind), error['msg'])}"


_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "max_length": "of at most"}
_KINDS = {
    "int": "a whole number", "float": "a number", "finite": "a finite number", "bool": "true or false", "string": "a text",
    "tuple": "a list", "list": "a list", "missing": "given",
}  # fmt: skip


def with_settings(config: TrialConfig, settings: dict[str, Any]) -> TrialConfig:
    """A copy with dotted settings replaced ({"chunking.size_tokens": 128}). A new `part` starts from its defaults."""
    settings = {name: value for path, value in settings.items() for name, value in _by_place(path, value).items()}
    places = {name for path in settings if (name := path.partition(".")[0]) in PLACES}
    mapping = {name: getattr(config, name).model_dump(mode="json") for name in sorted(places)} | config.model_dump(mode="json")
    # parts first: a knob given beside a new part belongs to the new one
    for path, value in sorted(settings.items(), key=lambda item: "." in item[0] and not item[0].endswith(".part")):
        stage, _, name = path.partition(".")
        if stage not in mapping:
            raise WorkbenchError(f"There is no stage '{stage}'.", where=path, todo=f"Stages: {', '.join(FIELDS)}.")
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


def _by_place(path: str, value: Any) -> dict[str, Any]:
    """A setting; of a list one for each of its places."""
    if path not in LISTS:
        return {path: value}
    listed = value if isinstance(value, list | tuple) else [value]
    if len(listed) > MOST_MEMBERS:
        raise WorkbenchError(f"A recipe has at most {MOST_MEMBERS} {path}.", where=path, todo="Leave some out.")
    return dict(zip_longest(LISTS[path].names, listed, fillvalue=NOTHING))


def difference(recipe: TrialConfig, base: TrialConfig | None = None) -> dict[str, Any]:
    """Dotted settings that turn `base` (default: the defaults) into `recipe`, in pipeline order."""
    base, changes = base or TrialConfig(), {}
    for stage in FIELDS:
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


def fingerprint(*parts: Any) -> str:
    """Identity of content: its digest, with configs as their dumped mapping. Of a recipe the
    stages and added settings that do nothing are left out: one from before there were such is the same."""

    def plain(value: Any) -> Any:
        if not isinstance(value, BaseModel):
            return str(value)
        mapping = value.model_dump(mode="json")
        return doing(mapping) if isinstance(value, TrialConfig) else mapping

    return digest(parts, plain)


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
    """(field, part) -> its added settings; None: it is idle, or the usual one of a place, and passed over as a whole."""
    usual = {name: FIELDS[name].default for name in PLACES}
    parts = ((field, name, part) for field, kind in PART_KINDS.items() for name, part in registry.parts(kind).items())
    told = ((f, name, part, name == usual[f] if f in usual else part.idle) for f, name, part in parts)
    return {(field, name): None if over else part.added for field, name, part, over in told if over or part.added}
