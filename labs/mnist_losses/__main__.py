"""``python -m labs.mnist_losses``."""

from mi204 import cli

cli.start("mnist_losses")
