"""What a recipe is called: in a few words, stage by stage, and what a question of it runs through."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from core import registry
from core.config import FIELDS, PART_KINDS, TrialConfig, doing, fingerprint, source
from core.pipeline.stages import asks_model, ranking_fields, unused
from core.registry import knob_label, lower, word

LONG_NAME = 4  # settings told in a name made from them
LONG_TEXT = 40  # characters of a value in such a name
OF_ANSWERS = ("context", "answering", "generation")  # stages that decide no ranking, and are named where answers were judged
UNNAMED = ("corpus", *OF_ANSWERS)
KINDS = tuple(dict.fromkeys(PART_KINDS.values()))


def recipe_words(trial: dict[str, Any]) -> dict[str, str]:
    """What the store keeps beside a trial, so that long lists are searched, told and joined without reading recipes. trial: its record."""
    config = doing(trial.get("config") or {})
    told = stages(config)
    return {
        "made_name": made_name(config, answers=bool(trial.get("answered"))),
        "recipe": " · ".join(words for stage, words in told.items() if stage != "corpus"),
        "corpus": told.get("corpus", ""),
        "work": work(config),
        "recipe_fingerprint": recipe_fingerprint(config),
    }


def recipe_fingerprint(config: TrialConfig | dict[str, Any]) -> str:
    """Identity of a recipe but for its seed."""
    config = doing(config.model_dump(mode="json") if isinstance(config, TrialConfig) else config)
    return fingerprint({stage: value for stage, value in config.items() if stage != "seed"})


def ranked_by(config: TrialConfig) -> str:
    """Identity of what decides a recipe's ranking of given documents: recipes that share it differ in what is made of it."""
    ran, idle = doing(config.model_dump(mode="json")), unused(config)
    asked = {stage: ran[stage] for stage in ranking_fields() if stage in ran and stage not in idle}
    return fingerprint(asked, (ran["generation"], config.seed) if asks_model(config) else ())


def words_version() -> str:
    """Identity of what `recipe_words` says: of its code, and of the defaults that a recipe is told against."""
    usual = {kind: {name: part().model_dump(mode="json") for name, part in registry.parts(kind).items()} for kind in KINDS}
    return fingerprint(source(__name__), usual, TrialConfig().model_dump(mode="json"))


def work(config: dict[str, Any], corpus: str = "") -> str:
    """Identity of what a question runs through in this recipe over these documents. Numbers that only weigh (k1, the fusion's
    weight) add no work."""
    config = doing(config)
    ran = {stage: config[stage] for stage in ranking_fields() if stage in config}
    for stage in ("sparse", "fusion"):
        ran[stage] = {k: v for k, v in (ran.get(stage) or {}).items() if not isinstance(v, float)}
    return fingerprint(ran, corpus, (config.get("corpus") or {}).get("dataset"))


def made_name(config: dict[str, Any], told: Collection[str] = (), answers: bool = False) -> str:
    """The name of a recipe wherever nobody gave it one: its fusion, and what of its retrieval differs from the defaults. told: dotted
    settings that are said also where they are at their default or decide no ranking, as those in which several recipes differ.
    answers: its answers were judged, and what makes them is named too."""
    unnamed = {*UNNAMED} - ({*OF_ANSWERS} if answers else set())
    fusion, words, said_of = config.get("fusion", {}).get("part", ""), [], {name.partition(".")[0] for name in told}
    idle = _idle(fusion) if fusion in registry.parts("fusion") else set()
    for stage, value in config.items():
        if stage in idle or not isinstance(value, dict):
            continue
        part, silent = value.get("part", ""), stage in unnamed
        usual, head = _usual(stage, part), ""
        other = part != _usual(stage).get("part", "")
        if stage not in said_of and (silent or not other and value == usual):  # most stages: nothing is said of them
            continue
        names = {name for name in value if f"{stage}.{name}" in told}
        if "part" in names or not silent and other:
            head = word(part)
        differ = {name for name, shown in value.items() if not silent and usual.get(name) != shown}
        own = {name: shown for name, shown in value.items() if name != "part" and name in differ | names}
        if stage == "chunking":
            size = own.pop("size_tokens", "")
            head = " ".join(filter(None, [head, "chunk" if size else "", str(size)]))
            names |= {"part"} if "size_tokens" in names else set()
        words += [(head, "part" in names)] * bool(head and stage != "fusion")
        words += [(_named(name, shown, name in names), name in names) for name, shown in own.items()]
    room = [place for place, (_, must) in enumerate(words) if not must][:LONG_NAME]
    said = [word for place, (word, must) in enumerate(words) if must or place in room]
    more = f"{len(words) - len(said)} more" if len(words) > len(said) else ""
    return ", ".join(filter(None, [fusion_title(fusion), *(said or ["defaults"]), more]))


@cache
def _idle(fusion: str) -> Collection[str]:
    """Stages that a recipe of this fusion does not run."""
    return unused(TrialConfig(fusion=fusion))


def _named(name: str, value: Any, whole: bool) -> str:
    """A setting and its value; of a long text, as a prompt, that there is one, unless it is to be said whole."""
    words = word(name.removesuffix("_tokens"))
    return f"own {words}" if isinstance(value, str) and len(value) > LONG_TEXT and not whole else f"{words} {show_value(value)}"


def fusion_title(name: str) -> str:
    """What people call the recipe that a fusion makes."""
    return part_title("fusion", name)


def part_title(kind: str, name: str) -> str:
    """The title of a part of a kind that has titles, else its name in words; also of one that is no longer there."""
    part = registry.parts(kind).get(name)
    return (part.title if part else "") or word(name)


def stages(config: dict[str, Any]) -> dict[str, str]:
    """Stage -> its part and what differs from the defaults, in words; stages left at their defaults are left out."""
    words = {}
    for stage, value in config.items():
        if not isinstance(value, dict):
            continue
        part, usual = value.get("part", ""), _usual(stage, value.get("part", ""))
        named = {"part", "size_tokens", "dataset"}  # said without their names
        changed = [f"{word(k)} {show_value(v)}" for k, v in value.items() if k not in named and usual.get(k) != v]
        if changed or stage in ("corpus", "chunking", "fusion") or part != _usual(stage).get("part", ""):
            head = " ".join(str(value[k]) for k in ("dataset", "part", "size_tokens") if k in value)
            words[stage] = ", ".join(filter(None, [word(head) if part else head, *changed]))
    return words


def setting_words(settings: Mapping[str, Any]) -> str:
    """Values of settings, by their dotted names, in the words of their forms: "fixed, size 254, dense weight 0.5"."""
    return ", ".join(filter(None, (_setting_words(*each) for each in settings.items())))


def _setting_words(setting: str, value: Any) -> str:
    stage, _, name = setting.partition(".")
    if isinstance(value, dict):
        own = setting_words({f"{stage}.{k}": v for k, v in value.items() if k != "part"})
        return ", ".join(filter(None, [word(value.get("part", "")), own]))
    if name in ("", "part") and stage in PART_KINDS:
        return fusion_title(str(value)) if stage == "fusion" else word(value)
    shown = {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    shown = (
        f"{shown:,}" if isinstance(shown, int) else ", ".join(map(str, shown)) if isinstance(shown, tuple | list) else word(shown)
    )
    return f"{lower(setting_label(setting))} {shown or 'none'}"


@cache
def setting_label(setting: str) -> str:
    """What the form calls a setting, of whatever part has it."""
    stage, _, name = setting.partition(".")
    if not name or stage not in FIELDS:
        return word(setting)
    classes = registry.parts(PART_KINDS[stage]).values() if stage in PART_KINDS else [FIELDS[stage].annotation]
    field = next((cls.model_fields[name] for cls in classes if name in cls.model_fields), None)
    return knob_label(name, field) if field else word(name)


def show_value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


@cache
def _usual(stage: str, part: str = "") -> dict[str, Any]:
    """The settings of a stage, or of a part in it, when nothing is changed; {} for parts that are no longer there."""
    if part:
        kind = registry.parts(PART_KINDS[stage]).get(part) if stage in PART_KINDS else None
        return kind().model_dump(mode="json") if kind else {}
    return TrialConfig().model_dump(mode="json").get(stage, {})
