"""``python -m labs.audio_mnist``."""

from mi204 import cli

cli.start("audio_mnist")
