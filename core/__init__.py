"""The library behind the pages and the command line. It knows no screen and prints nothing."""
