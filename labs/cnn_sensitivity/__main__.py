"""``python -m labs.cnn_sensitivity``."""

from mi204 import cli

cli.start("cnn_sensitivity")
