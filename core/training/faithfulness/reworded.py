"""What a sentence says in other words: words for others of the same meaning, usual phrases for others, its clauses in another order, a
word that leads over to it. What is said stays right (or wrong), though no passage says it so.

By rule, where FactCC (Kryściński et al. 2020, section 3.1) translates there and back: a word of many meanings may be exchanged
wrongly now and then, and what is not in these tables stays as it was.
"""

import re
from collections.abc import Iterator

import numpy as np

from core.training.faithfulness.spliced import raised

_SYNONYMS = (  # "a b": each stands for the other; "a>b": the second stands for the first alone
    "begin start|begins starts|began started|beginning starting|finish complete|finished completed|big large|bigger larger"
    "|biggest largest|huge enormous|quick fast|quickly rapidly|help assist|helps assists|helped assisted|helping assisting|use utilize"
    "|uses utilizes|using utilizing|show demonstrate|shows demonstrates|showed demonstrated|need require|needs requires|needed required"
    "|requires>demands|buy purchase|buys purchases|buying purchasing|bought purchased|get obtain|gets obtains|got>obtained"
    "|obtained>gained|choose select|chose selected|choosing selecting|allow permit|allows permits|allowed permitted|allowing permitting"
    "|happen occur|happens occurs|happened occurred|reduce decrease|reduces decreases|reduced decreased|reducing decreasing"
    "|kids children|physician doctor|physicians doctors|doctors>clinicians|illness disease|illnesses diseases|disorder>illness"
    "|condition>disorder|medication medicine|medications medicines|drugs>medicines|movie film|movies films|car automobile"
    "|cars automobiles|company firm|companies firms|companies>businesses|people individuals|approximately>about|approximately>roughly"
    "|about>approximately|nearly almost|often frequently|usually generally|typically usually|commonly>often|mainly primarily"
    "|mostly mainly|many numerous|amount quantity|area region|areas regions|nation country|nations countries|build construct"
    "|built constructed|said>stated|says>states|think believe|thinks believes|thought>believed|discovered>found|tried attempted"
    "|tries attempts|gives provides|gave provided|give provide|giving providing|lives>resides|lived>resided|author writer|sick ill"
    "|hurt injured|throughout>across|attorney lawyer|attorneys lawyers|house>home|street>road|money>funds|rich wealthy|famous renowned"
    "|well-known famous|difficult>hard|easy>simple|easily>readily|entire whole|initial>first|final>last|annual yearly|annually>yearly"
    "|currently presently|previously earlier|formerly previously|later>afterwards|sometimes occasionally|particularly especially"
    "|additional>extra|additional>further|different>various|various>several|essential necessary|important>significant"
    "|significant>important|crucial>important|vital>crucial|major>main|primary>main|chief>main|advise recommend|advised recommended"
    "|suggests>indicates|remain stay|remains stays|remained stayed|rose>increased|dropped>fell|fell>dropped|replied answered"
    "|method>approach|methods>ways|issue>problem|issues>problems|portion>part|portions>parts|type>kind|types>kinds|chance>likelihood"
    "|therapy>treatment|therapies>treatments|produce generate|produces generates|produced generated|producing generating"
    "|worker employee|workers employees|student pupil|students pupils|war>conflict|image picture|images pictures|television>TV"
    "|cheap inexpensive|expensive costly|salary>pay|rules regulations|strange odd|intelligent smart|baby infant|babies infants"
    "|location>place|locations>places|located situated|closed>shut|commenced>began|released published|established>founded"
    "|founded>established|contest competition|tournament>competition|fans supporters|perhaps maybe|enough sufficient|correct>right"
    "|incorrect>wrong|common>widespread|rare uncommon|severe>serious|serious>severe|mild>slight|affects influences|affect influence"
    "|affected influenced|improve enhance|improves enhances|improved enhanced|create>make|creates>makes|created>made|creating>making"
    "|reveal>show|revealed>showed|contains includes|contain include|containing>including|keep maintain|keeps maintains|kept maintained"
    "|seen>observed|see>observe|called>named|patients>sufferers|symptoms>signs|stomach>abdomen|tiredness fatigue|pain>discomfort"
    "|swelling>inflammation|inherited>hereditary|alterations>changes|mutations>alterations|treated>managed|diagnosed>identified"
    "|prevent avert|soldiers troops|army>military|king>monarch|ruler>sovereign|victory triumph|won>triumphed|defeated>beat"
    "|murdered>killed|arrested detained|jail prison|jailed imprisoned|crash collision|blaze>fire|vessel>ship|vessels>ships"
    "|plane>aircraft|planes>aircraft|boss>manager|chairman>head|leader>head|leaders>heads|officials>authorities|shop store|shops stores"
    "|customers>clients|holiday vacation|match>game|matches>games|coach>trainer|teacher instructor|teachers instructors"
    "|scientists researchers|scientist researcher|study>research|studies>research|song>track|songs>tracks|album>record|band>group"
    "|singer vocalist|actor>performer|role>part|played portrayed|plays portrays|novel>book|debut>premiere|premiered>debuted"
    "|episode>instalment|character>figure|land>territory|border>frontier|coast>shore|ancient>old|modern contemporary|former>previous"
    "|current>present|latest>newest|whole>full|complete>full|ensure guarantee|ensures guarantees|receive>get|received>got"
    "|received>obtained|appears>seems|appeared>seemed|speaks>talks|spoke>talked|wants>wishes|wanted>wished|ended>finished"
    "|grew>increased|explains>says|explained>said|announced>said|reported>said|declared>announced|responsible>accountable"
    "|possible>feasible|probably likely|simultaneously concurrently|immediately instantly|eventually ultimately"
)
_PHRASES = (  # the second stands for the first
    "due to>because of;because of>due to;in order to>to;as well as>and;such as>like;(?:is|are) able to>can;(?:has|have) to>must"
    ";must>needs to;need to>have to;a lot of>many;more than>over;less than>under;located in>in;(?:also )?known as>called"
    ";consists? of>is made up of;composed of>made up of;made up of>composed of;for example>for instance;in addition to>besides"
    ";prior to>before;at the age of>aged;years old>years of age;(?:the )?united states(?: of america)?>the US"
    ";the u\\.?s\\.?(?= )>the United States;(?:the )?united kingdom>the UK;world war ii>the Second World War"
    ";world war i>the First World War;took place>was held;was held>took place;was (?:founded|established)>was set up;passed away>died"
    ";died>passed away;(?:is|are) used to>help to;until>till;although>even though;though>although;because>as;but>however"
    ";whether or not>whether;around the world>worldwide;(?:every|each|per) year>annually;(?:every|each|per) day>daily"
    ";(?:every|each|per) week>weekly;per>a;twice>two times;as soon as>once;caused by>a result of;causes>leads to;can cause>may lead to"
    ";leads? to>results in;results? in>leads to;as a result of>owing to;is a type of>is a kind of;is one of the>is among the"
    ";refers to>means;is called>is referred to as;was named>was called;the majority of>most;most of the>the majority of the"
    ";a number of>several;several>a number of;at first>initially;in total>altogether;in the middle of>amid;next to>beside;close to>near"
    ";near>close to;so that>in order that;you (?:should|must)>it is recommended to;you can>it is possible to;do not>don't"
    ";does not>doesn't;did not>didn't;is not>isn't;was not>wasn't;are not>aren't;were not>weren't;has not>hasn't;could not>couldn't"
    ";would not>wouldn't;can ?not>can't;don ?'t>do not;doesn ?'t>does not;didn ?'t>did not;isn ?'t>is not;can ?'t>cannot;it's>it is"
)
LEADS = (
    "Additionally, |In addition, |Furthermore, |Moreover, |Overall, |However, |Also, |Yes, |In fact, |Specifically, |Note that "
    "|It is important to note that |It is worth noting that |This means that |In summary, |In other words, |Finally, "
).split("|")
_NUMBERS = dict(enumerate("two three four five six seven eight nine ten eleven twelve".split(), 2))
SYNONYMS: dict[str, list[str]] = {}
for _pair in _SYNONYMS.split("|"):
    _first, _second = re.split("[ >]", _pair)
    SYNONYMS.setdefault(_first, []).append(_second)
    if ">" not in _pair:
        SYNONYMS.setdefault(_second, []).append(_first)
PHRASES = [
    (re.compile(rf"\b(?:{first})(?!\w)", re.I), second) for first, second in (pair.split(">") for pair in _PHRASES.split(";"))
] + [
    *((re.compile(rf"(?<![\w.,$£]){number}(?![\w,%]|\.\d)"), word) for number, word in _NUMBERS.items()),
    *((re.compile(rf"\b{word}\b"), str(number)) for number, word in _NUMBERS.items()),
    (re.compile(r"\bmay(?= [a-z])"), "might"),  # not the month
    (re.compile(r"\bmight(?= [a-z])"), "may"),
    (re.compile(r"(?<=\d) ?%"), " percent"),
    (re.compile(r"(?<=\d) ?per ?cent\b"), "%"),
    (re.compile(r"\$(\d[\d,.]*\d|\d)(?! ?(?:million|billion))"), r"\1 dollars"),
    (re.compile(r"\bthe (\w{3,}) of ((?:[A-Z][\w-]+ )?[A-Z][\w-]+)(?=[ ,.])"), r"\2's \1"),
    (re.compile(r"\b([A-Z][\w-]+)'s ([a-z]\w+)\b"), r"the \2 of \1"),
    (re.compile(r"\b([a-z][\w-]{2,}), ([a-z][\w-]{2,}),? and ([a-z][\w-]{2,})(?=[,.]|$)"), r"\3, \1 and \2"),
]
FIRST = re.compile(
    r"^((?:if|when|after|before|because|although|while|since|once|during|in|on|at|for|by|with|as|under) [^,\"]{3,80}), (.{12,}?)([.!?]?)$",
    re.I,
)
LAST = re.compile(
    r"^(.{12,}?),? ((?:if|when|after|before|because|although|while|once|during) [^,\"]{4,90}?|in \d{4})( ?[.!?]?)$", re.I
)
TOLD = re.compile(r"(?:Use|Place|Add|Take|Avoid|Ask|Call|Talk|Tell|Keep|Make|Try|Wash|Eat|Drink|Apply|Remove|Check|Put|Leave)\b")
SMALL = re.compile(
    r"(?:The|A|An|It|He|She|They|We|You|In|On|At|His|Her|Its|Their|This|These|There|Some|Many|Most|After|When|If)\b|"
    + TOLD.pattern
)


def reworded(text: str, times: int, draw: np.random.Generator) -> str:
    """With so many changes, fewer where no more fit; each of one of KINDS, and none twice."""
    done: set[str] = set()
    for _ in range(times):
        ways = [[each for each in kind(text) if each[0] not in done] for kind in KINDS]
        fits = [some for some, often in zip(ways, KINDS.values(), strict=True) for _ in range(often) if some]
        if not fits:
            break
        some = fits[int(draw.integers(len(fits)))]
        name, text = some[int(draw.integers(len(some)))]
        done.add(name)
    return text


def _words(text: str) -> Iterator[tuple[str, str]]:
    for place in re.finditer(r"(?:^[A-Z]|\b[a-z])[a-z]*(?:-[a-z]+)?(?!\w)", text):  # no names
        for new in SYNONYMS.get(place[0].lower(), ()):
            yield new, _put(text, place, new)


def _phrases(text: str) -> Iterator[tuple[str, str]]:
    for pattern, new in PHRASES:
        if place := pattern.search(text):
            yield pattern.pattern, _put(text, place, place.expand(new))


def _orders(text: str) -> Iterator[tuple[str, str]]:
    if (place := FIRST.match(text)) and not text.startswith(tuple(LEADS)):
        yield "order", f"{raised(place[2])} {_lowered(place[1])}{place[3]}"
    elif place := LAST.match(text):
        yield "order", f"{raised(place[2])}, {_lowered(place[1])}{place[3]}"


def _led(text: str) -> Iterator[tuple[str, str]]:
    for lead in LEADS:
        yield "lead", lead + _lowered(text)
    if TOLD.match(text):
        yield "told", f"You should {_lowered(text)}"


def _put(text: str, place: re.Match, new: str) -> str:
    return text[: place.start()] + (new if place.start() or text[:1].islower() else raised(new)) + text[place.end() :]


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:] if SMALL.match(text) else text


KINDS = {_words: 2, _phrases: 2, _orders: 1, _led: 1}  # how often each is drawn where it fits
