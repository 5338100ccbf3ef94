"""What the handout does not impose costs nothing."""

import numpy as np
import pytest

VARIATIONS = {
    "norms as tensors": [
        ("    return _norm(torch.autograd.grad(value.reshape(()), inputs, allow_unused=True))",
         "    return torch.tensor([float(g.norm()) for g in torch.autograd.grad(value, inputs)]).norm()"),
        ("float(torch.autograd.functional.jacobian(function, input_tensor).norm())",
         "torch.autograd.functional.jacobian(function, input_tensor).norm()"),
        ("return _norm(parameter.grad for parameter in network.parameters())",
         "return torch.cat([p.grad.flatten() for p in network.parameters()]).norm()"),
        ("        return norm\n", "        return torch.tensor([norm])\n"),
    ],
    "numpy scalars": [
        ("float(torch.autograd.functional.jacobian(function, input_tensor).norm())",
         "torch.autograd.functional.jacobian(function, input_tensor).norm().numpy()"),
        ("        return norm\n", "        return np.float32(norm)\n"),
        ("return loss, float(accuracy)", "return loss, np.float64(accuracy)"),
        ("return losses / len(X), accuracies / len(X)",
         "return torch.tensor(losses / len(X)), np.array(accuracies / len(X))"),
    ],
    "backward on the given tensors": [
        ("    inputs = [tensor.detach().clone().requires_grad_() for tensor in tensor_list]\n",
         "    inputs = tensor_list\n"),
        ("    return _norm(torch.autograd.grad(value.reshape(()), inputs, allow_unused=True))",
         "    value.backward()\n    return sum((t.grad**2).sum() for t in tensor_list) ** 0.5"),
    ],
    "norms as tensors, used as such": [
        ("return _norm(parameter.grad for parameter in network.parameters())",
         "return torch.cat([p.grad.flatten() for p in network.parameters()]).norm()"),
        ("norm = self.compute_gradient_norm(self.network)", "norm = self.compute_gradient_norm(self.network).item()"),
    ],
    "accuracy as a tensor, used as such": [
        ("return loss, float(accuracy)", "return loss, accuracy"),
        ("        loss.backward()\n", "        loss.backward()\n        _.item()\n"),
        ("accuracies += accuracy * len(labels)", "accuracies += accuracy.item() * len(labels)"),
    ],
    "one-hot integers, used as such": [
        ("return nn.functional.one_hot(y.long(), self.n_classes).float()",
         "return nn.functional.one_hot(y, num_classes=self.n_classes)"),
        ("                labels = y[start : start + self.batch_size]\n",
         "                labels = y[start : start + self.batch_size]\n"
         "                self.one_hot(labels) & 1\n"),
    ],
    "create_mlp within create_cnn": [
        ("*_dense(side * side * in_channels, net_config, n_classes, activation)",
         "Trainer.create_mlp(side * side * in_channels, net_config, n_classes, activation)"),
    ],
    "torch.func": [
        ("float(torch.autograd.functional.jacobian(function, input_tensor).norm())",
         "torch.func.jacrev(function)(input_tensor).norm()"),
    ],
    "nested groups": [
        ("return nn.Sequential(nn.Flatten(), *_dense(input_dim, net_config, n_classes, activation))",
         "d = _dense(input_dim, net_config, n_classes, activation)\n"
         "        return nn.Sequential(nn.Sequential(nn.Flatten(), *d[:3]), nn.Sequential(nn.Sequential(*d[3:])))"),
        ("            *layers, nn.Flatten(), *_dense(side * side * in_channels, net_config, n_classes, activation)",
         "            nn.Sequential(*layers), nn.Flatten(),\n"
         "            nn.Sequential(*_dense(side * side * in_channels, net_config, n_classes, activation))"),
    ],
    "a module of one's own": [
        ("return nn.Sequential(nn.Flatten(), *_dense(input_dim, net_config, n_classes, activation))",
         "return Own(input_dim, net_config, n_classes, activation)"),
        ("class Trainer:",
         "class Own(nn.Module):\n"
         "    def __init__(self, features, configuration, n_classes, activation):\n"
         "        super().__init__()\n"
         "        sizes = (features, *configuration.dense_hiddens)\n"
         "        self.last = nn.Linear(sizes[-1], n_classes)\n"
         "        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))\n"
         "        self.activation = activation\n\n"
         "    def forward(self, x):\n"
         "        x = x.reshape(len(x), -1)\n"
         "        for layer in self.hidden:\n"
         "            x = self.activation(layer(x))\n"
         "        return torch.softmax(self.last(x), -1)\n\n\n"
         "class Trainer:"),
    ],
    "pooling before the activation, one activation each": [
        ("layers += [nn.Conv2d(in_channels, filters, kernel_size, stride, padding), activation, nn.MaxPool2d(2)]",
         "import copy; layers += [nn.Conv2d(in_channels, filters, kernel_size, stride, padding), "
         "copy.deepcopy(activation), nn.MaxPool2d(2)]"),
        ("        layers[-1] = nn.AdaptiveMaxPool2d((side, side))",
         "        layers[-1] = nn.AdaptiveMaxPool2d((side, side))\n"
         "        layers = [m for i in range(0, len(layers), 3) for m in (layers[i], layers[i + 2], layers[i + 1])]"),
    ],
    "sizes known late": [
        ("layers += [nn.Linear(features, units), activation]", "layers += [nn.LazyLinear(units), activation]"),
        ("nn.Softmax(dim=1)]", "nn.Softmax(dim=-1)]"),
    ],
    "one-hot integers": [
        ("return nn.functional.one_hot(y.long(), self.n_classes).float()",
         "return nn.functional.one_hot(y, num_classes=self.n_classes)"),
        ("loss = -(y * probabilities.log()).sum(dim=1).mean()",
         "assert y.dtype == torch.int64\n"
         "        loss = -probabilities.log()[y.bool()].mean()"),
    ],
    "negative log-likelihood": [
        ("loss = -(y * probabilities.log()).sum(dim=1).mean()",
         "loss = nn.functional.nll_loss(probabilities.log(), y.argmax(1))"),
        ("return loss, float(accuracy)", "return [loss, accuracy]"),
    ],
    "biased deviation, a small number added": [
        ("train[0].std(dim=0)", "train[0].std(dim=0, unbiased=False) + 1e-7"),
        ("return tuple(((X - mean) / deviation, y) for X, y in (train, valid, test))",
         "return [[(X - mean) / deviation, y] for X, y in (train, valid, test)]"),
    ],
    "zeroed after the step": [
        ("        self.optimizer.zero_grad()\n", ""),
        ("        self.optimizer.step()\n        return norm\n",
         "        self.optimizer.step()\n        self.optimizer.zero_grad()\n        return norm\n"),
    ],
    "evaluated at once": [
        ("        self.network.eval()\n        losses, accuracies = 0.0, 0.0\n",
         "        return self.compute_loss_and_accuracy(X, self.one_hot(y))\n        losses, accuracies = 0.0, 0.0\n"),
    ],
    "called by the class": [
        ("norm = self.compute_gradient_norm(self.network)", "norm = Trainer.compute_gradient_norm(self.network)"),
    ],
    "attributes of one's own": [
        ("        self.epsilon = 1e-9\n", "        self.epsilon = 1e-9\n        self.device = torch.device('cpu')\n"),
        ("        loss, _ = self.compute_loss_and_accuracy(X_batch, y_batch)\n",
         "        loss, _ = self.compute_loss_and_accuracy(X_batch.to(self.device), y_batch.to(self.device))\n"),
    ],
    "an __init__ that fails": [
        ("        self.train, self.valid, self.test = self.load_dataset(datapath)\n", "        raise RuntimeError\n"),
    ],
    "packages of the template that are not installed": [
        ("import torch\n", "import torch\nimport torchvision\nfrom torchvision import transforms\n"
         "import torchvision.transforms.functional as F\nimport matplotlib.pyplot as plt\n"
         "import seaborn as sns\nimport pandas as pd\nfrom sklearn import metrics\nfrom scipy import stats\n"
         "from tqdm.auto import tqdm\nfrom IPython.display import display\n"),
    ],
    "an exported notebook": [
        ("import torch\n",
         "from google.colab import drive\ndrive.mount('/content')\nfrom IPython import get_ipython\n"
         "from IPython.display import HTML\ndisplay(HTML('<b>'))\nIN_COLAB = 'google.colab' in str(get_ipython())\n"
         "get_ipython().run_line_magic('matplotlib', 'inline')\nget_ipython().system('pip install torch')\n"
         "get_ipython().run_cell_magic('bash', '', 'ls -l\\n')\n"
         "get_ipython().run_cell_magic('time', '', 'import torch\\n')\n"),
    ],
    "a notebook without imports": [("import torch\n", "get_ipython().magic('autoreload 2')\nimport torch\n")],
    "magics, and what looks like them": [
        ("import torch\n",
         "%matplotlib inline\n!pip install torch\nif True:\n    %time\n"
         "REST = 7 \\\n    % 4\nassert REST == 3\nTEXT = '''\n%kept\n'''\nassert '%kept' in TEXT\nimport torch\n"),
    ],
    "figures": [("import torch\n", "import torch\nimport matplotlib.pyplot as plt\nplt.install_repl_displayhook()\n")],
    "torch's compiler": [
        ("    def training_step", "    @torch.compile(mode='default')\n    def training_step"),
        ("        self.network.eval()\n        losses, accuracies",
         "        self.network.compile()\n        self.network.eval()\n        losses, accuracies"),
        ("float(torch.autograd.functional.jacobian(function, input_tensor).norm())",
         "float(torch.autograd.functional.jacobian(torch.compile(function), input_tensor).norm())"),
    ],
    "a progress bar of an absent package": [
        ("import torch\n", "import torch\nfrom google.colab import bar\n"),
        ("for start in range(0, len(X), self.batch_size):",
         "for start in bar(range(0, len(X), self.batch_size), desc='evaluate'):"),
    ],
    "prints": [("        loss.backward()\n", "        loss.backward()\n        print('é' * 3000, loss)\n")],
}


@pytest.mark.parametrize("changes", VARIATIONS.values(), ids=VARIATIONS)
def test_a_variation_keeps_full_marks(grade, reference, changes):
    for old, new in changes:
        assert old in reference
        reference = reference.replace(old, new, 1)
    result = grade(reference)
    assert result.score == 35, result.report()


def test_what_is_defined_before_the_import_fails_is_graded(grade, reference):
    result = grade(f"{reference.replace('nn.Tanh', 'nn.ReLU')}\n1 / 0\n")
    assert result.score == 34.7, result.report()
    assert "graded" in result.notice
    assert f"ZeroDivisionError: division by zero (line {reference.count(chr(10)) + 2}: 1 / 0)" in result.notice
    assert "this is another of the three activations" in result.report()


@pytest.mark.parametrize(
    "line", ["get_ipython().system('ls')", "!ls", "%matplotlib inline\r", "\ufeff%matplotlib inline"],
    ids=["get_ipython", "!", "%", "mark"],
)
def test_magics_are_to_be_removed(grade, line):
    result = grade(f"{line}\nclass Trainer: pass\n")
    assert result.notice.startswith("Magics of a notebook")
    assert "Trainer.one_hot is not in the file" in result.report()
    assert "(line 2: 1 / 0)" in grade(f"{line}\n1 / 0\n").notice


def test_no_word_of_magics_where_there_are_none(grade, reference):
    assert grade(reference).notice == ""
    assert "invalid syntax (line 2: x = !ls)" in grade("x = 1\nx = !ls\n").notice


ABSENT = "Not installed where the grader runs: google."


def test_an_absent_package_is_named_where_it_was_called(grade, reference):
    source = reference.replace("import torch\n", "import torch\nfrom google import colab\n")
    source = source.replace("nn.Tanh", "nn.ReLU").replace("return _norm(parameter", "return 2 * _norm(parameter")
    source = source.replace("return loss, float(accuracy)", "return loss, float(colab.score(y))")
    source = source.replace("return tuple(((X - mean)", "return tuple((colab.scale(X - mean)")
    result = grade(source)
    messages = {outcome.number: outcome.message for outcome in result.outcomes if outcome.score < outcome.points}
    assert set(messages) == {"3.2", "6.1", "6.2", "8.2", "9.1", "9.2"}, result.report()
    assert {number for number, message in messages.items() if ABSENT in message} == {"6.1", "6.2", "8.2"}
    assert "Mock" not in result.report()


def test_an_absent_package_is_named_where_the_import_fails(grade):
    notice = grade("import torch\nfrom google import colab\ntorch.relu(colab.ones(3))\n").notice
    assert ABSENT in notice
    assert "(line 3: torch.relu(colab.ones(3)))" in notice
    assert "Mock" not in notice


@pytest.mark.parametrize(
    "message",
    ["Torch not compiled with CUDA enabled", "No CUDA GPUs are available", "Found no NVIDIA driver on your system.",
     "PyTorch is not linked with support for mps devices"],
)
def test_a_machine_without_a_gpu_says_so(grade, message):
    assert " Likely mistake: there is no GPU where the grader runs" in grade(f"raise RuntimeError({message!r})").notice


def test_the_rounding_of_float32_is_forgiven_when_pixels_are_large():
    from mi204.grading import _cases, _verdicts

    inputs = _cases.draw(np.random.default_rng(0))["normalize"][1]
    train = inputs["sets"][0][0]
    mean, deviation = train.mean(0), train.std(0, ddof=1)
    value = [[(x - mean) / deviation + 5e-5, y] for x, y in inputs["sets"]]
    assert all(_verdicts.judge(number, inputs, {"value": value}).passed for number in ("6.1", "6.2"))
