"""How the loss evolves on MNIST: training and test sets, normal and swapped, with and without dropout (handout 000, 1).

    python -m labs.mnist_losses                        questions 1.1 to 1.5: four trainings of 14 epochs
    python -m labs.mnist_losses --questions 1.1        the training that this question needs
    python -m labs.mnist_losses --preset quick         everything, very small: does it all run here?
    KERAS_BACKEND=torch python -m labs.mnist_losses    the same on another backend

Results and figures go to figures/mnist_losses. Ctrl-C stops; the same command goes on where it stopped.
"""
