"""One loaded model a process, and what damaged or strange model files raise, in words."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.errors import WorkbenchError, missing_package
from core.models import probes

COPY_AGAIN = "Its files may be damaged or of another kind: copy the model again, or choose another."
_loaded: dict[str, object] = {}
_loading: dict[str, threading.Lock] = {}
importing = threading.Lock()  # of transformers: two threads at its first import found it without its classes


def load_once(identity: str, make: Callable[[], object]) -> object:
    """The object that `make` made for this identity, made once however many threads ask."""
    with _loading.setdefault(identity, threading.Lock()):  # of its own: another model may take seconds to load
        if identity not in _loaded:
            probes.refuse("torch")  # all that is loaded here computes with it
            with readable():
                _loaded[identity] = make()
        return _loaded[identity]


@contextmanager
def readable(what: str = "The model cannot be read", where: str = "", todo: str = COPY_AGAIN) -> Iterator[None]:
    """The many exceptions of damaged, empty or strange model folders as one that says what to do."""
    try:
        yield
    except WorkbenchError:
        raise
    except ImportError as error:
        raise missing_package(error) from error
    except Exception as error:
        words = (str(error).strip().splitlines() or [""])[0][:300]
        raise WorkbenchError(f"{what}: {type(error).__name__}: {words}", where=where, todo=todo) from error


def check_weights(model, where: str) -> None:
    """Refuses a transformers model of which some weights were not in its files: the library fills those with random
    numbers and only warns. A pooling layer may be missing, as none of our encoders asks it."""
    held = set(model._keys_to_ignore_on_load_missing or ())
    missing = [
        name
        for name, weight in model.named_parameters()
        if not getattr(weight, "_is_hf_initialized", False)
        and "pooler." not in name
        and not any(re.search(pattern, name) for pattern in held)
    ]
    if missing:
        what = f"{len(missing)} tensors of the model are not in its files, the first is {missing[0]}"
        raise WorkbenchError(f"{what}: it would read texts with random weights.", where=where, todo=COPY_AGAIN)
