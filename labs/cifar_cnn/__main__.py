"""``python -m labs.cifar_cnn``."""

from mi204 import cli

cli.start("cifar_cnn")
