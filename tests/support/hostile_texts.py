"""Texts and files that no door may stumble over: each ends in a WorkbenchError, soon, or is read as the plain value that it is.

`TEXTS` are what is pasted, written into an address or behind an option; `FILES` are those and more as files, and `lay` puts
one of them, or something that is no file at all, into a folder.
"""

import os
import socket
from itertools import pairwise
from pathlib import Path

LETTERS = "abcdefghi"
ALIAS_BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in pairwise(LETTERS)
)
ALIAS_CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(1_100))

TEXTS: dict[str, str] = {
    "alias bomb": f"{ALIAS_BOMB}title: *i\n",
    "alias of itself": "title: &a [*a]\n",
    "chain of aliases": ALIAS_CHAIN,
    "merged bomb": "a: &a {x: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [{','.join(['*a'] * 1000)}]}}\n" for n in range(400)),
    "1,200 brackets": "[" * 1_200,
    "1,200 brackets, closed": "[" * 1_200 + "]" * 1_200,
    "90 brackets, closed": "[" * 90 + "]" * 90,
    "100,000 brackets": "[" * 100_000,
    "100,000 braces": '{"a":' * 100_000,
    "100,000 dashes": "- " * 100_000,
    "5,000 digits": "9" * 5_000,
    "400 digits": "9" * 400,
    "31 digits": "9" * 31,
    "400 digits in a mapping": f'{{"title": {"9" * 400}}}',
    "sixties": "1" + ":59" * 5_000,
    "1e999": "1.0e+999",
    "a day that is none": "2026-99-99",
    "a day that is none in a mapping": "seed: 2026-99-99\ntitle: 2026-99-99\n",
    "an hour before all days": "0001-01-01 00:00:00 +23:59",
    "NUL": "a\0b",
    "control signs": "\x1b[31m\x07",
    "half a pair": "\ud800",
    "BOM": "\ufeff[",
    "NaN": "NaN",
    "NaN in a mapping": '{"title": NaN}',
    ".nan": ".nan",
    "infinity": '{"title": Infinity, "seed": -Infinity}',
    "a name twice": "title: a\ntitle: b\n",
    "a huge name": "? " + "k" * 100_000 + "\n: 1\n",
    "names that are lists": "? [a]\n: 1\n",
    "code": "!!python/object/apply:os.system ['true']\n",
    "a tag that does not fit": "title: !!int ''\n",
    "60,000 tags": "".join(f"%TAG !a{n}! x\n" for n in range(60_000)) + "--- a\n",
    "200,000 values": "[" + "a," * 200_000 + "]",
    "10 MB": "a" * 10_000_000,
    "no text": "",
    "white space": " \n\t\n",
}

FILES: dict[str, bytes] = {name: text.encode("utf-8", "surrogatepass") for name, text in TEXTS.items()} | {
    "Latin-1": "title: Grüße\n".encode("latin-1"),
    "UTF-16": "title: a\n".encode("utf-16"),
    "BOM and no more": b"\xef\xbb\xbf",
    "zeros": bytes(100_000),
    "a zip of nothing": b"PK\x05\x06" + bytes(18),
    "the start of gzip": b"\x1f\x8b\x08\x00",
}

NO_FILES = ("a pipe", "a device", "a folder", "a socket", "nothing", "a link that leads nowhere", "a link to itself")


def lay(folder: Path, name: str, called: str = "given.yaml") -> Path:
    """A path below the folder where the file of that name stands, or what takes its place."""
    path = folder / called
    match name:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "a folder":
            path.mkdir()
        case "a socket":
            here = os.getcwd()
            os.chdir(folder)  # a socket's whole path has some hundred letters at most
            try:
                with socket.socket(socket.AF_UNIX) as listening:
                    listening.bind(called)
            finally:
                os.chdir(here)
        case "nothing":
            pass
        case "a link that leads nowhere":
            path.symlink_to(folder / "nowhere")
        case "a link to itself":
            path.symlink_to(path)
        case _:
            path.write_bytes(FILES[name])
    return path
