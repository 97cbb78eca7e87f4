"""One page of an ingested PDF as a picture with a sentence marked, drawn by PDFium in a process of its own.

    python -m core.corpus.pdf_page SOURCE RESULT MEMORY_MB CPU_S < {"page": 3, "passage": "…", "sentence": "…"}

It imports nothing of the project. Our text of a page comes from another reader, so what is marked is looked for by its
letters and digits alone: hyphens, ligatures and white space differ between readers.
"""

import contextlib
import difflib
import json
import resource
import sys
import unicodedata
from pathlib import Path

WIDTH = 1100  # pixels
TALLEST = 4 * WIDTH
SHORTEST = 12  # letters: a shorter run that both have says nothing
COLORS = {"passage": (86, 180, 233, 46), "sentence": (230, 159, 0, 96)}  # RGBA


def letters(text: str) -> tuple[str, list[int]]:
    """Letters and digits in one case, each with the place it came from."""
    pairs = [
        (c, place) for place, letter in enumerate(text) for c in unicodedata.normalize("NFKC", letter).casefold() if c.isalnum()
    ]
    return "".join(c for c, _ in pairs), [place for _, place in pairs]


def located(page: str, wanted: str, around: str = "") -> list[tuple[int, int]]:
    """Characters [start, end) of the page that are the wanted text, or those runs of it that stand there. Where it stands
    several times, the one inside `around`."""
    (here, places), (sought, _), (context, _) = letters(page), letters(wanted), letters(around)
    if not sought:
        return []
    at = here.find(sought, max(here.find(context), 0))
    runs = (
        [(at, len(sought))]
        if at >= 0
        else [
            (block.a, block.size)
            for block in difflib.SequenceMatcher(None, here, sought, autojunk=False).get_matching_blocks()
            if block.size >= min(SHORTEST, len(sought))
        ]
    )
    return [(places[start], places[start + size - 1] + 1) for start, size in runs]


def draw(source: str, page: int, texts: dict[str, str], result: Path) -> dict:
    """Writes the picture; {"pages", "top": where the last of the marks begins, "marked": how much of each text was found}, 0 to 1."""
    import pypdfium2
    from PIL import Image, ImageDraw

    document = pypdfium2.PdfDocument(source)
    if not 1 <= page <= len(document):
        raise ValueError(f"it has {len(document)} pages, and page {page} was asked for")
    sheet = document[page - 1]
    width, height = sheet.get_size()
    scale = min(WIDTH / width, TALLEST / height)
    image = sheet.render(scale=scale, may_draw_forms=False).to_pil().convert("RGBA")
    layer = sheet.get_textpage()
    number = layer.count_chars()
    text = "".join(chr(pypdfium2.raw.FPDFText_GetUnicode(layer.raw, n)) for n in range(number))
    shade, marked = Image.new("RGBA", image.size, (0, 0, 0, 0)), {}
    pen, top_mark = ImageDraw.Draw(shade), 0.0
    for kind, wanted in texts.items():
        spans = located(text, wanted, texts.get("passage", ""))
        if spans:
            top_mark = 1 - max(layer.get_charbox(n, loose=True)[3] for n in range(*spans[0])) / height
        marked[kind] = sum(len(letters(text[a:b])[0]) for a, b in spans) / max(len(letters(wanted)[0]), 1)
        for left, bottom, right, top in (
            layer.get_charbox(n, loose=True) for a, b in spans for n in range(a, b) if text[n].strip()
        ):
            pen.rectangle((left * scale, (height - top) * scale, right * scale, (height - bottom) * scale), COLORS[kind])
    Image.alpha_composite(image, shade).convert("RGB").save(result, "PNG")
    return {"pages": len(document), "top": top_mark, "marked": marked}


def main(source: str, result: str, memory_mb: str, cpu_s: str) -> None:
    for limit, value in ((resource.RLIMIT_AS, int(memory_mb) << 20), (resource.RLIMIT_CPU, int(cpu_s))):
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of address space
            resource.setrlimit(limit, (value, value))
    asked = json.load(sys.stdin)
    print(json.dumps(draw(source, asked["page"], asked["texts"], Path(result))))


if __name__ == "__main__":
    main(*sys.argv[1:])
