"""Keys of those who may ask: made once, shown once, and stored as their SHA-256 only.

A key has 256 random bits, so that a hash without salt or stretching can be neither guessed nor looked up.
"""

import hashlib
import json
import secrets
import threading
import time
from pathlib import Path
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.serving.admission import Refusal

PREFIX = "gw-"
MOST = 10_000


class Keys:
    """Those of a data folder, in `serving/keys.json`; a change is heard of at the next request."""

    def __init__(self, home: Path) -> None:
        self.path, self._lock = home / "serving" / "keys.json", threading.Lock()
        self._read: tuple[float, dict[str, dict[str, Any]]] = (-1.0, {})

    def make(self, name: str, days: float = 0.0) -> str:
        """A new key for that client. days: until it expires; 0: never."""
        if not name.strip():
            raise WorkbenchError("A key needs a name.", todo="Say who it is for.")
        with files.changing(self.path):
            entries = self.entries()
            if any(entry["name"] == name and not entry["revoked"] for entry in entries.values()):
                raise WorkbenchError(f"'{name}' has a key.", where=str(self.path), todo="Revoke it first, or take another name.")
            if len(entries) >= MOST:
                raise WorkbenchError(f"There are {MOST:,} keys.", where=str(self.path), todo="Take out those that are revoked.")
            key, now = PREFIX + secrets.token_urlsafe(32), time.time()
            expires = now + 86_400 * days if days else 0.0
            self._write(entries | {_hash(key): {"name": name, "created": now, "expires": expires, "revoked": False}})
        return key

    def revoke(self, name: str) -> None:
        with files.changing(self.path):
            entries = self.entries()
            own = {hashed: entry | {"revoked": True} for hashed, entry in entries.items() if entry["name"] == name}
            if not own:
                todo = "`python -m core serving keys` lists them."
                raise WorkbenchError(f"'{name}' has no key.", where=str(self.path), todo=todo)
            self._write(entries | own)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Hash -> name, created, expires (seconds since 1970; 0.0: never), revoked."""
        try:
            changed = self.path.stat().st_mtime
        except FileNotFoundError:
            return {}
        with self._lock:
            if changed != self._read[0]:
                self._read = changed, files.read_json(self.path, "The list of keys", of=dict)
            return self._read[1]

    def client(self, key: str) -> str:
        """Whose key it is; raises a Refusal."""
        entry = self.entries().get(_hash(key)) if key else None
        if entry is None:
            raise Refusal(401, "A key is needed: Authorization: Bearer KEY." if not key else "This key is unknown.")
        if entry["revoked"] or (entry["expires"] and entry["expires"] < time.time()):
            raise Refusal(401, f"This key {'is revoked' if entry['revoked'] else 'has expired'}.")
        return entry["name"]

    def _write(self, entries: dict[str, dict[str, Any]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(self.path, json.dumps(entries, indent=1).encode(), "The list of keys")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def listed(home: Path) -> list[dict[str, Any]]:
    """A row a client, the newest first: name, created, expires (seconds since 1970; 0.0: never), status."""
    rows = []
    for entry in sorted(Keys(home).entries().values(), key=lambda entry: -entry["created"]):
        expired = entry["expires"] and entry["expires"] < time.time()
        rows.append({**entry, "status": "revoked" if entry["revoked"] else "expired" if expired else "valid"})
    return rows
