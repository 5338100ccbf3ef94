"""``python -m labs.fashion_trainer``."""

from mi204 import cli

cli.start("fashion_trainer")
