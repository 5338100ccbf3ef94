"""The functions of the homework's part 1, in the order of its questions."""

SIGNATURES = {
    "gradient_norm": "(function, *tensor_list)",
    "jacobian_norm": "(function, input_tensor)",
    "create_activation_function": "(activation_str)",
    "create_mlp": "(input_dim, net_config, n_classes, activation)",
    "create_cnn": "(in_channels, net_config, n_classes, activation)",
    "normalize": "(train, valid, test)",
    "one_hot": "(self, y)",
    "compute_loss_and_accuracy": "(self, X, y)",
    "compute_gradient_norm": "(network)",
    "training_step": "(self, X_batch, y_batch)",
    "evaluate": "(self, X, y)",
}
LAST = ("training_step", "evaluate")
"""They stand on others, and are called among the correct ones; the cases of the others come before."""
