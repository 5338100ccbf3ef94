"""The arithmetic of layers, by hand: sizes and numbers of weights, to check what Keras says."""


def convolution_output_size(size: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Give the side of a convolution's or pooling's output: ``floor((size + 2 padding - kernel_size) / stride) + 1``.

    Sizes in pixels. Raises ValueError when the kernel is larger than its padded input or a number is out of range.
    """
    if size < 1 or kernel_size < 1 or stride < 1 or padding < 0:
        raise ValueError(
            "Expected size, kernel_size and stride of at least 1 and padding of at least 0, received "
            f"size={size}, kernel_size={kernel_size}, stride={stride}, padding={padding}."
        )
    if kernel_size > size + 2 * padding:
        raise ValueError(
            f"Expected a kernel no larger than its padded input, received a kernel of {kernel_size} on "
            f"{size} + 2 x {padding} pixels: take a smaller kernel or more padding."
        )
    return (size + 2 * padding - kernel_size) // stride + 1


def convolution_parameters(kernel_size: int, channels: int, filters: int) -> int:
    """Count the weights of a convolution with biases: ``(kernel_size^2 channels + 1) filters``."""
    return (kernel_size**2 * channels + 1) * filters


def dense_parameters(inputs: int, outputs: int) -> int:
    """Count the weights of a fully connected layer with biases: ``(inputs + 1) outputs``."""
    return (inputs + 1) * outputs


def steps_per_epoch(n_examples: int, batch_size: int) -> int:
    """Count the batches that cover a set once: ``ceil(n_examples / batch_size)``; the last one may be smaller.

    Raises ValueError for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"Expected a batch_size of at least 1, received {batch_size}: choose a larger one.")
    return -(-n_examples // batch_size)
