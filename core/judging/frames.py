"""What of an answer speaks of the answer and its passages, and not of the world: it states nothing that passages could bear out.

Known by its words rather than by its form: "Passage 3 provides the necessary information to answer the question." has none that does not
speak of texts, of telling, or of what was asked.
"""

import re

WORD = re.compile(r"\w+")
USUAL = frozenset(
    "a an the of in on at to for from by with and or but is are was were be been being it its this that these those he she they his "
    "her their as not no have has had do does did will would can could may might which who whom what when where while also there "
    "than then so such if into about over after before between during i you we our your".split()
)  # words that tell nothing where a passage lacks them
TEXTS = frozenset(
    "answer article content context document evidence excerpt information passage question result source summary text".split()
)
NUMBERED = frozenset("context document excerpt passage result source".split())
TELLING = frozenset(
    "address ask contain conclude cover describe detail discuss explain find focus follow found give given help include indicate "
    "know known list look mention note present provide refer relate relevant report respond retrieve review said say search see "
    "show state suggest summarise summarize support take taken tell told use used".split()
)
QUALITIES = frozenset(
    "all aspect clear complete d exact first following further good great here how important key let ll m main me more most much "
    "necessary please point re reason regard s several some specific step sufficient t thank through together topic us useful "
    "various ve why yes".split()
)
OF_TEXTS = (
    r"(?:passages?|contexts?|documents?|sources?|texts?|articles?|excerpts?|snippets?|(?:web )?search(?:es)?|(?:search )?results?|web"
    r"|internet|information)"
)
_GIVEN = (
    r"(?:(?:given|provided|above|available|retrieved|following|relevant|these|those|some|several|many|multiple|various|other|most|my|our|"
    r"your|one|two|all|both|first|second|third|last|web|online|external|search) )*"
)
_NUMBERS = r"(?: (?:given|provided|above|available))?(?:(?: id| no\.?| number)? ?\(?#?\d+(?:(?:,|,? and|,? or|-|–) ?#?\d+)*\)?)?"
SOURCE = rf"(?:the )?{_GIVEN}{OF_TEXTS}{_NUMBERS}"
IN_PASSING = re.compile(  # where in a sentence it is said that a passage says so
    rf"[(\[](?:see |cf\.? |from |in |as per |source: )?{SOURCE}(?:(?:,|;| and) {SOURCE})*[)\]]"
    rf"|,? (?:as|which is|as is|as was) \w+(?:ed|wn|en) (?:in|by) {SOURCE}(?=[.,;!?]|$)"
    rf"|,? (?:according to|as per|per) {SOURCE}(?=[.;!?]|$)",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d{1,2}")  # of a passage, in a sentence that speaks of passages
ENDING = re.compile(r"(?:ing|ed|es|s|e|ly)+$")
ASKS = re.compile(r"\W*(?:what|which|who|whom|whose|where|when|why|how)\b", re.IGNORECASE)
REFERENCES = re.compile(
    r"^[ \t]*(?:#{1,6} |\*\*)?(?:references|sources|citations|bibliography|works cited)(?:\*\*)?:?(?:\*\*)?[ \t]*$(?:.|\n)*",
    re.IGNORECASE | re.MULTILINE,
)


def speaks_of_texts(sentence: str, question: str = "") -> bool:
    """Whether it only says that texts tell, or that something was asked: no word of it is of anything else. A question to which yes is
    an answer lends no words: to say it again answers it."""
    words = {stem(word) for word in WORD.findall(sentence.lower())}
    words = {word for word in words if not NUMBER.fullmatch(word)} if words & COUNTED else words
    asked = WORD.findall(question.lower()) if words & TELLS and ASKS.match(question) else ()
    return bool(words & OF) and words <= SPEAKS | {stem(word) for word in asked}


def stem(word: str) -> str:
    """Without a usual ending."""
    return ENDING.sub("", word) if len(word) > 3 else word


def repeats(sentence: str, question: str) -> bool:
    """Whether it says what was asked for, or a part that names all of it, and no more: "the capital of France" to "What is the capital of
    France?"."""
    said, asked = (" ".join(WORD.findall(text.lower())) for text in (sentence, question))
    telling = {word for word in asked.split() if stem(word) not in SPEAKS}
    part = f" {said} " in f" {asked} " and telling <= set(said.split())
    return bool(telling) and part and (said == asked or bool(ASKS.match(question)))


OF, COUNTED, TELLS = (frozenset(map(stem, some)) for some in (TEXTS, NUMBERED, TELLING))
SPEAKS = OF | TELLS | frozenset(map(stem, QUALITIES | USUAL))
