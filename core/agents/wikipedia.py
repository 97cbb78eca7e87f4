"""The first paragraph of Wikipedia's best article for a text. The text leaves this machine."""

import html
import re

from core import files
from core.errors import WorkbenchError

ADDRESS = "https://en.wikipedia.org/w/api.php"
SECONDS = 10.0
BYTES = 200_000  # of the reply; a longer one is refused
AGENT = "Groundwork research workbench (retrieval experiments)"


def first_paragraph(text: str) -> str:
    """Title and first paragraph; "" where no article is found. WorkbenchError where the service cannot be reached."""
    import httpx2

    asked = {"action": "query", "format": "json", "generator": "search", "gsrsearch": text, "gsrlimit": "1"}
    asked |= {"prop": "extracts", "exintro": "1", "explaintext": "1", "redirects": "1"}
    body = b""
    try:
        how = {"params": asked, "headers": {"User-Agent": AGENT}, "timeout": SECONDS, "follow_redirects": False}
        with httpx2.stream("GET", ADDRESS, **how) as response:
            response.raise_for_status()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > BYTES:
                    raise WorkbenchError(f"Wikipedia sent more than {BYTES:,} bytes.")
    except httpx2.HTTPError as error:
        raise WorkbenchError(f"Wikipedia could not be asked: {error or type(error).__name__}.") from error
    return read_reply(body)


def read_reply(body: bytes) -> str:
    """The same of the service's reply."""
    reply = files.read_json(body, "Wikipedia's reply", of=dict)
    pages = reply.get("query", {}).get("pages", {}) if isinstance(reply.get("query", {}), dict) else {}
    page = next(iter(pages.values()), {}) if isinstance(pages, dict) else {}
    if not isinstance(page, dict) or not isinstance(page.get("extract"), str):
        return ""
    words = html.unescape(re.sub(r"<[^>]*>", " ", page["extract"])).strip()
    return f"{page.get('title', '')}: {words.split(chr(10))[0]}" if words else ""
