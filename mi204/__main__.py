"""``python -m mi204 …``."""

from mi204.cli import main

main()
