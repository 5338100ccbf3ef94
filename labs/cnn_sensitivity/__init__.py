"""What a convolutional network looks at, and how sensitive it is (handout 000, part 3).

    python -m labs.cnn_sensitivity                             questions 3.1 to 3.5
    python -m labs.cnn_sensitivity --questions 3.3 3.4         the handout's pictures and their variants alone
    python -m labs.cnn_sensitivity --backbone cifar10          the small network that comes with the library
    python -m labs.cnn_sensitivity --images one.jpg several.jpg none.jpg --target-class tabby
    python -m labs.cnn_sensitivity --preset quick              everything, very small: does it all run here?
    KERAS_BACKEND=jax python -m labs.cnn_sensitivity           the same on another backend

Nothing is trained. Results and figures go to figures/cnn_sensitivity. Ctrl-C stops; the same command goes on where it
stopped.
"""
