"""Claims made from texts by rule, right ones and wrong ones with the wrong words marked, in the manner of FactCC (Kryściński
et al. 2020, "Evaluating the Factual Consistency of Abstractive Text Summarization", section 3): a sentence of the text, perhaps
shortened, stays right; with a number, name or word exchanged, negated, with another text's end, or with what its own text no
longer says, it is wrong. Right and wrong ones stand in other words too (`reworded`). Questions about a sentence are its
paraphrases by people: what they ask after is taken off.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.files import read_json
from core.judging.claims import WORD
from core.judging.evidence import claims
from core.judging.passage_words import RUN, runs_of, words_of
from core.training.faithfulness import spliced
from core.training.faithfulness.recorded import claim_of_record
from core.training.faithfulness.reworded import SYNONYMS, reworded
from core.training.faithfulness.sources import CONTRADICTED, NEITHER, SUPPORTED, Marked, MarkedSpan

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)")
NAME = re.compile(r"(?<=[a-z0-9,;)] )[A-Z][\w'-]*[a-z](?:(?: of| the| de)? [A-Z][\w'-]+)*")
CLAUSE = re.compile(
    r",? (?:which|who|where|while|after|before|because|including|such as|with|in|on|at|for|by|from) [^,]{12,}[.!?]*$"
)
BE = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|may|might|should|must)\b(?! not\b| n't)")
NOT = re.compile(r"\b(?:not |n't\b|never )")
ASKED = re.compile(
    r"^(?:(?:in|on|at|to|for|from|by|of|with|during) )?(?:what|which|who|whom|whose|where|when|why|how)\b(?: (?:many|much|long|old|far))?",
    re.I,
)
OPPOSITES = (
    "more less|increase decrease|increased decreased|increases decreases|before after|first last|always never|all none|high low"
    "|higher lower|highest lowest|early late|earlier later|male female|men women|man woman|north south|northern southern"
    "|east west|eastern western|old new|older younger|large small|larger smaller|largest smallest|long short|good bad"
    "|best worst|win lose|won lost|rise fall|rose fell|up down|above below|inside outside|begin end|began ended|open close"
    "|opened closed|positive negative|common rare|many few|most least|left right|son daughter|father mother|brother sister"
    "|day night|summer winter|major minor|public private|strong weak|with without|often rarely|include exclude|buy sell"
    "|bought sold|accept reject|accepted rejected|mild severe|acute chronic|benefit harm|safe dangerous|he she|his her"
    "|january june|february july|march october|april november|may december|monday thursday|tuesday friday|sunday wednesday"
    "|one two|three five|two four|ten six|hundred thousand|million billion|century decade|years months|weeks days|hours minutes"
)
OPPOSITE = {a: b for pair in OPPOSITES.split("|") for a, b in (pair.split(), pair.split()[::-1])}
FEWEST, MOST = 6, 45  # words of a claim
RIGHT = 0.45  # share of right claims
RECORDS = 0.12  # share of claims about records
# a right claim is the one of so many tries that has nearest to so many runs of words that no passage has as a wrong one has: where a
# copy is broken does not tell the two apart, only what is joined there
TRIES, BREAKS, MOST_CUTS = 8, (0, 1, 2, 3, 4, 5, 7, 9), 5
REWORDED_RIGHT, REWORDED_WRONG = 5, 4  # changes of a claim's words, fewer than so many


class Story(NamedTuple):
    """A text to make claims of. question: one that a sentence of it answers, and which."""

    source: str
    group: str
    passages: tuple[str, ...]
    question: str = ""
    sentence: str = ""


class Edit(NamedTuple):
    """A claim, and the characters that were put in, or stand for what was taken out."""

    text: str
    start: int
    end: int
    verdict: int


class Corruption:
    """Claims of stories. The same seed gives the same claims."""

    def __init__(self, stories: list[Story], base: Path) -> None:
        self._stories = stories
        self._near = neighbours(base)
        kinds = [tuple(story.group.split()[: 1 + story.group.startswith("made ")]) for story in stories]
        shares = Counter(kinds)
        self._drawn = np.array([1 / shares[kind] / len(shares) for kind in kinds])
        self._names = [name for story in stories for passage in story.passages[:3] for name in NAME.findall(passage)[:4]]

    def any(self, draw: np.random.Generator) -> Marked | None:
        """Of a record, or of a story of any kind, each as often as any other: there are few articles, and many sentences in each."""
        if draw.random() < RECORDS:
            return claim_of_record(draw)
        return self.claim(int(draw.choice(len(self._stories), p=self._drawn)), int(draw.integers(1 << 30)))

    def claim(self, index: int, seed: int) -> Marked | None:
        """Of story `index`; None where nothing can be made of it."""
        draw = np.random.default_rng([seed, index])
        story = self._stories[index]
        text, kind = "\n".join(story.passages), draw.random()
        if story.question and draw.random() < 0.5:
            taken, made = story.sentence, ASKED.sub("", story.question).strip(" ?")
            made = reworded(made, int(draw.integers(3)), draw)
        else:
            sentences = [p[a:b] for p in story.passages for a, b in claims(p)]
            usable = [at for at, sentence in enumerate(sentences) if FEWEST <= len(sentence.split()) <= MOST]
            if not usable:
                return None
            at = usable[int(draw.integers(len(usable)))]
            taken = sentences[at]
            before = sentences[at - 1] if at else ""
            if kind < RIGHT:
                wanted, told = int(draw.choice(BREAKS)), words_of(story.passages).runs[RUN - 1]
                tries = [self._copied(taken, before, sentences, int(draw.integers(MOST_CUTS)), 0.35, draw) for _ in range(TRIES)]
                tries = [reworded(each, int(draw.integers(REWORDED_RIGHT)), draw) for each in tries]
                made = min(tries, key=lambda text: abs(_new_runs(text, told) - wanted))
            else:
                made = self._copied(taken, before, sentences, int(draw.integers(3)), 0.3, draw)
                made = reworded(made, int(draw.integers(REWORDED_WRONG)), draw)
        if len(made.split()) < 4:
            return None
        passages = story.passages
        if kind < RIGHT:
            return Marked(story.source, story.group, "", self._beside(passages, draw), made, SUPPORTED, ())
        if kind < RIGHT + 0.06:  # what the text no longer says
            rest = tuple(p.replace(taken, " ") for p in passages)
            if taken and rest != passages and sum(map(len, rest)) > 60:
                span = MarkedSpan(0, len(made), NEITHER)
                return Marked(story.source, story.group, "", self._beside(rest, draw), made, NEITHER, (span,))
        if kind < RIGHT + 0.09:  # another text's sentence
            other = self.foreign(index, draw)
            if other and other not in text:
                return Marked(
                    story.source,
                    story.group,
                    "",
                    self._beside(passages, draw),
                    other,
                    NEITHER,
                    (MarkedSpan(0, len(other), NEITHER),),
                )
        edit = self.edited(made, index, draw)
        if edit is None:
            return None
        spans = (MarkedSpan(edit.start, edit.end, edit.verdict),)
        return Marked(story.source, story.group, "", self._beside(passages, draw), edit.text, edit.verdict, spans)

    def edited(self, claim: str, index: int, draw: np.random.Generator) -> Edit | None:
        """A claim of story `index` with a fault of any kind made in it; None: there is no place for one."""
        text = "\n".join(self._stories[index].passages)
        makers = [
            self._number,
            self._name,
            self._opposite,
            self._negated,
            self._neighbour,
            self._neighbour,
            self._ended,
            self._merged,
            self._spliced,
            self._shortcut,
            self._misnamed,
        ]
        weights = np.array([4, 4, 2, 1, 1.2, 1.2, 1.2, 1.5, 6, 2.5, 2.5])
        for which in draw.choice(len(makers), len(makers), replace=False, p=weights / weights.sum()):
            edit = makers[which](claim, text, index, draw)
            if edit and edit.text.strip() and edit.text not in text:
                return edit
        return None

    def _beside(self, passages: tuple[str, ...], draw: np.random.Generator) -> tuple[str, ...]:
        """Now and then with another text's passage."""
        if draw.random() < 0.3:
            other = self._stories[int(draw.integers(len(self._stories)))].passages[0][:600]
            return (other, *passages) if draw.random() < 0.5 else (*passages, other)
        return passages

    def foreign(self, index: int, draw: np.random.Generator) -> str:
        near = index + int(draw.integers(1, 4)) if draw.random() < 0.5 else int(draw.integers(len(self._stories)))
        story = self._stories[near % len(self._stories)]
        some = [p[a:b] for p in story.passages[:4] for a, b in claims(p) if FEWEST <= len(p[a:b].split()) <= MOST]
        return some[int(draw.integers(len(some)))] if some else ""

    def _copied(self, text: str, before: str, sentences: list[str], cuts: int, join: float, draw: np.random.Generator) -> str:
        """As a summariser copies it: shorter, without who says it, its subject named, joined with another sentence."""
        made = spliced.shortened(text, cuts, draw)
        if draw.random() < 0.2:
            made = spliced.without_attribution(made)
        if draw.random() < 0.6:
            made = spliced.named(made, before) or made
        if len(sentences) > 1 and draw.random() < join:
            other = spliced.shortened(sentences[int(draw.integers(len(sentences)))], cuts, draw)
            if other not in text and len((made + other).split()) <= MOST:
                made = spliced.joined_rightly(made, other, draw)
        return made

    def _number(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        places = [*NUMBER.finditer(claim)]
        if not places:
            return None
        place = places[int(draw.integers(len(places)))]
        others = [number for number in set(NUMBER.findall(text)) - set(NUMBER.findall(claim)) if number != place.group()]
        alike = sorted(n for n in others if len(n) == len(place.group()))
        if alike and draw.random() < 0.4:
            new = alike[int(draw.integers(len(alike)))]
        else:
            digits = list(place.group())
            at = [i for i, c in enumerate(digits) if c.isdigit()]
            at = at[1:] if len(at) > 1 else at
            i = at[int(draw.integers(len(at)))]
            digits[i] = str((int(digits[i]) + int(draw.integers(1, 10))) % 10)
            new = "".join(digits)
        return None if new == place.group() else _put(claim, *place.span(), new, CONTRADICTED)

    def _name(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        places = [*NAME.finditer(claim)]
        if not places:
            return None
        place = places[int(draw.integers(len(places)))]
        near = sorted(
            {name for name in NAME.findall(text) if name not in claim and not set(name.split()) & set(place.group().split())}
        )
        pool = near if near and draw.random() < 0.65 else self._names
        if not pool:
            return None
        new = pool[int(draw.integers(len(pool)))]
        return None if new in claim else _put(claim, *place.span(), new, CONTRADICTED)

    def _opposite(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        places = [place for place in re.finditer(r"[A-Za-z]+", claim) if place.group().lower() in OPPOSITE]
        if not places:
            return None
        place = places[int(draw.integers(len(places)))]
        new = OPPOSITE[place.group().lower()]
        return _put(claim, *place.span(), new.capitalize() if place.group()[0].isupper() else new, CONTRADICTED)

    def _negated(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        if (place := NOT.search(claim)) and draw.random() < 0.8:
            left = claim[: place.start()].rstrip()
            begin = left.rfind(" ") + 1
            return _put(claim, begin, place.end(), claim[begin : place.start()].rstrip() + " ", CONTRADICTED)
        places = [*BE.finditer(claim)]
        if not places:
            return None
        place = places[int(draw.integers(len(places)))]
        return _put(claim, *place.span(), place.group() + (" not" if draw.random() < 0.8 else " never"), CONTRADICTED)

    def _neighbour(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        """A word in the place of one that stands beside it in the encoder's table of words: of its kind, with another meaning."""
        low = text.lower()
        places = [place for place in re.finditer(r"[A-Za-z]{4,}", claim) if place.group().lower() in self._near]
        draw.shuffle(places)
        for place in places[:4]:
            same = SYNONYMS.get(place.group().lower(), ())
            words = [word for word in self._near[place.group().lower()] if word not in low and word not in same]
            if words:
                new = words[int(draw.integers(len(words)))]
                return _put(claim, *place.span(), new.capitalize() if place.group()[0].isupper() else new, NEITHER)
        return None

    def _ended(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        """With the end of another text's sentence."""
        other = self.foreign(index, draw)
        ends = [
            *re.finditer(
                r"(?:,? (?:which|who|where|while|after|because|including|with|in|on|for|by|and|to) )[^,.]{10,70}(?=[ .,])", other
            )
        ]
        if not ends:
            return None
        end = ends[int(draw.integers(len(ends)))].group().rstrip(" .,")
        if end.strip() in text:
            return None
        cut = CLAUSE.search(claim)
        stop = cut.start() if cut and draw.random() < 0.5 else len(claim.rstrip(" .!?"))
        return _put(claim, stop, len(claim), end + ("." if claim.endswith(".") else ""), NEITHER)

    def _merged(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        """What another sentence of the text says, said of this one's subject."""
        mine = BE.search(claim)
        others = [match for p in text.split("\n") for a, b in claims(p) if (s := p[a:b]) not in claim and (match := BE.search(s))]
        if not mine or not others or not 3 <= mine.start() <= 70:
            return None
        other = others[int(draw.integers(len(others)))]
        rest = other.string[other.end() :]
        if not 3 <= len(rest.split()) <= 25:
            return None
        return _put(claim, mine.start(), len(claim), other.group() + rest, CONTRADICTED)

    def _spliced(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        """Its beginning with the end of another of the text's sentences, which may be shortened too."""
        others = [p[a:b] for p in self._stories[index].passages for a, b in claims(p) if p[a:b] not in claim]
        made = spliced.spliced(claim, [spliced.shortened(other, 1, draw) for other in others], text, draw)
        return made and Edit(*made, CONTRADICTED)

    def _misnamed(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        made = spliced.misnamed(claim, [p[a:b] for p in self._stories[index].passages for a, b in claims(p)], draw)
        return made and Edit(*made, CONTRADICTED)

    def _shortcut(self, claim: str, text: str, index: int, draw: np.random.Generator) -> Edit | None:
        made = spliced.shortcut(claim, text, draw)
        return made and Edit(*made, CONTRADICTED)


def _new_runs(text: str, told: set) -> int:
    return len(set(runs_of(WORD.findall(text.lower()), RUN)) - told)


def _put(text: str, start: int, end: int, new: str, verdict: int) -> Edit:
    """`new` in the place of characters [start, end): its words are the wrong ones."""
    lead = len(new) - len(new.lstrip(" ,"))
    return Edit(text[:start] + new + text[end:], start + lead, start + len(new.rstrip()), verdict)


def neighbours(base: Path, words: int = 6_000, first: int = 3, last: int = 20) -> dict[str, list[str]]:
    """For each of the encoder's frequent words those nearest in its table of words, without those of its own stem."""
    import torch
    from safetensors.torch import load_file

    vocabulary = read_json(base / "tokenizer.json")["model"]["vocab"]
    some = sorted((i, word) for word, i in vocabulary.items() if re.fullmatch("[a-z]{4,}", word))[:words]
    weights = {name.removeprefix("bert."): weight for name, weight in load_file(base / "model.safetensors").items()}
    table = weights["embeddings.word_embeddings.weight"][[i for i, _ in some]].float()
    table = torch.nn.functional.normalize(table - table.mean(0), dim=1)
    names, near = [word for _, word in some], {}
    for start in range(0, len(names), 1000):
        best = (table[start : start + 1000] @ table.T).topk(min(last + 1, len(names)), dim=1).indices.tolist()
        for word, row in zip(names[start : start + 1000], best, strict=True):
            others = [names[i] for i in row[first:] if names[i][:4] != word[:4]]
            near[word] = others
    return near


def stories_of(answers: list[Marked]) -> Iterator[Story]:
    """The texts that stand beside answers of people's sets, once each."""
    seen = set()
    for answer in answers:
        if answer.source.split()[0] in ("xsumfaith", "qa_feedback") and answer.group not in seen:
            seen.add(answer.group)
            yield Story("made", answer.group, answer.passages)


def stories_of_corpus(corpus, most: int, seed: int, asked_of: bool) -> Iterator[Story]:
    """Documents of a corpus, at most so many, with the questions that its sentences answer where `asked_of`."""
    draw = np.random.default_rng(seed)
    by_document = {}
    for query in corpus.queries if asked_of else ():
        for gold in query.relevant:
            by_document.setdefault(gold.document_id, []).append((query.text, gold))
    documents = [document for document in corpus.documents if len(document.text) > 120]
    for i in draw.permutation(len(documents))[:most]:
        document = documents[i]
        asked = by_document.get(document.id, ())
        start = int(draw.integers(max(1, len(document.text) - 2500)))
        start = document.text.rfind("\n", 0, start) + 1 if start else 0
        text = document.text if len(document.text) < 3000 else document.text[start : start + 3000]
        passages = tuple(p.strip() for p in re.split(r"\n\s*\n", text) if len(p.strip()) > 40)
        if not passages:
            continue
        yield Story("made", f"made {corpus.name} {document.id}", passages)
        for question, gold in asked[:4]:
            sentence = document.text[gold.start : gold.end]
            if len(sentence) < 400:
                yield Story("made", f"made {corpus.name} {document.id}", passages, question, sentence)
