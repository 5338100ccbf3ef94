"""Our own solution has full marks; each seeded fault loses points in its item alone, and common ones are named."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi204.grading import grader

TEXTS = tomllib.loads(Path(grader.__file__).with_name("texts.toml").read_text(encoding="utf-8"))
POINTS = {"1": 3, "2": 2, "3": 1, "4": 5, "5": 5, "6": 2, "7": 2, "8": 4, "9": 2, "10": 6, "11": 3}


@dataclass(frozen=True)
class Fault:
    """A change of our own solution."""

    name: str
    item: str
    old: str
    new: str
    mistake: str = ""
    """The common mistake that the message must name."""
    checks: str = ""
    """The checks that lose points, where they are worth stating."""


NORM = "    return _norm(torch.autograd.grad(value.reshape(()), inputs, allow_unused=True))\n"
GRADS = "torch.autograd.grad(value, inputs)"
JACOBIAN = "float(torch.autograd.functional.jacobian(function, input_tensor).norm())"
ACTIVATIONS = '{"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[activation_str]()'
MLP = "return nn.Sequential(nn.Flatten(), *_dense(input_dim, net_config, n_classes, activation))"
CONVOLUTION = "layers += [nn.Conv2d(in_channels, filters, kernel_size, stride, padding), activation, nn.MaxPool2d(2)]"
ADAPTIVE = "layers[-1] = nn.AdaptiveMaxPool2d((side, side))"
CNN_DENSE = "*layers, nn.Flatten(), *_dense(side * side * in_channels, net_config, n_classes, activation)"
ONE_HOT = "return nn.functional.one_hot(y.long(), self.n_classes).float()"
CLIP = "probabilities = self.network(X).clamp(self.epsilon, 1 - self.epsilon)"
LOSS = "loss = -(y * probabilities.log()).sum(dim=1).mean()"
ACCURACY = "accuracy = (probabilities.argmax(dim=1) == y.argmax(dim=1)).float().mean()"
RETURN_LOSS = "return loss, float(accuracy)"
GRADIENT_NORM = "return _norm(parameter.grad for parameter in network.parameters())"
STEP = """\
        self.optimizer.zero_grad()
        loss, _ = self.compute_loss_and_accuracy(X_batch, y_batch)
        loss.backward()
        norm = self.compute_gradient_norm(self.network)
        self.optimizer.step()
        return norm
"""
EVALUATE = "        losses, accuracies = 0.0, 0.0\n"
EVALUATE_RETURN = "return losses / len(X), accuracies / len(X)"
NORMALIZE = "return tuple(((X - mean) / deviation, y) for X, y in (train, valid, test))"


def mlp(text):
    """Write a create_mlp whose layers are the list ``d`` of ``_dense``, changed."""
    return f"d = _dense(input_dim, net_config, n_classes, activation)\n        {text}"


def cnn(text):
    """Change the list of all layers of create_cnn, ``d``, before it is returned."""
    return f"d = [{CNN_DENSE}]\n        {text}\n        return nn.Sequential(\n            *d"


def evaluate(chosen):
    """Write an evaluate that averages the results of the ``chosen`` batches."""
    return (
        "        size = self.batch_size\n"
        "        batches = [slice(start, start + size) for start in range(0, len(X), size)]\n"
        "        pairs = [self.compute_loss_and_accuracy(X[batch], self.one_hot(y[batch])) for batch in batches]\n"
        f"        pairs = {chosen}\n"
        "        return tuple(sum(float(pair[i]) for pair in pairs) / len(pairs) for i in (0, 1))\n"
    )


CNN_RETURN = f"return nn.Sequential(\n            {CNN_DENSE}"

FAULTS = [
    Fault("norms added", "1", NORM, f"    return float(sum(g.norm() for g in {GRADS}))\n", "sum_of_norms", "1.2 1.3"),
    Fault("squared norm", "1", NORM, f"    return float(sum((g**2).sum() for g in {GRADS}))\n", "squared"),
    Fault("stacked", "1", NORM, f"    return torch.stack({GRADS}).norm()\n", "stacked", "1.3"),
    Fault("stacked by numpy", "1", NORM, f"    return np.array([g.numpy() for g in {GRADS}]).std()\n", "stacked"),
    Fault("joined as they are", "1", NORM, f"    return torch.cat({GRADS}).norm()\n", "stacked", "1.3"),
    Fault("first tensor alone", "1", NORM, f"    return {GRADS}[0].norm()\n", "first_only", "1.2 1.3"),
    Fault("last tensor alone", "1", NORM, f"    return {GRADS}[-1].norm()\n", "last_only", "1.2 1.3"),
    Fault("mean of norms", "1", NORM, f"    return sum(g.norm() for g in {GRADS}) / len(inputs)\n", "mean_of_norms"),
    Fault("sum of absolute values", "1", NORM, f"    return sum(g.abs().sum() for g in {GRADS})\n", "absolute_values"),
    Fault("returns nothing", "1", NORM, "    print(value)\n", "returns_nothing", "1.1 1.2 1.3"),
    Fault("list of norms", "1", NORM, f"    return [g.norm() for g in {GRADS}]\n", "not_a_number", "1.1 1.2 1.3"),
    Fault("sum of the values", "1", NORM, f"    return sum(g.sum() for g in {GRADS})\n", "sum_of_values"),
    Fault("still to be written", "1", NORM, "    raise NotImplementedError\n", "not_done", "1.1 1.2 1.3"),
    Fault(
        "gradient of the sum", "2", JACOBIAN,
        "float(torch.autograd.grad(function(input_tensor).sum(), input_tensor)[0].norm())", "gradient_of_sum",
    ),
    Fault("no root", "2", JACOBIAN, JACOBIAN.replace(".norm()", ".square().sum()"), "squared"),
    Fault("spectral norm", "2", JACOBIAN, f"torch.linalg.matrix_norm({JACOBIAN[6:-8]}, 2)", "spectral"),
    Fault("sums of absolute values", "2", JACOBIAN, JACOBIAN.replace(".norm()", ".abs().sum()"), "absolute_values"),
    Fault("matrix norm of a vector's", "2", JACOBIAN, f"torch.linalg.matrix_norm({JACOBIAN[6:-8]})", "", "2.2"),
    Fault("tanh twice", "3", ACTIVATIONS, ACTIVATIONS.replace("nn.Sigmoid", "nn.Tanh"), "other_activation", "3.3"),
    Fault("a class", "3", ACTIVATIONS, ACTIVATIONS[:-2], "class_not_instance", "3.1 3.2 3.3"),
    Fault("a function", "3", ACTIVATIONS, "getattr(torch, activation_str)", "not_a_module", "3.1 3.2 3.3"),
    Fault("relu always", "3", ACTIVATIONS, "nn.ReLU()", "other_activation", "3.2 3.3"),
    Fault("no tanh", "3", ACTIVATIONS, ACTIVATIONS.replace('"tanh"', '"Tanh"'), "", "3.2"),
    Fault("softmax over axis 0", "4", MLP, mlp("return nn.Sequential(nn.Flatten(), *d[:-1], nn.Softmax(dim=0))"),
          "softmax_axis", "4.3"),
    Fault("no softmax", "4", MLP, mlp("return nn.Sequential(nn.Flatten(), *d[:-1])"), "softmax_missing", "4.3"),
    Fault("log softmax", "4", MLP, mlp("return nn.Sequential(nn.Flatten(), *d[:-1], nn.LogSoftmax(1))"), "log_softmax"),
    Fault("sigmoid at the end", "4", MLP, mlp("return nn.Sequential(nn.Flatten(), *d[:-1], nn.Sigmoid())"),
          "sigmoid_output", "4.3"),
    Fault("activation after the last layer", "4", MLP,
          mlp("return nn.Sequential(nn.Flatten(), *d[:-1], activation, d[-1])"), "activation_last", "4.4"),
    Fault("no activation", "4", MLP,
          mlp("return nn.Sequential(nn.Flatten(), *[m for m in d if m is not activation])"),
          "activation_missing", "4.4"),
    Fault("relu whatever is asked", "4", MLP,
          mlp("return nn.Sequential(nn.Flatten(), *[nn.ReLU() if m is activation else m for m in d])"),
          "activation_ignored", "4.4"),
    Fault("no flatten", "4", MLP, MLP.replace("nn.Flatten(), ", ""), "flatten_missing", "4.2 4.3 4.4"),
    Fault("ten classes", "4", MLP, MLP.replace("n_classes", "10"), "", "4.1 4.2 4.3 4.4"),
    Fault("two hidden layers at most", "4", MLP,
          MLP.replace("net_config", "net_config._replace(dense_hiddens=net_config.dense_hiddens[:2])"), "", "4.1 4.4"),
    Fault("three hidden layers always", "4",
          MLP, MLP.replace("net_config", "net_config._replace(dense_hiddens=(net_config.dense_hiddens * 3)[:3])"), "",
          "4.1 4.4"),
    Fault("dropout", "4", MLP, mlp("return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), *d)"), "", "4.4"),
    Fault("no network", "4", MLP, mlp("nn.Sequential(nn.Flatten(), *d)"), "returns_nothing", "4.1 4.2 4.3 4.4"),
    Fault("pool after the last convolution", "5", ADAPTIVE, ADAPTIVE.replace("layers[-1] =", "layers +=").replace(
        "nn.Adaptive", "[nn.Adaptive") + "]", "pool_last", "5.4"),
    Fault("no pooling between", "5", CNN_RETURN,
          cnn("d = [m for m in d if not isinstance(m, nn.MaxPool2d)]"), "pool_missing", "5.4"),
    Fault("average pooling", "5", CNN_RETURN,
          cnn("d = [nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in d]"), "pool_average", "5.4"),
    Fault("adaptive average", "5", ADAPTIVE, ADAPTIVE.replace("Max", "Avg"), "adaptive_average", "5.4"),
    Fault("no activation after convolutions", "5", CONVOLUTION, CONVOLUTION.replace("activation, ", ""),
          "activation_missing_convolutions", "5.4"),
    Fault("no activation after dense layers", "5", CNN_RETURN, cnn(
        "i = next(i for i, m in enumerate(d) if isinstance(m, nn.Flatten))\n"
        "        d = d[:i] + [m for m in d[i:] if m is not activation]"), "activation_missing_dense", "5.4"),
    Fault("activation before the softmax", "5", CNN_RETURN, cnn("d.insert(-1, activation)"), "activation_last", "5.4"),
    Fault("softmax over images", "5", CNN_RETURN, cnn("d[-1] = nn.Softmax(0)"), "softmax_axis", "5.3"),
    Fault("no probabilities", "5", CNN_RETURN, cnn("d = d[:-1]"), "softmax_missing", "5.3"),
    Fault("stride forgotten", "5", CONVOLUTION, CONVOLUTION.replace("stride, padding", "1, padding"), "", "5.1"),
    Fault("padding forgotten", "5", CONVOLUTION, CONVOLUTION.replace(", stride, padding", ", stride"), "", "5.1"),
    Fault("three convolutions always", "5", "sizes = zip(",
          "net_config = type(net_config)(*[(field * 3)[:3] for field in net_config[:4]], net_config.dense_hiddens)\n"
          "        sizes = zip(", "", "5.1 5.4"),
    Fault("flat size of one image size", "5", ADAPTIVE,
          "layers.pop(); side = 7 if len(net_config.strides) == 3 else 11", "", "5.2 5.4 5.5"),
    Fault("test statistics", "6", NORMALIZE,
          "return tuple(((X - X.mean(0)) / X.std(0), y) for X, y in (train, valid, test))", "own_statistics", "6.2"),
    Fault("one mean for all pixels", "6", "train[0].mean(dim=0), train[0].std(dim=0)",
          "train[0].mean(), train[0].std()", "global_statistics", "6.1"),
    Fault("centred alone", "6", NORMALIZE, NORMALIZE.replace(" / deviation", ""), "centred_only", "6.1"),
    Fault("variance", "6", NORMALIZE, NORMALIZE.replace("deviation", "deviation**2"), "variance", "6.1"),
    Fault("as they came", "6", NORMALIZE, "return train, valid, test", "not_normalised", "6.1 6.2"),
    Fault("between minimum and maximum", "6", NORMALIZE,
          "low, high = train[0].amin(0), train[0].amax(0)\n"
          "        return tuple(((X - low) / (high - low), y) for X, y in (train, valid, test))", "min_max", "6.1"),
    Fault("training set alone", "6", NORMALIZE, "return ((train[0] - mean) / deviation, train[1]), valid, test",
          "not_normalised", "6.2"),
    Fault("labels lost", "6", NORMALIZE, NORMALIZE.replace(", y) for", ", y * 0) for"), "labels_changed", "6.1 6.2"),
    Fault("images alone", "6", NORMALIZE, NORMALIZE.replace(", y) for", ") for"), "", "6.1 6.2"),
    Fault("no class count", "7", ONE_HOT, ONE_HOT.replace(", self.n_classes", ""), "one_hot_width", "7.2"),
    Fault("transposed", "7", ONE_HOT, ONE_HOT + ".T", "transposed", "7.1 7.2"),
    Fault("classes present", "7", ONE_HOT,
          "classes, y = y.unique(return_inverse=True)\n        return torch.eye(len(classes))[y]", "one_hot_distinct"),
    Fault("sum of the losses", "8", LOSS, LOSS.replace(".sum(dim=1).mean()", ".sum()"), "loss_sum", "8.1"),
    Fault("mean over classes too", "8", LOSS, LOSS.replace(".sum(dim=1)", ""), "loss_elements", "8.1"),
    Fault("sign", "8", LOSS, LOSS.replace("-(", "("), "loss_sign", "8.1"),
    Fault("softmax twice", "8", LOSS, "loss = nn.functional.cross_entropy(probabilities, y)", "loss_softmax_twice"),
    Fault("no logarithm", "8", LOSS, "loss = nn.NLLLoss()(probabilities, y.argmax(dim=1))", "loss_without_log", "8.1"),
    Fault("binary cross-entropy", "8", LOSS, "loss = nn.functional.binary_cross_entropy(probabilities, y)",
          "loss_binary"),
    Fault("squared error", "8", LOSS, "loss = nn.functional.mse_loss(probabilities, y)", "loss_squared", "8.1"),
    Fault("share of wrong classes", "8", RETURN_LOSS, "return loss, 1 - float(accuracy)", "accuracy_error", "8.2"),
    Fault("numbers compared, not classes", "8", ACCURACY, "accuracy = ((probabilities > 0.5) == y).float().mean()",
          "accuracy_elements", "8.2"),
    Fault("epsilon added", "8", CLIP, "probabilities = self.network(X) + self.epsilon", "", "8.1 8.3 8.4"),
    Fault("clipped, then divided by the sum", "8", CLIP,
          f"{CLIP}\n        probabilities = probabilities / probabilities.sum(dim=1, keepdim=True)", "", "8.3 8.4"),
    Fault("percentage", "8", RETURN_LOSS, "return loss, 100 * float(accuracy)", "accuracy_percent", "8.2"),
    Fault("number of right ones", "8", RETURN_LOSS, "return loss, len(X) * float(accuracy)", "accuracy_count", "8.2"),
    Fault("classes over axis 0", "8", ACCURACY, ACCURACY.replace("dim=1", "dim=0"), "accuracy_axis", "8.2"),
    Fault("no clipping", "8", CLIP, "probabilities = self.network(X)", "not_clipped", "8.3 8.4"),
    Fault("clipped below alone", "8", CLIP, CLIP.replace(", 1 - self.epsilon", ""), "not_clipped", "8.4"),
    Fault("clipped above alone", "8", CLIP, CLIP.replace("self.epsilon, 1", "max=1"), "not_clipped", "8.3"),
    Fault("0 and 1 themselves clipped", "8", CLIP,
          "p = self.network(X)\n        p = torch.where(p == 0, self.epsilon, p)\n"
          "        probabilities = torch.where(p == 1, 1 - self.epsilon, p)", "clipped_exact", "8.3 8.4"),
    Fault("another epsilon", "8", CLIP, CLIP.replace("self.epsilon", "1e-9"), "epsilon_fixed", "8.3 8.4"),
    Fault("loss as a number", "8", RETURN_LOSS, "return loss.item(), float(accuracy)", "loss_without_graph", "8.5"),
    Fault("loss made anew", "8", RETURN_LOSS,
          "return torch.tensor(loss.item(), requires_grad=True), float(accuracy)", "loss_without_graph", "8.5"),
    Fault("backward inside", "8", RETURN_LOSS, f"loss.backward(retain_graph=True)\n        {RETURN_LOSS}",
          "backward_inside", "8.1 8.2 8.3 8.4 8.5"),
    Fault("backward inside, and no loss", "8", RETURN_LOSS,
          "loss.backward()\n        return loss.item(), float(accuracy)", "backward_inside", "8.1 8.2 8.3 8.4 8.5"),
    Fault("backward inside where there is a gradient", "8", RETURN_LOSS,
          f"if loss.requires_grad:\n            loss.backward()\n        {RETURN_LOSS}", "backward_inside", "8.5"),
    Fault("on a GPU", "8", CLIP, "raise AssertionError('Torch not compiled with CUDA enabled')", "no_gpu",
          "8.1 8.2 8.3 8.4 8.5"),
    Fault("loss without accuracy", "8", RETURN_LOSS, "return loss", "", "8.1 8.2 8.3 8.4 8.5"),
    Fault("norms of layers added", "9", GRADIENT_NORM,
          "return sum(p.grad.norm() for p in network.parameters())", "sum_of_norms", "9.2"),
    Fault("norm of the weights", "9", GRADIENT_NORM,
          "return _norm(network.parameters())", "norm_of_weights", "9.1 9.2"),
    Fault("gradients stacked", "9", GRADIENT_NORM,
          "return torch.stack([p.grad for p in network.parameters()]).norm()", "stacked", "9.2"),
    Fault("norm squared", "9", GRADIENT_NORM, f"{GRADIENT_NORM} ** 2", "squared", "9.1 9.2"),
    Fault("last layer alone", "9", GRADIENT_NORM, "return list(network.parameters())[-1].grad.norm()",
          "last_only", "9.2"),
    Fault("gradients not zeroed", "10", "        self.optimizer.zero_grad()\n", "", "gradients_not_zeroed", "10.2"),
    Fault("no step", "10", "        self.optimizer.step()\n", "", "no_step", "10.1 10.2"),
    Fault("zeroed before the step", "10", "        self.optimizer.step()\n",
          "        self.optimizer.zero_grad()\n        self.optimizer.step()\n", "no_step", "10.1 10.2"),
    Fault("norm of zeroed gradients", "10", STEP, STEP.replace(
        "        norm = self.compute_gradient_norm(self.network)\n        self.optimizer.step()\n",
        "        self.optimizer.step()\n        for p in self.network.parameters():\n            p.grad.zero_()\n"
        "        norm = self.compute_gradient_norm(self.network)\n"), "norm_after_zeroing", "10.3"),
    Fault("loss given back", "10", "        return norm\n", "        return loss.item()\n", "loss_returned", "10.3"),
    Fault("nothing given back", "10", "        return norm\n", "", "returns_nothing", "10.3"),
    Fault("step by hand", "10", "        self.optimizer.step()\n",
          "        with torch.no_grad():\n            for p in self.network.parameters():\n"
          "                p -= 0.05 * p.grad\n", "manual_step", "10.1 10.2"),
    Fault("uphill", "10", "        loss.backward()\n", "        (-loss).backward()\n", "ascent", "10.1 10.2"),
    Fault("no backpropagation", "10", "        loss.backward()\n", "", "", "10.1 10.2 10.3"),
    Fault("detached", "10", "        loss.backward()\n", "        loss.detach().backward()\n", "loss_without_graph"),
    Fault("swapped", "11", EVALUATE_RETURN, "return accuracies / len(X), losses / len(X)", "swapped", "11.1 11.2 11.3"),
    Fault("as many images in each batch", "11", "* len(labels)", "* self.batch_size", "", "11.3"),
    Fault("mean of batch means", "11", EVALUATE, evaluate("pairs"), "batch_means", "11.3"),
    Fault("whole batches alone", "11", EVALUATE, evaluate("pairs[: len(X) // size]"), "whole_batches", "11.3"),
    Fault("first batch alone", "11", EVALUATE, evaluate("pairs[:1]"), "first_batch"),
    Fault("last batch alone", "11", EVALUATE, evaluate("pairs[-1:]"), "last_batch"),
    Fault("sums", "11", EVALUATE_RETURN, "return losses / self.batch_size, accuracies / self.batch_size", "batch_sums",
          "11.1 11.2 11.3"),
    Fault("labels not coded", "11", "self.one_hot(labels)\n", "labels\n", "labels_not_one_hot", "11.1 11.2 11.3"),
    Fault("last batch forgotten", "11", "for start in range(0, len(X), self.batch_size):",
          "for start in range(0, len(X) - self.batch_size + 1, self.batch_size):", "", "11.3"),
    Fault("accuracy in percent", "11", EVALUATE_RETURN, "return losses / len(X), 100 * accuracies / len(X)",
          "accuracy_percent", "11.2 11.3"),
    Fault("a wrong signature", "7", "def one_hot(self, y: Tensor)", "def one_hot(self)", "", "7.1 7.2"),
    Fault("a missing method", "11", "def evaluate(self", "def evaluate_set(self", "", "11.1 11.2 11.3"),
    Fault("a missing function", "2", "def jacobian_norm(", "def norm_of_jacobian(", "", "2.1 2.2"),
]


def test_our_own_solution_has_full_marks(grade, reference):
    result = grade(reference)
    assert (result.score, result.total, result.notice) == (35, 35, "")
    assert result.by_item() == POINTS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.item} {fault.name}")
def test_a_fault_loses_points_in_its_item_alone(grade, reference, fault):
    assert fault.old in reference
    result = grade(reference.replace(fault.old, fault.new))
    lost = {item for item, points in result.by_item().items() if points < POINTS[item]}
    assert lost == {fault.item}, result.report()
    failed = [outcome for outcome in result.outcomes if outcome.score < outcome.points]
    if fault.checks:
        assert " ".join(outcome.number for outcome in failed) == fault.checks, result.report()
    messages = "\n".join(outcome.message for outcome in failed)
    if fault.mistake:
        assert TEXTS["mistake"][fault.mistake]["en"] in messages, messages
    assert "Received" in messages


PIXELS = "train[0].mean(dim=0), train[0].std(dim=0)"
TWO_AT_ONCE = {
    "norm of the first tensor, squared": (
        "1.2", "first_only squared", [(NORM, f"    return {GRADS}[0].square().sum()\n")]
    ),
    "gradient of the sum, squared": (
        "2.1", "gradient_of_sum squared",
        [(JACOBIAN, "torch.autograd.grad(function(input_tensor).sum(), input_tensor)[0].square().sum()")],
    ),
    "no activation, no softmax": (
        "4.4", "activation_missing",
        [(MLP, mlp("return nn.Sequential(nn.Flatten(), *[m for m in d[:-1] if m is not activation])"))],
    ),
    "averages in place of maxima": (
        "5.4", "pool_average adaptive_average",
        [(ADAPTIVE, ADAPTIVE.replace("Max", "Avg")), (CONVOLUTION, CONVOLUTION.replace("Max", "Avg"))],
    ),
    "no activation after convolutions, one before the softmax": (
        "5.4", "activation_missing_convolutions activation_last",
        [(CONVOLUTION, CONVOLUTION.replace("activation, ", "")), (CNN_RETURN, cnn("d.insert(-1, activation)"))],
    ),
    "neither centred nor scaled": ("6.1", "not_normalised", [(NORMALIZE, "return train, valid, test")]),
    "one mean and variance": (
        "6.1", "global_statistics variance", [(PIXELS, "train[0].mean(), train[0].var()")]
    ),
    "variance of each set": (
        "6.2", "own_statistics",
        [(NORMALIZE, "return tuple(((X - X.mean(0)) / X.var(0), y) for X, y in (train, valid, test))")],
    ),
    "too narrow, transposed": (
        "7.2", "one_hot_width transposed", [(ONE_HOT, ONE_HOT.replace(", self.n_classes", "") + ".T")]
    ),
    "sum, wrong sign": (
        "8.1", "loss_sum loss_sign", [(LOSS, LOSS.replace("-(", "(").replace(".sum(dim=1).mean()", ".sum()"))]
    ),
    "softmax twice, sum": (
        "8.1", "loss_softmax_twice loss_sum",
        [(LOSS, "loss = nn.functional.cross_entropy(probabilities, y, reduction='sum')")],
    ),
    "wrong classes, in percent": (
        "8.2", "accuracy_error accuracy_percent", [(RETURN_LOSS, "return loss, 100 * (1 - float(accuracy))")]
    ),
    "weights, squared": (
        "9.2", "norm_of_weights squared", [(GRADIENT_NORM, "return _norm(network.parameters()) ** 2")]
    ),
    "by hand, uphill": (
        "10.1", "manual_step ascent",
        [("        self.optimizer.step()\n", "        for p in self.network.parameters():\n"
          "            p.data += self.lr * p.grad\n")],
    ),
    "gradients not zeroed, uphill": (
        "10.2", "gradients_not_zeroed ascent",
        [("        self.optimizer.zero_grad()\n", ""), ("        loss.backward()\n", "        (-loss).backward()\n")],
    ),
    "percent, swapped": (
        "11.1", "accuracy_percent swapped", [(EVALUATE_RETURN, "return 100 * accuracies / len(X), losses / len(X)")]
    ),
}


@pytest.mark.parametrize(("check", "mistakes", "changes"), TWO_AT_ONCE.values(), ids=TWO_AT_ONCE)
def test_two_mistakes_at_once_are_both_named(grade, reference, check, mistakes, changes):
    for old, new in changes:
        assert old in reference
        reference = reference.replace(old, new, 1)
    message = next(outcome.message for outcome in grade(reference).outcomes if outcome.number == check)
    named = [line.removeprefix("Likely mistake: ") for line in message.splitlines() if line.startswith("Likely")]
    assert named == [TEXTS["mistake"][mistake]["en"] for mistake in mistakes.split()], message


def test_two_mistakes_in_the_loss_cost_nothing_where_it_is_clipped(grade, reference):
    result = grade(reference.replace(LOSS, LOSS.replace("-(", "(").replace(".mean()", ".sum()")))
    assert result.score == 34, result.report()


NOTHING_DONE = """
def gradient_norm(function, *tensor_list): return function(*tensor_list)
def jacobian_norm(function, input_tensor): return input_tensor.norm()
class Trainer:
    def create_activation_function(self, name): return name
    def create_mlp(self, input_dim, net_config, n_classes, activation): return activation
    create_cnn = create_mlp
    def normalize(self, train, valid, test): return train, valid, test
    def one_hot(self, y): return y
    def compute_loss_and_accuracy(self, X, y): return X.mean(), y.mean()
    def compute_gradient_norm(self, network): return 0.0
    def training_step(self, X, y): return 0.0
    def evaluate(self, X, y): return X.mean(), y.float().mean()
"""


def test_functions_that_give_back_what_they_get_earn_nothing(grade):
    result = grade(NOTHING_DONE)
    assert result.score == 0, result.report()


def test_every_common_mistake_is_that_of_a_fault():
    assert set(TEXTS["mistake"]) == {fault.mistake for fault in FAULTS} - {""}


def test_labels_coded_twice_are_not_said_to_be_integers(grade, reference):
    result = grade(reference.replace("accuracy(X_batch, y_batch)", "accuracy(X_batch, self.one_hot(y_batch))"))
    assert result.score == 29, result.report()
    assert "expected one-hot labels" in result.report()
    assert TEXTS["mistake"]["labels_not_one_hot"]["en"] not in result.report()
