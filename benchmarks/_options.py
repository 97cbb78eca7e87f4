"""What a benchmark takes on the command line: its flags and --help. Anything else starts nothing."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter


def options(about: str, *flags: str, **words: str) -> Namespace:
    """flags: switches. words: options with a value, and what it is when they are not given."""
    parser = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    for word, usual in words.items():
        parser.add_argument(f"--{word}", type=type(usual), default=usual)
    return parser.parse_args()
