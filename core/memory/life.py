"""A life of so many weeks, made from a seed: what is said in it, and what holds at its end.

Machines and halls of a plant have attributes whose values are strings that occur nowhere else. Values change, end, are said again in other
words, arrive late; some hang on others (a machine's radio channel is that of its hall). Most of what is said is of no use later. Whether an
answer is right is decided by its string.
"""

from typing import NamedTuple

import numpy as np

WEEK_S = 7 * 86_400.0
BEGIN = 1_700_000_000.0  # seconds since 1970 of the first week
KINDS = "pump valve boiler press crane lathe mixer dryer filter fan".split()
HALLS = "Alder Birch Cedar Dogwood Elm Fir Gorse Hazel Ivy Juniper Larch Maple".split()
MAKERS = "Norvik Talbec Ostrum Quellin Harvane Brixel Sundara Velmont Krayst Pellow".split()
UNKNOWN = "unknown"
ASKED = 40  # questions a week
# attribute -> (how it is said: {s} the subject, {v} the value; another word for it; how it is asked)
SAYINGS = {
    "hall": (("{s} stands in {v}.", "You find {s} in {v}.", "{v} is where {s} stands."), "location", "Where does {s} stand?"),
    "firmware": (("{s} runs firmware {v}.", "The firmware on {s} is {v}."), "software version", "Which firmware runs on {s}?"),
    "supplier": (("{s} is supplied by {v}.", "{v} delivers parts for {s}."), "vendor", "Who supplies parts for {s}?"),
    "pressure": (("{s} is limited to {v}.", "The pressure limit of {s} is {v}."), "limit", "What is the pressure limit of {s}?"),
    "part": (("{s} takes spare part {v}.", "The spare part for {s} is {v}."), "spare", "Which spare part does {s} take?"),
    "contract": (("{s} is covered by contract {v}.", "Contract {v} covers {s}."), "warranty", "Which contract covers {s}?"),
}
OF_HALLS = {
    "radio channel": (("{s} uses radio {v}.", "The radio in {s} is on {v}."), "frequency", "Which radio channel does {s} use?"),
    "gate": (("{s} is entered by {v}.", "The way into {s} is {v}."), "entrance", "By which gate is {s} entered?"),
    "alarm": (("{s} has alarm code {v}.", "The alarm code of {s} is {v}."), "code", "What is the alarm code of {s}?"),
}
CHATTER = (
    "{s} was cleaned on {d}.", "Somebody asked about {s} on {d}, and it was nothing.", "The talk about {s} was put off to {d}.",
    "A visitor took a picture of {s} on {d}.", "{s} was louder than usual on {d}, then quiet again.",
    "The lamp beside {s} was changed on {d}.", "On {d} the floor near {s} was wet.", "A tour stopped at {s} on {d}.",
)  # fmt: skip
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


class LifeRules(NamedTuple):
    """How much of what happens; shares are of all current values, a week."""

    weeks: int = 26
    machines: int = 80
    changed: float = 0.02
    ended: float = 0.003
    repeated: float = 0.05
    chatter: int = 150  # sentences a week
    late: float = 0.05  # of the changes: told a week after
    other_word: float = 0.03  # of the changes: told of the attribute by another word
    recorded: float = 1.0  # of the derivations: with the facts behind them


class Event(NamedTuple):
    """A sentence that is said. key: -1 for chatter."""

    week: float
    text: str
    subject: str
    attribute: str
    value: str
    importance: float
    key: int  # of subject and attribute
    since: float  # week from which it holds
    kind: str  # new, change, repeat, end, derived or chatter
    parents: tuple[int, ...] = ()  # keys that it is derived from


class LifeQuestion(NamedTuple):
    key: int
    subject: str
    text: str
    value: str  # now; UNKNOWN: nothing is
    before: tuple[str, ...]  # values that held once
    kind: str = "current"  # or cascade, absence, unchanged


class Life(NamedTuple):
    events: tuple[Event, ...]
    questions: tuple[LifeQuestion, ...]  # on what holds at the end
    asked: tuple[tuple[float, int, str, str], ...]  # week by week: (week, key, question, value then)


class _World:
    """What holds while the life goes on."""

    def __init__(self, rules: LifeRules, seed: int) -> None:
        self.rules, self.draw = rules, np.random.default_rng(seed)
        halls = [f"hall {name}" for name in HALLS]
        codes = self.draw.choice(9000, rules.machines, replace=False) + 1000
        machines = [f"{KINDS[place % len(KINDS)]} {chr(75 + place % 9)}{code}" for place, code in enumerate(codes)]
        self.subjects = {name: SAYINGS for name in machines} | {name: OF_HALLS for name in halls}
        self.machines, self.halls = machines, halls
        self.keys = {
            (name, attribute): number
            for number, (name, attribute) in enumerate(
                (name, attribute) for name, sayings in self.subjects.items() for attribute in sayings
            )
        }
        self.now: dict[tuple[str, str], str] = {}
        self.before: dict[tuple[str, str], list[str]] = {}
        self.told: dict[tuple[str, str], float] = {}  # the week in which it was said last
        self.events: list[Event] = []

    def value(self, attribute: str) -> str:
        number = int(self.draw.integers(100, 1000))
        more = int(self.draw.integers(100, 1000))
        values = {
            "hall": f"hall {HALLS[number % len(HALLS)]}", "firmware": f"v{number % 9}.{number}.{more}",
            "supplier": f"{MAKERS[number % len(MAKERS)]} {more}", "pressure": f"{number}.{more % 10} kPa", "part": f"SP-{number}{more}",
            "contract": f"C{number}/{more}", "radio channel": f"channel {number}{more % 10}", "gate": f"gate {number}",
            "alarm": f"{number}-{more}",
        }  # fmt: skip
        return values[attribute]

    def say(self, week: float, place: tuple[str, str], since: float, kind: str, attribute: str = "") -> None:
        name, own = place
        sayings, other, _ = self.subjects[name][own]
        text = str(self.draw.choice(sayings)).format(s=name, v=self.now[place])
        text = text[:1].upper() + text[1:]
        word = other if attribute else own
        self.told[place] = week
        importance = float(self.draw.uniform(0.4, 1.0))
        self.events.append(Event(week, text, name, word, self.now[place], importance, self.keys[place], since, kind))

    def change(self, week: float, place: tuple[str, str], kind: str) -> None:
        fresh = next(value for value in iter(lambda: self.value(place[1]), "") if value != self.now.get(place))
        if place in self.now:
            self.before.setdefault(place, []).append(self.now[place])
        self.now[place] = fresh
        late = kind == "change" and self.draw.random() < self.rules.late
        word = "other" if kind == "change" and self.draw.random() < self.rules.other_word else ""
        self.say(week + late, place, week, kind, word)

    def chatter(self, week: float) -> None:
        name = str(self.draw.choice(list(self.subjects)))
        text = str(self.draw.choice(CHATTER)).format(s=name, d=f"{self.draw.choice(DAYS)} of week {int(week) + 1}")
        text = text[:1].upper() + text[1:]
        self.events.append(Event(week, text, name, "", "", float(self.draw.uniform(0.0, 0.5)), -1, week, "chatter"))


def lived(rules: LifeRules, seed: int) -> Life:
    """The whole life. The same seed gives the same."""
    world, draw = _World(rules, seed), np.random.default_rng(seed + 1)
    asked: list[tuple[float, int, str, str]] = []
    places = list(world.keys)
    silent = {f"hall {name}" for name in HALLS[::4]}  # nobody ever tells their radio channel
    for week in range(rules.weeks):
        for place in places:
            name, attribute = place
            at = week + float(draw.random())
            if place not in world.now and place not in world.before:
                if week < 3 and not (attribute == "radio channel" and name in silent) and (week == 2 or draw.random() < 0.5):
                    world.change(at, place, "new")
            elif place in world.now and draw.random() < rules.changed and week > 3:
                world.change(at, place, "change")
            elif place in world.now and draw.random() < rules.ended and week > 5:
                world.before.setdefault(place, []).append(world.now[place])
                text = f"That the {attribute} of {name} is {world.now[place]} holds no more."
                world.events.append(Event(at, text, name, attribute, world.now.pop(place), 0.8, world.keys[place], at, "end"))
            elif place in world.now and draw.random() < rules.repeated:
                world.say(at, place, at, "repeat")
        for _ in range(rules.chatter):
            world.chatter(week + float(draw.random()))
        if week == 4:
            _derive(world, week + 1.0, draw)
        if week > 4:
            there = [place for place in places if place in world.now and world.told[place] < week + 1]
            for number in draw.choice(len(there), min(ASKED, len(there)), replace=False):
                place = there[number]
                asked.append((week + 1.0, world.keys[place], _question(world, place), world.now[place]))
    events = sorted((event for event in world.events if event.week < rules.weeks), key=lambda event: event.week)
    untold = {event.key for event in world.events if event.week >= rules.weeks}  # it changed, and nobody has said so yet
    return Life(tuple(events), tuple(_questions(world, untold)), tuple(asked))


DERIVED = "call"


def _derive(world: _World, week: float, draw: np.random.Generator) -> None:
    """On which radio channel one calls for help at a machine: by its hall, and the hall's channel."""
    for name in world.machines:
        hall = world.now.get((name, "hall"), "")
        if channel := world.now.get((hall, "radio channel")):
            place = (name, DERIVED)
            world.keys[place] = len(world.keys)
            world.now[place] = channel
            parents = (
                (world.keys[name, "hall"], world.keys[hall, "radio channel"]) if draw.random() < world.rules.recorded else ()
            )
            text = f"At {name} one calls for help on {channel}."
            world.events.append(Event(week, text, name, DERIVED, channel, 0.8, world.keys[place], week, "derived", parents))


def _question(world: _World, place: tuple[str, str]) -> str:
    return world.subjects[place[0]][place[1]][2].format(s=place[0])


def _questions(world: _World, untold: set[int]) -> list[LifeQuestion]:
    made = []
    for place, key in world.keys.items():
        name, attribute = place
        if attribute == DERIVED:
            hall = world.now.get((name, "hall"), "")
            now, then = world.now.get((hall, "radio channel"), UNKNOWN), world.now[place]
            behind = {world.keys.get(each) for each in ((name, "hall"), (hall, "radio channel"))}
            if behind & untold:
                continue
            kind = "unchanged" if now == then else "absence" if now == UNKNOWN else "cascade"
            before = () if kind == "unchanged" else (then,)
            made.append(LifeQuestion(key, name, f"On which channel does one call for help at {name}?", now, before, kind))
        elif place in world.now and key not in untold:
            before = tuple(value for value in world.before.get(place, ()) if value != world.now[place])
            made.append(LifeQuestion(key, name, _question(world, place), world.now[place], before))
    return made
