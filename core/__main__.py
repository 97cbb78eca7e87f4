"""The command line: `python -m core SUBJECT VERB …`. The same verbs as the pages; each file of core/cli says those of its subject."""

import pkgutil
import signal
import sys
from importlib import import_module

from core import cli
from core.cli.frame import main, parse

__all__ = ("main", "parse")
for module in pkgutil.iter_modules(cli.__path__):
    import_module(f"core.cli.{module.name}")

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended like Ctrl+C, with what it has started
    sys.exit(main())
