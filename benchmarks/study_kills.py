"""A study killed 200 times, its driver or a worker, at random moments: whether its tables are those of an undisturbed run.

`tests/faults/studies.py` does it; the seed is told, so that it can be done again.
"""

import subprocess
import sys

from benchmarks._options import options


def main(quick: bool) -> int:
    command = [sys.executable, "-m", "tests.faults.studies", "--kills", "10" if quick else "200"]
    subprocess.run(command, check=False)  # it prints its results, also where tables differ
    return 0


if __name__ == "__main__":
    sys.exit(main(options(__doc__, "--quick").quick))
