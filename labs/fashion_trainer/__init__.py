"""Perceptrons and convolutional networks on Fashion-MNIST (homework 004).

    python -m labs.fashion_trainer                       questions 2.1 to 2.5, as the homework asks
    python -m labs.fashion_trainer --questions 2.2       the trainings that this question needs
    python -m labs.fashion_trainer --engine torch        trained by the homework's Trainer in place of Keras
    python -m labs.fashion_trainer --preset quick        everything, very small: does it all run here?
    KERAS_BACKEND=jax python -m labs.fashion_trainer     the same on another backend
    python -m mi204 grade solution.py                    grade a solution of part 1

Results and figures go to figures/fashion_trainer. Ctrl-C stops; the same command goes on where it stopped.
"""
