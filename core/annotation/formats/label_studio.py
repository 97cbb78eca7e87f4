"""Label Studio's formats: its label config (XML), its tasks, and its JSON export read back without loss.

A sentence's label is a labelled region over the sentence, an error a region over words: this works for answers of any
length with one config. What Label Studio has no place for (who, when, rubric, what was shown) travels in a hidden text
field of the annotation; annotations made there have none, so their annotator and time are Label Studio's own. Its
offsets count UTF-16 units, as JavaScript does. Source: Label Studio 1.x, "Label Studio JSON format of annotated tasks".
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import quoteattr

from pydantic import ValidationError

from core.annotation.formats.exchange import Parsed, Problems, said
from core.annotation.labels import Label, Span, blank, content
from core.annotation.screen import shown
from core.annotation.sentences import words
from core.annotation.study import Item, Study
from core.errors import WorkbenchError
from core.files import read_json
from core.files.ids import is_id

READER = "label studio"  # its annotators share one order of the answers
CONTROL = re.compile(r"(sentence|error|helpful)_[12]|preference|whole|comment|record")
CHOICES = ("first", "second", "tie")
META = tuple("id study hash round annotator seconds rubric shown order bulk replaces restores withdrawn origin created".split())


def config_xml(study: Study) -> str:
    """The label config. Hot keys are those of the rubric."""
    answers = range(1, 3 if study.kind == "pairs" else 2)
    labels = "".join(
        f"<Label value={quoteattr(category.name)}{f' hotkey={quoteattr(category.key)}' if category.key else ''}/>"
        for category in study.rubric.labels
    )
    blocks = ['<Header value="Question"/><Text name="question" value="$question"/>']
    for n in answers:
        blocks.append(
            f'<Header value="Evidence"/><Text name="evidence_{n}" value="$evidence_{n}"/>'
            f'<Header value="Answer {n if len(answers) > 1 else ""}"/>'
            f'<Labels name="sentence_{n}" toName="answer_{n}">{labels if n == 1 else _without_keys(study)}</Labels>'
            f'<Labels name="error_{n}" toName="answer_{n}"><Label value="error" background="#d55e00"/></Labels>'
            f'<Text name="answer_{n}" value="$answer_{n}" granularity="word"/>'
            f'<Rating name="helpful_{n}" toName="answer_{n}" maxRating="5"/>'
        )
    if len(answers) > 1:
        choices = "".join(f'<Choice value="{name}"/>' for name in CHOICES)
        blocks.append(
            f'<Header value="Which answer is better?"/><Choices name="preference" toName="question">{choices}</Choices>'
        )
    blocks.append(
        '<Choices name="whole" toName="question"><Choice value="cannot judge"/></Choices>'
        '<TextArea name="comment" toName="question" placeholder="Comment" maxSubmissions="1"/>'
        '<View style="display:none"><TextArea name="record" toName="question" maxSubmissions="1"/></View>'
    )
    return "<View>\n  " + "\n  ".join(blocks) + "\n</View>\n"


def _without_keys(study: Study) -> str:
    return "".join(f"<Label value={quoteattr(category.name)}/>" for category in study.rubric.labels)


def tasks(study: Study, labels: Iterable[Label], round_name: str = "") -> list[dict[str, Any]]:
    """A task for each item of the round ("": of all), blind, with the annotations that there are."""
    by_item: dict[str, list[Label]] = {}
    for label in labels:
        by_item.setdefault(label.item, []).append(label)
    return [
        {
            "data": _data(study, item),
            "annotations": [_annotation(item, label, _order(study, item)) for label in by_item.get(item.id, [])],
        }
        for item in study.round_items(round_name)
    ]


def _order(study: Study, item: Item) -> tuple[int, ...]:
    return shown(study, item, READER).order


def _data(study: Study, item: Item) -> dict[str, Any]:
    data = {"study": study.id, "item": item.id, "question": item.question, "order": list(_order(study, item))}
    places = [*_order(study, item), *([None] if study.kind == "pairs" and len(item.responses) == 1 else [])]
    for n, place in enumerate(places, 1):
        response = item.responses[place] if place is not None else None
        data[f"evidence_{n}"] = "\n\n".join(f"[{k}] {p.text}" for k, p in enumerate(response.passages, 1)) if response else ""
        data[f"answer_{n}"] = response.text if response else ""
    return data


def _annotation(item: Item, label: Label, order: tuple[int, ...]) -> dict[str, Any]:
    result = [
        _region(
            "record",
            "question",
            "textarea",
            {"text": [json.dumps({**{name: getattr(label, name) for name in META}, "content": _digest(label)})]},
            label,
        )
    ]
    for n, place in enumerate(order, 1):
        response = item.responses[place]
        text, to = response.text, f"answer_{n}"
        for (start, end), name in zip(response.sentences, label.sentences[place] if label.sentences else (), strict=False):
            if name is not None:
                result.append(
                    _region(f"sentence_{n}", to, "labels", {**_chars(text, start, end), "labels": [name]}, label, start)
                )
        bounds = words(text)
        for span in (span for span in label.spans if span.response == place):
            start, end = bounds[span.first][0], bounds[span.last - 1][1]
            result.append(_region(f"error_{n}", to, "labels", {**_chars(text, start, end), "labels": ["error"]}, label, start))
        if label.helpful and label.helpful[place] is not None:
            result.append(_region(f"helpful_{n}", to, "rating", {"rating": label.helpful[place]}, label))
    if label.preference:
        choice = "tie" if label.preference == "tie" else CHOICES[order.index("ab".index(label.preference))]
        result.append(_region("preference", "question", "choices", {"choices": [choice]}, label))
    if label.cannot_judge:
        result.append(_region("whole", "question", "choices", {"choices": ["cannot judge"]}, label))
    if label.comment:
        result.append(_region("comment", "question", "textarea", {"text": [label.comment]}, label))
    return {"result": result, "lead_time": label.seconds, "was_cancelled": False}


def _region(name: str, to: str, kind: str, value: dict, label: Label, *place: int) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([label.id, label.annotator, name, value, *place]).encode()).hexdigest()[:10]
    return {"id": digest, "from_name": name, "to_name": to, "type": kind, "value": value}


def from_tasks(text: str, file: str, study: Study, round_name: str) -> Parsed:
    """Labels of an export (JSON, or JSON-MIN's list of tasks with annotations)."""
    labels: list[tuple[int, Label]] = []
    wrong = Problems(file)
    for line, task in elements(text, wrong):
        data = task.get("data") if isinstance(task, dict) else None
        if not isinstance(data, dict) or "item" not in data:
            todo = "Export the project as JSON, from a project that `annotate push` or `annotate export` made."
            wrong.add(line, "This is no task of a study: it has no data.item.", todo)
            continue
        if not isinstance(data["item"], str) or not study.has(data["item"]):
            todo = "Import into the study that the project was made of."
            wrong.add(line, f"There is no item '{data['item']}' in the study '{study.id}'.", todo)
            continue
        annotations = task.get("annotations") or []
        if not isinstance(annotations, list):
            wrong.add(line, f"Item {data['item']}: its annotations are no list.", "Export the project as JSON again.")
            continue
        for number, annotation in enumerate(annotations, 1):
            try:
                if not annotation.get("was_cancelled"):
                    labels.append((line, _label(study, study.item(data["item"]), annotation, data, round_name)))
            except (KeyError, TypeError, ValueError, IndexError, AttributeError, WorkbenchError) as error:
                what = f"it is not as Label Studio writes it ({type(error).__name__}: {error})."
                if isinstance(error, WorkbenchError):
                    what = error.what
                elif isinstance(error, ValueError):
                    what = said(error) if isinstance(error, ValidationError) else f"{error}."
                wrong.add(
                    line, f"Item {data['item']}, annotation {number}: {what}", "Correct it in Label Studio, and export again."
                )
    return Parsed(labels, wrong)


def elements(text: str, wrong: Problems) -> list[tuple[int, Any]]:
    """The elements of a JSON list, each with its line; what ends the reading goes to `wrong`."""
    try:
        read_json(text, "The list of tasks", of=list, most=len(text))
    except WorkbenchError as error:
        line = re.search(r"\(line (\d+)", error.what)
        wrong.add(int(line[1]) if line else 1, error.what, "Export the project as JSON again.")
        return []
    decoder, listed = json.JSONDecoder(), []  # for the places of what has been read
    place = text.index("[") + 1
    line, counted = 1, 0
    while True:
        while text[place : place + 1].isspace() or text[place : place + 1] == ",":
            place += 1
        line, counted = line + text.count("\n", counted, place), place
        if text[place : place + 1] == "]":
            return listed
        value, place = decoder.raw_decode(text, place)
        listed.append((line, value))


def _label(study: Study, item: Item, annotation: dict, data: dict, round_name: str) -> Label:
    by_name: dict[str, list[dict]] = {}
    for region in annotation["result"]:
        if region.get("type") == "relation":  # between two regions: nothing that a study asks for
            continue
        if not CONTROL.fullmatch(region["from_name"]):
            raise ValueError(f"it was labelled with '{region['from_name']}', which the label config of a study does not have")
        by_name.setdefault(region["from_name"], []).append(region["value"])
    order = tuple(data.get("order") or _order(study, item))
    if sorted(order) != list(range(len(item.responses))):
        raise ValueError("the order of its answers does not fit the item")
    meta = _record(by_name)
    record = blank(study, round_name, item, meta.get("annotator") or _person(annotation.get("completed_by"))).model_dump()
    record |= {"seconds": annotation.get("lead_time"), "order": order, "created": annotation.get("created_at") or ""}
    record |= {"study": data["study"]} if data.get("study") else {}  # another study may share the item
    record |= {name: meta[name] for name in META if name in meta}
    names, stars = list(map(list, record["sentences"])), list(record["helpful"])
    spans: list[Span] = []
    for n, place in enumerate(order, 1):
        response = item.responses[place]
        for value in by_name.get(f"sentence_{n}", []):
            for number in _sentences(response.text, response.sentences, value):
                if names[place][number] not in (None, value["labels"][0]):
                    raise ValueError(f"sentence {number + 1} has two labels")
                names[place][number] = value["labels"][0]
        spans += [_span(response.text, place, value) for value in by_name.get(f"error_{n}", [])]
        for value in by_name.get(f"helpful_{n}", []):
            stars[place] = value["rating"]
    for value in by_name.get("preference", []):
        choice = CHOICES.index(value["choices"][0])
        record["preference"] = "tie" if choice == 2 else "ab"[order[choice]]
    texts = [text for value in by_name.get("comment", []) for text in _texts(value)]
    record |= {
        "sentences": names,
        "helpful": stars,
        "spans": spans,
        "comment": "\n".join(texts),
        "cannot_judge": "whole" in by_name,
    }
    label = Label.model_validate(record)
    if not is_id(label.id):
        label = label.model_copy(update={"id": ""})
    if meta and meta.get("content") != _digest(label):  # edited there: a label of its own, which takes the place of ours
        label = label.model_copy(
            update={"id": "", "replaces": str(meta["id"]), "withdrawn": False, "created": annotation.get("updated_at") or ""}
        )
    return label


def _record(by_name: dict[str, list[dict]]) -> dict[str, Any]:
    texts = by_name.get("record", [])
    return read_json(_texts(texts[0])[0], "The label that we sent along", of=dict) if texts else {}


def _texts(value: dict) -> list[str]:
    """Label Studio writes a text area as a list, or as a string where one text is allowed."""
    return [value["text"]] if isinstance(value["text"], str) else value["text"]


def _digest(label: Label) -> str:
    """Tells whether what was said is still what we sent."""
    told = content(label)
    told.pop("withdrawn")
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _person(who: Any) -> str:
    if isinstance(who, dict):
        return str(who.get("email") or who.get("username") or f"user {who['id']}")
    if who in (None, ""):
        raise ValueError("nobody is named as its annotator")
    return who if isinstance(who, str) else f"user {who}"


def _chars(text: str, start: int, end: int) -> dict[str, Any]:
    return {"start": _units(text[:start]), "end": _units(text[:end]), "text": text[start:end]}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _bounds(text: str, value: dict) -> tuple[int, int]:
    data, places = text.encode("utf-16-le"), [float(value[name]) for name in ("start", "end")]
    if not 0 <= places[0] < places[1] <= len(data) // 2 or any(place != int(place) for place in places):
        raise ValueError(f"characters {value['start']} to {value['end']} are not in the answer")
    start, end = (len(data[: 2 * int(place)].decode("utf-16-le", "ignore")) for place in places)
    return start, max(end, start + 1)  # half an emoji is the emoji


def _sentences(text: str, sentences: tuple[tuple[int, int], ...], value: dict) -> list[int]:
    """The sentences of which at least half lies in the region; or else the one that most of it lies in."""
    start, end = _bounds(text, value)
    shared = [min(end, b) - max(start, a) for a, b in sentences]
    if not shared or max(shared) <= 0:
        raise ValueError(f"characters {value['start']} to {value['end']} are in no sentence")
    covered = [n for n, (a, b) in enumerate(sentences) if 2 * shared[n] >= b - a]
    return covered or [max(range(len(shared)), key=lambda n: (shared[n], -n))]


def _span(text: str, response: int, value: dict) -> Span:
    start, end = _bounds(text, value)
    touched = [n for n, (a, b) in enumerate(words(text)) if a < end and start < b]
    if not touched:
        raise ValueError(f"characters {value['start']} to {value['end']} are no words")
    return Span(response=response, first=touched[0], last=touched[-1] + 1)
