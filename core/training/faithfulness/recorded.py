"""Claims about records, right ones and wrong ones with the wrong words marked: what stands in JSON is true of it, what is null, or not
there, is said of nothing, and no value is another. Records are drawn from lists of words, as no data set that may train a model has any.
"""

import json
from typing import NamedTuple

import numpy as np

from core.judging.data_texts import of_twelve
from core.training.faithfulness.sources import CONTRADICTED, NEITHER, SUPPORTED, Marked, MarkedSpan
from core.training.faithfulness.spliced import raised

HAS = (
    "outdoor seating|free parking|valet parking|street parking|takeout|delivery|a touchscreen|wheelchair access|live music"
    "|a happy hour|a bike rack|a swimming pool|a gym|breakfast|air conditioning|bluetooth|a headphone jack|a warranty|a balcony"
    "|an elevator|wifi|a garden|a fireplace|catering|table service|drive through|dogs|credit cards|reservations|private rooms"
    "|a full bar|gift cards|a terrace|room service|a camera|a backlit keyboard|fast charging|dual sim|a garage|solar panels"
    "|health insurance|a refund|express shipping|night classes|online courses|a sauna|parking|a library|group discounts"
    "|gluten free options|a playground|subtitles|a fingerprint reader"
).split("|")
IS = (
    "romantic casual touristy classy intimate trendy upscale noisy quiet waterproof wireless refundable vegan organic remote open public "
    "furnished renovated accessible recyclable portable foldable certified insured married retired international seasonal popular new"
).split()
VALUES = {
    "city": "Tucson|Nashville|Boise|Tampa|Reno|Philadelphia|Edmonton|Leeds|Lyon|Porto|Graz|Utrecht",
    "brand": "Norvik|Altera|Kestrel|Bluefin|Orion|Maple|Vanta|Helix|Zephyr|Quill",
    "category": "Mexican|Italian|Thai|Seafood|Bakery|Steakhouse|Sushi|Vegetarian|Breakfast|Barbecue|French|Indian",
    "department": "Sales|Research|Finance|Logistics|Marketing|Support|Legal|Design",
    "color": "red|blue|green|black|white|silver|yellow|grey|orange",
    "language": "English|French|Spanish|German|Arabic|Hindi|Polish|Korean",
    "owner": "Maria Lopez|John Baker|Aisha Khan|Tom Evans|Wei Zhang|Sara Olsen|Luca Rossi|Emma Stone",
    "material": "oak|steel|cotton|leather|glass|bamboo|plastic|wool",
    "genre": "jazz|drama|comedy|history|poetry|fantasy|crime|folk",
    "country": "Canada|Peru|Kenya|Norway|Japan|Spain|Egypt|Chile",
}
SAYS = {
    "city": ("It is located in {}.", "It is in {}.", "You find it in {}."),
    "brand": ("It is made by {}.", "The brand is {}.", "It is a product of {}."),
    "category": ("It is a {} place.", "The category is {}.", "It offers {} food."),
    "department": ("She works in {}.", "He is in the {} department.", "The department is {}."),
    "color": ("It comes in {}.", "The color is {}.", "It is {}."),
    "language": ("It is in {}.", "The language is {}.", "They speak {}."),
    "owner": ("It is owned by {}.", "The owner is {}.", "{} owns it."),
    "material": ("It is made of {}.", "The material is {}."),
    "genre": ("The genre is {}.", "It belongs to {}."),
    "country": ("It comes from {}.", "The country of origin is {}.", "It was made in {}."),
}
NUMBERS = {
    "stars": ("It is rated {} stars.", "It has a rating of {} stars.", "Customers give it {} stars."),
    "price": ("It costs ${}.", "The price is ${}.", "You pay {} dollars."),
    "review_count": ("It has {} reviews.", "{} people reviewed it."),
    "year": ("It opened in {}.", "It dates from {}.", "It was founded in {}."),
    "weightKg": ("It weighs {} kg.", "Its weight is {} kilograms."),
    "seats": ("It seats {} people.", "There are {} seats.", "It has room for {}."),
    "batteryHours": ("The battery lasts {} hours.", "It runs for {} hours."),
    "employees": ("It employs {} people.", "{} people work there."),
    "days": ("It takes {} days.", "You have {} days."),
}
TRUE = ("It has {}.", "It offers {}.", "There is {}.", "{} is available.", "Guests have {}.", "It comes with {}.")
FALSE = ("It has no {}.", "It does not offer {}.", "There is no {}.", "{} is not available.", "It comes without {}.")
OPEN = ("It is open on {day} from {a} to {b}.", "On {day} it opens at {a} and closes at {b}.", "{day} hours are {a} to {b}.")
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NAMES = "Harvest|Riverside|Aero|Beacon|Juniper|Summit|Cobalt|Lantern|Willow|Atlas".split("|")
KINDS = "Grill|House|Center|Studio|Model 3|Lodge|Works|Market|Series X|Institute".split("|")


TRAIT = ("It is {}.", "It is described as {}.", "The place is {}."), ("It is not {}.", "The place is not {}.")


class RecordClaim(NamedTuple):
    """A claim, the words in it that are wrong unless it is right, and its verdict."""

    text: str
    telling: str
    verdict: int


class DrawnRecord(NamedTuple):
    """has: whether there is such a thing, None where that is null. hours: from and to."""

    has: dict[str, bool | None]
    traits: dict[str, bool]
    values: dict[str, str]
    numbers: dict[str, float]
    hours: dict[str, tuple[int, int]]


def claim_of_record(draw: np.random.Generator) -> Marked:
    """Of a record drawn for it."""
    record = _record(draw)
    kind = draw.choice(6, p=(0.3, 0.15, 0.15, 0.2, 0.12, 0.08))
    said = (_has, _lacks, _is, _value, _number, _open)[kind](record, bool(draw.random() < 0.5), draw)
    text = raised(said.text)
    start = text.lower().index(said.telling.lower())
    spans = () if said.verdict == SUPPORTED else (MarkedSpan(start, start + len(said.telling), said.verdict),)
    return Marked("made", "made records", "", (_written(record, draw),), text, said.verdict, spans)


def _record(draw: np.random.Generator) -> DrawnRecord:
    states = [True, False, None, *(draw.choice([True, True, False, None], 5))]
    return DrawnRecord(
        dict(zip(_some(HAS, 8, draw), states, strict=True)),
        dict(zip(_some(IS, 4, draw), (True, False, True, False), strict=True)),
        {name: _any_of(VALUES[name].split("|"), draw) for name in _some(VALUES, 4, draw)},
        {name: _drawn_number(name, draw) for name in _some(NUMBERS, 4, draw)},
        {
            day: tuple(sorted(int(hour) for hour in draw.choice(np.arange(6, 24), 2, replace=False)))
            for day in _some(DAYS, 3, draw)
        },
    )


def _written(record: DrawnRecord, draw: np.random.Generator) -> str:
    """As JSON or as Python prints it, its parts nested or side by side, in any order."""
    camel, clock = draw.random() < 0.5, _any_of(("{}:0-{}:0", "{}:00-{}:00", "{}:00 - {}:00"), draw)
    has = {_key(_any_of(("", "", "has ", "offers "), draw) + _bare(noun), camel): state for noun, state in record.has.items()}
    if draw.random() < 0.3:
        has = {key: state if state is None else "yes" if state else "no" for key, state in has.items()}
    traits = {_key(_any_of(("", "is "), draw) + trait, camel): state for trait, state in record.traits.items()}
    hours = {day: clock.format(*hours) for day, hours in record.hours.items()}
    parts = [("features", has), ("ambience", traits), ("about", record.values), ("numbers", record.numbers), ("hours", hours)]
    made: dict = {"name": f"{_any_of(NAMES, draw)} {_any_of(KINDS, draw)}"}
    for i in draw.permutation(len(parts)):
        name, part = parts[i]
        if name == "hours" or draw.random() < 0.5:
            group = name if name == "hours" else _any_of((name, "attributes", "details", "info"), draw)
            made[group] = made.get(group, {}) | part
        else:
            made |= part
    return str(made) if draw.random() < 0.3 else json.dumps(made, indent=(None, 1)[int(draw.integers(2))])


def _has(record: DrawnRecord, right: bool, draw: np.random.Generator) -> RecordClaim:
    there = [noun for noun, state in record.has.items() if state]
    said = _some(there, int(draw.integers(1, 4)), draw)
    wrong, verdict = _not_so(record, False, draw)
    if not right:
        said[int(draw.integers(len(said)))] = wrong
    return RecordClaim(_any_of(TRUE, draw).format(_listed(said)), said[0] if right else wrong, SUPPORTED if right else verdict)


def _lacks(record: DrawnRecord, right: bool, draw: np.random.Generator) -> RecordClaim:
    wrong, verdict = _not_so(record, True, draw)
    noun = _bare(_any_of([noun for noun, state in record.has.items() if state is False], draw) if right else wrong)
    return RecordClaim(_any_of(FALSE, draw).format(noun), noun, SUPPORTED if right else verdict)


def _not_so(record: DrawnRecord, state: bool, draw: np.random.Generator) -> tuple[str, int]:
    """What is in that state, or in none that is known, and the verdict of the contrary."""
    if draw.random() < 0.6:
        return _any_of([noun for noun, each in record.has.items() if each is state], draw), CONTRADICTED
    unknown = [noun for noun in HAS if record.has.get(noun) is None]
    null = [noun for noun in unknown if noun in record.has]
    return _any_of(null if draw.random() < 0.5 else unknown, draw), NEITHER


def _is(record: DrawnRecord, right: bool, draw: np.random.Generator) -> RecordClaim:
    trait = _any_of(record.traits, draw)
    if not right and draw.random() < 0.3:
        trait = _any_of([each for each in IS if each not in record.traits], draw)
        return RecordClaim(_any_of(TRAIT[int(draw.integers(2))], draw).format(trait), trait, NEITHER)
    denied = record.traits[trait] != right
    return RecordClaim(_any_of(TRAIT[denied], draw).format(trait), trait, SUPPORTED if right else CONTRADICTED)


def _value(record: DrawnRecord, right: bool, draw: np.random.Generator) -> RecordClaim:
    name = _any_of(record.values, draw)
    told, verdict = record.values[name], SUPPORTED
    if not right:
        name = name if draw.random() < 0.75 else _any_of(VALUES, draw)
        verdict = CONTRADICTED if name in record.values else NEITHER
        told = _any_of([each for each in VALUES[name].split("|") if each != record.values.get(name)], draw)
    return RecordClaim(_any_of(SAYS[name], draw).format(told), told, verdict)


def _number(record: DrawnRecord, right: bool, draw: np.random.Generator) -> RecordClaim:
    name = _any_of(record.numbers, draw)
    told, verdict = record.numbers[name], SUPPORTED
    if not right:
        others = [*record.numbers.values(), *(_drawn_number(name, draw) for _ in range(4))]
        told, verdict = _any_of([each for each in others if each != told], draw), CONTRADICTED
    told = f"{told:g}" if isinstance(told, float) else str(told)
    return RecordClaim(_any_of(NUMBERS[name], draw).format(told), told, verdict)


def _open(record: DrawnRecord, right: bool, draw: np.random.Generator) -> RecordClaim:
    day = _any_of(record.hours, draw)
    hours, verdict = [*record.hours[day]], SUPPORTED
    if not right:
        i = int(draw.integers(2))
        hours[i] = _any_of([hour for hour in range(6, 24) if hour not in hours], draw)
        verdict = CONTRADICTED
    form = "{}:00".format if draw.random() < 0.5 else of_twelve
    times = [form(hour) for hour in hours]
    return RecordClaim(_any_of(OPEN, draw).format(day=day, a=times[0], b=times[1]), day if right else times[i], verdict)


def _drawn_number(name: str, draw: np.random.Generator) -> float:
    if name == "stars":
        return int(draw.integers(2, 11)) / 2
    if name in ("year", "weightKg"):
        return int(draw.integers(1950, 2024)) if name == "year" else int(draw.integers(3, 90)) / 10
    return int(draw.integers(2, 400))


def _key(words: str, camel: bool) -> str:
    return "".join(word.capitalize() for word in words.split()) if camel else words.replace(" ", "_")


def _bare(noun: str) -> str:
    return noun.removeprefix("a ").removeprefix("an ")


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _some(pool, n: int, draw: np.random.Generator) -> list:
    names = [*pool]
    return [names[i] for i in draw.permutation(len(names))[:n]]


def _any_of(pool, draw: np.random.Generator):
    return _some(pool, 1, draw)[0]
