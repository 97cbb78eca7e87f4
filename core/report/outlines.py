"""Type with PostScript outlines as TrueType, so that a browser's PDF holds it as such.

Problem: Chromium writes fonts with PostScript outlines (OpenType with CFF, as Latin Modern) into a PDF as Type 3, which many
publishers refuse. Choice: the letters in use are converted, each cubic curve to quadratic ones within a thousandth of the type's
size, and the page that is printed takes them from itself. Metrics and kerning stay, so a drawing that was laid out with the font
keeps its places. What would change it: a browser that writes CFF as it is.
"""

import base64
import io
import re
import shutil
import subprocess

ASCII = "".join(map(chr, range(32, 127)))
NEAR = 0.001  # of the em square: how far a converted outline may lie from its own


def faces(families: str, text: str) -> str:
    """CSS that gives the first of these families that is installed as TrueType; "" where it is, or nobody knows.

    families: as CSS lists them. text: what is written with it.
    """
    for family in (name.strip(" '\"") for name in families.split(",")):
        files = {weight: file for weight in ("normal", "bold") if (file := installed(family, weight))}
        if files:
            return "".join(_face(family, weight, file, text) for weight, file in files.items())
    return ""


def installed(family: str, weight: str = "normal") -> str:
    """The file that fontconfig has of just this family; "" where it has none, or there is no fontconfig."""
    if not shutil.which("fc-match") or not re.fullmatch(r"[A-Za-z][\w -]*", family):
        return ""
    asked = [f"{family}:weight={200 if weight == 'bold' else 80}:slant=0", "--format=%{family}\n%{file}"]
    done = subprocess.run(["fc-match", *asked], capture_output=True, text=True, errors="replace")
    named, _, file = done.stdout.partition("\n")
    return file if family.lower() in [name.strip().lower() for name in named.split(",")] else ""


def _face(family: str, weight: str, file: str, text: str) -> str:
    data = truetype(file, text)
    source = f"url(data:font/ttf;base64,{base64.b64encode(data).decode()})"
    return f"@font-face {{ font-family: '{family}'; font-weight: {weight}; src: {source} }}\n" if data else ""


def truetype(file: str, text: str) -> bytes:
    """The font's letters of a text, and ASCII, with TrueType outlines; b"" where it has such outlines, or cannot be read."""
    from fontTools import subset
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib import TTFont, TTLibError, newTable

    try:
        font = TTFont(file, fontNumber=0, recalcTimestamp=False)
    except (TTLibError, OSError):
        return b""
    if "CFF " not in font:
        return b""
    options = subset.Options()
    options.layout_features = ["kern"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=ASCII + text)
    subsetter.subset(font)
    glyphs, outlines = font.getGlyphSet(), {}
    for name in font.getGlyphOrder():
        pen = TTGlyphPen(glyphs)
        glyphs[name].draw(Cu2QuPen(pen, NEAR * font["head"].unitsPerEm, reverse_direction=True))
        outlines[name] = pen.glyph()
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = font.getGlyphOrder(), outlines
    for name, glyph in outlines.items():
        glyph.recalcBounds(font["glyf"])
        font["hmtx"][name] = (font["hmtx"][name][0], glyph.xMin if glyph.numberOfContours else 0)
    limits = font["maxp"]
    limits.tableVersion = 0x00010000
    for field in (
        "maxTwilightPoints",
        "maxStorage",
        "maxFunctionDefs",
        "maxInstructionDefs",
        "maxStackElements",
        "maxSizeOfInstructions",
        "maxComponentElements",
    ):
        setattr(limits, field, 0)
    limits.maxZones = 1
    font["post"].formatType, font["head"].glyphDataFormat = 3.0, 0
    for table in ("CFF ", "VORG"):
        if table in font:
            del font[table]
    font.sfntVersion = "\x00\x01\x00\x00"
    made = io.BytesIO()
    font.save(made)
    return made.getvalue()
