"""What of an answer speaks of the answer and its passages, and not of the world: it states nothing that passages could bear out.

Known by its words rather than by its form: "Passage 3 provides the necessary information to answer the question." has none that does not
speak of texts, of telling, or of what was asked. A sentence that ends in a colon leads to what follows, and frames it unless it names what
the question does not: someone, a number, or in a whole sentence more than a few words.
"""

import re

WORD = re.compile(r"\w+")
USUAL = frozenset(
    "a an the of in on at to for from by with and or but is are was were be been being it its this that these those he she they his "
    "her their as not no have has had do does did will would can could may might which who whom what when where while also there "
    "than then so such if into about over after before between during i you we our your".split()
)  # words that tell nothing where a passage lacks them
TEXTS = frozenset(
    "answer answers article articles content context contexts document documents evidence excerpt excerpts explanation information "
    "list material materials overview page pages paragraph paragraphs passage passages query question questions reference references "
    "response result results section sections sentence sentences snippet snippets source sources steps summary text texts".split()
)
NUMBERED = frozenset(
    "context contexts document documents excerpt excerpts passage passages result results source sources".split()
)
TELLING = frozenset(
    "address addresses answer answering answers ask asked asking asks base based bases conclude concluded concludes confirm confirms "
    "consider considered contain containing contains cover covers describe described describes describing detail detailed details "
    "determine determined discuss discussed discusses discussing explain explained explaining explains find focus focuses follow "
    "following follows found gave give given gives giving help helps highlight highlights include included includes including "
    "indicate indicated indicates inform informs know known list listed lists look looked looking looks mention mentioned mentioning "
    "mentions need needed needs note noted notes offer offers outline outlined outlines present presented presents provide provided "
    "provides providing read reading refer referenced refers regarding relate related relates relating report reported reports "
    "respond retrieve retrieved review reviewed reviewing reviews said say saying says search searched searching see seen shared show "
    "showing shown shows speak speaks specifies specify state stated states stating suggest suggested suggests summarise summarised "
    "summarises summarize summarized summarizes support supported supports talk talks tell telling tells understand understanding use "
    "used uses using want".split()
)
QUALITIES = frozenset(
    "above accordance according accurate additional additionally all along another any aspect aspects available below both brief "
    "briefly case categories category certain clear clearly common complete comprehensive concept conclusion correct d definitive "
    "different direct directly each easily enough especially exact example examples excellent explicit explicitly fact factor factors "
    "few final finally first follows full fully further furthermore general good great helpful here how however idea important "
    "insight insights instruction instructions interesting item items just key kind kinds last let ll m main major many me method "
    "methods more moreover most much multiple my necessary next number one only option options order other others overall part "
    "particular parts per please point points possible potential precise primary re reason reasons relevant respectively s same "
    "second several short simple some specific specifically step sufficient t table thank thanks therefore thing things third through "
    "thus tip tips together topic topics type types us useful various ve very via way ways web whether why yes you yours".split()
)
SPEAKS = USUAL | TEXTS | TELLING | QUALITIES
POLAR = re.compile(
    r"(?:^\W*|, |\bthen )(?:is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|should|shall|may|might|must)\b",
    re.IGNORECASE,
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
ENDING = re.compile(r"(?:'s|’s|ing|ed|es|s|e|ly)$")
OPEN = re.compile(  # what goes on behind its colon
    r"\b(?:is|are|was|were|be|includes?|including|such as|as follows|following(?: \w+){0,2}|these(?: \w+){0,2}|consider|to|by|for|with|from"
    r"|of|that|below)\W*:\W*$",
    re.IGNORECASE,
)
FEW = 2  # words of its own that a whole sentence before a colon may have
REFERENCES = re.compile(
    r"^[ \t]*(?:#{1,6} |\*\*)?(?:references|sources|citations|bibliography|works cited)(?:\*\*)?:?(?:\*\*)?[ \t]*$(?:.|\n)*",
    re.IGNORECASE | re.MULTILINE,
)


def speaks_of_texts(sentence: str, question: str = "") -> bool:
    """Whether it only says that texts tell, or that something was asked: no word of it is of anything else."""
    words = WORD.findall(sentence.lower())
    return bool(TEXTS.intersection(words)) and not own_words(words, question if TELLING.intersection(words) else "")


def leads_on(sentence: str, question: str = "") -> bool:
    """Whether it ends in a colon and says little itself."""
    if not sentence.rstrip(" *_").endswith(":"):
        return False
    own, first = own_words(WORD.findall(sentence), question), WORD.search(sentence)
    named = any(not word.islower() for word in own if first and word != first[0])
    return not named and (len(own) <= FEW or bool(OPEN.search(sentence)))


def own_words(words: list[str], question: str) -> list[str]:
    """Those that neither speak of texts nor stand in the question, in whatever form. A question to which yes is an answer lends none:
    to say it again answers it."""
    asked = set() if POLAR.search(question) else {stem(word) for word in WORD.findall(question.lower())}
    own = [word for word in words if word.lower() not in SPEAKS and stem(word.lower()) not in asked]
    return [word for word in own if not NUMBER.fullmatch(word)] if NUMBERED.intersection(map(str.lower, words)) else own


def stem(word: str) -> str:
    """Without a usual ending."""
    return ENDING.sub("", word) if len(word) > 4 else word


def repeats(sentence: str, question: str) -> bool:
    """Whether it says what was asked for, or a part that names all of it, and no more: "the capital of France" to "What is the capital of
    France?"."""
    said, asked = (" ".join(WORD.findall(text.lower())) for text in (sentence, question))
    telling = {word for word in asked.split() if word not in SPEAKS}
    return bool(telling) and f" {said} " in f" {asked} " and telling <= set(said.split())
