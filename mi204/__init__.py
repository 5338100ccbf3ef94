"""Deep-learning labs on Keras 3: every question of the handouts answered by running code."""

__version__ = "0.1.0"
