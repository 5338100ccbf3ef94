"""CIFAR-10 by a small convolutional network (handout 002).

    python -m labs.cifar_cnn                          the course's notebook, and the questions it answers
    python -m labs.cifar_cnn --questions 4.2 7.2      the studies that these questions need
    python -m labs.cifar_cnn --preset quick           everything, very small: does it all run here?
    python -m labs.cifar_cnn --preset full            every study, three seeds: hours
    KERAS_BACKEND=jax python -m labs.cifar_cnn        the same on another backend

Results and figures go to figures/cifar_cnn. Ctrl-C stops; the same command goes on where it stopped.
"""
