"""What the answers say, from measurements made by hand: every branch, every number."""

import re
from dataclasses import replace

import pytest

from labs.fashion_trainer.answers import GRADIENT_DIVISORS, Rate, verdict
from labs.fashion_trainer.config import STUDIES, Config
from mi204 import questions
from mi204.architectures import NetworkConfiguration

QUESTIONS = questions.of_lab("fashion_trainer")
NAN = float("nan")


def numbers(text, language):
    """List the numbers of a text without its table, in their order."""
    text = re.sub(r"(?<=\d)(\u202f|,)(?=\d{3}\b)", "", text) if language == "en" else text.replace("\u202f", "")
    text = text if language == "en" else re.sub(r"(?<=\d),(?=\d)", ".", text)
    return re.findall(r"\d+(?:\.\d+)?(?:e[+-]\d+)?", text)


def said(number, measured):
    """Write the answer without its table; the French one holds the same numbers in the same places."""
    english, french = (QUESTIONS[number].render(measured, language) for language in ("en", "fr"))
    english, french = (text.partition("\n\n")[2].partition("\n\n|")[0] for text in (english, french))
    assert numbers(english, "en") == numbers(french, "fr")
    assert english != french
    assert "nan" not in english
    return " ".join(english.split())


def texts(number, measured):
    return QUESTIONS[number].function(measured).texts


@pytest.mark.parametrize(
    ("number", "sentences"),
    [
        ("2.1", (
            "Beyond the first 5 rows and columns",
            "differ by at most 2 × 10⁻⁷ (rounding); at that border by up to 0.52, for an output of up to 0.63",
            "the difference reaches 0.37, and exceeds rounding on 25 % of the output",
        )),
        ("2.2", (
            "The best combination is 0.0001 with normalised pixels: 90.0 % on the validation images at its best epoch. "
            "All others stay behind by more than the 2.0 points that the choice of 1,800 images may make",
            "the loss is 9.62 with raw pixels and 10.36 with normalised ones; guessing among ten classes costs 2.30",
            "At 0.0001, one epoch gives 71.0 % with raw pixels and 78.0 % with normalised ones: these converge faster",
            "they reach 82.0 % and 90.0 %: better with normalised pixels",
            "The smallest rate, 10⁻⁸. Raw pixels: nothing learnt beyond chance (8.2 % before training, 8.5 % at the "
            "best epoch, 8.4 % at the end). Normalised pixels: nothing learnt beyond chance (9.3 %, 9.6 %, 9.5 %)",
            "360 steps of 10⁻⁸ move a weight by about 4 × 10⁻⁶ at most, where the weights of the first layer "
            "begin anywhere within ±0.036",
            "The largest rate, 0.01. Raw pixels: nothing learnt beyond chance (8.0 % before training, 8.9 % at the "
            "best epoch, 8.7 % at the end). Normalised pixels: worse than the best rate, at its best epoch and at the "
            "end (9.1 %, 87.0 %, 86.0 %)",
            "the loss jumps about its minimum",
            "One seed each",
        )),
        ("2.3", (
            "(a) 269,322 parameters: 784x256+256 + 256x256+256 + 256x10+10",
            "54 hidden layers of 64 neurons make 271,370",
            "2,048 away from the perceptron's, within the 10,000 of the homework",
            "adds 4,160, so that all depths from 52 to 55 stay within 10,000",
            "the wide one ends at 87.5 %, the deep one at 10.5 %",
            "in the median over 3 epochs 1.2 and 1.7",
            "The deep one is worse, beyond the 3.3 points that the choice of 1,800 images may make",
            "from 10.371 to 8.871, where guessing costs 2.303",
            "each layer with relu divides the variance of the gradient that passes through it by about 6: through 54 "
            "layers its norm is divided by about 10^21",
            "One seed each",
        )),
        ("2.4", (
            "those of 3x3 pixels come nearest: 270,743 parameters",
            "1,421 away from the perceptron's, within the 10,000",
            "91.0 % for the convolutional network and 87.5 % for the perceptron; training accuracy exceeds it by 4.1 "
            "and 8.7 points. On the test images they have 90.3 % and 87.1 %; measured on 7,000 images, two accuracies "
            "may lie 1.1 points",
            "The convolutional network is better, by 3.2 points on the test images",
            "with the smallest gap beyond chance, in: convolutional network",
            "One seed each",
        )),
        ("2.5", (
            "the filters asked (8, 16, 32, 64) and the hidden layers (256, 256) the network has 333,578 parameters, "
            "the perceptron 269,322",
            "64,256 away from the perceptron's, more than the 10,000",
            "the dense layers after its 4x4x64 maps alone hold 330,762",
            "41 filters make 268,739 parameters, 583 away from the perceptron's, the nearest. The pooling copies each "
            "filter's only value 16 times",
            "kernels of 3 pixels 91.0 % and 4.1; of 1 pixel 73.0 % and 2.2; of 28 pixels 85.0 % and 12.1. On the 7,000 "
            "test images: 90.3 %, 74.1 % and 84.6 %",
            "First there, beyond chance: convolutional network.",
            "Last, beyond chance: deep network with kernels of 1 pixel.",
            "in: convolutional network, deep network with kernels of 1 pixel.",
            "small kernels do best",
            "One seed each",
        )),
    ],
)
def test_every_number_stands_in_its_place(number, sentences, measured):
    text = said(number, measured())
    for sentence in sentences:
        assert sentence in text


# --- 2.1 ---


@pytest.mark.parametrize(
    ("inside", "rotation", "claims"),
    [
        (0.0, 0.37, ("are equal; at that border they differ by up to 0.52, for an output of up to 0.63",)),
        (3e-6, 0.37, ("differ by at most 3 × 10⁻⁶ (rounding)", "does not commute")),
        (0.021, 0.37, ("up to 0.021 (at that border by up to 0.52), for an output of up to 0.63: more than rounding",)),
        (2e-7, 4e-6, ("A quarter turn commutes here too (the difference reaches 4 × 10⁻⁶)",)),
    ],
)
def test_equivariance_is_measured(inside, rotation, claims, measured, equivariance):
    text = said("2.1", measured([], moved=equivariance(inside, rotation)))
    for claim in claims:
        assert claim in text
    assert ("A quarter turn does not commute" in text) == (rotation > 0.1)
    assert ("more than rounding" in text) == (inside > 0.01)


# --- 2.2 ---

USUAL = Rate(before=0.1, first=0.5, best=0.8, end=0.8, loss_before=3, loss_end=1, lost=None, saturated=False)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "rate_as_good"),
        ({"best": 0.795, "end": 0.795}, "rate_as_good"),
        ({"best": 0.6, "end": 0.6}, "rate_worse"),
        ({"best": 0.6, "end": 0.795}, "rate_late"),
        ({"best": 0.79, "end": 0.6}, "rate_not_kept"),
        ({"best": 0.11, "end": 0.08}, "rate_stuck"),
        ({"before": 0.79}, "rate_stuck"),
        ({"best": 0.11, "saturated": True}, "rate_saturated"),
        ({"lost": 0}, "diverged"),
        ({"lost": 2, "saturated": True}, "diverged"),
    ],
)
def test_a_rate_is_judged_at_its_best_epoch_and_at_the_end(changes, word):
    assert verdict(0.1, {0.01: USUAL, 0.1: replace(USUAL, **changes)}, 2000) == word


def test_chance_is_that_of_the_validation_images():
    found = {0.01: USUAL, 0.1: replace(USUAL, best=0.79, end=0.79)}
    assert verdict(0.1, found, 2000) == "rate_as_good"
    assert verdict(0.1, found, 60_000) == "rate_worse"


@pytest.fixture
def of_rates(run, measured):
    """Make measurements of question 2.2 from the validation accuracies of two rates, by kind of pixels."""

    def make(raw, normalised, changes=None, **recipe):
        runs = [
            run(study, setting, validation, **(changes or {}).get((study, setting), {}))
            for study, rates in (("raw", raw), ("normalised", normalised))
            for setting, validation in zip(("0.01", "0.0001"), rates, strict=True)
        ]
        return measured(runs, Config(learning_rates=(0.01, 1e-4)), epochs=len(raw[0]) - 1, **recipe)

    return make


GOOD, FAIR, POOR, NOTHING = [0.1, 0.5, 0.8], [0.1, 0.6, 0.7], [0.1, 0.2, 0.3], [0.1, 0.09, 0.11]


@pytest.mark.parametrize(
    ("raw", "normalised", "claims"),
    [
        ((POOR, POOR), (GOOD, FAIR), ("All others stay behind", "is 0.01 with", "faster", "better with normalised")),
        ((GOOD, POOR), (GOOD, FAIR), ("of 0.01 with raw pixels, at its best epoch; 1 other combination comes within",)),
        ((GOOD, GOOD), (GOOD, FAIR), ("2 other combinations come within the 2.7 points",)),
        ((POOR, FAIR), (POOR, GOOD), ("At 0.0001, one epoch gives 60.0 % with raw pixels and 50.0 %", "more slowly")),
        ((POOR, GOOD), (POOR, [0.1, 0.51, 0.805]), (
            "50.0 % with raw pixels and 51.0 % with normalised ones: no difference", "80.0 % and 80.5 %: no difference",
        )),
        ((POOR, GOOD), (POOR, POOR), ("more slowly here", "80.0 % and 30.0 %: better with raw pixels")),
        ((NOTHING, NOTHING), (NOTHING, NOTHING), (
            "None of these trainings learns anything beyond guessing; at its best epoch, the one that comes furthest "
            "(0.01, raw pixels) recognises 11.0 % of the 1,800 validation images",
        )),
    ],
)
def test_the_best_rate_and_normalisation_are_judged_beyond_chance(raw, normalised, claims, of_rates):
    found = of_rates(raw, normalised)
    text = said("2.2", found)
    for claim in claims:
        assert claim in text
    assert len([name for name in texts("2.2", found) if name in ("best_alone", "best_tied", "nothing_learnt")]) == 1
    assert ("(b) At" in text) == ("None of these trainings" not in text)


@pytest.mark.parametrize(
    ("raw", "normalised", "small", "large"),
    [
        ((GOOD, GOOD), (GOOD, GOOD), "small_learns", "large_as_good"),
        ((NOTHING, GOOD), (GOOD, GOOD), "small_learns", None),
        ((POOR, GOOD), (GOOD, GOOD), "small_learns", "large_too_large"),
        (([0.1, 0.8, 0.3], GOOD), (GOOD, GOOD), "small_learns", "large_too_large"),
        ((GOOD, GOOD), ([0.1, 0.6, 0.6], [0.1, 0.8, 0.6]), "small_learns", "large_too_large"),
        ((GOOD, NOTHING), (GOOD, GOOD), "small_stuck", "large_as_good"),
        ((GOOD, GOOD), (GOOD, NOTHING), "small_stuck", "large_as_good"),
    ],
)
def test_the_smallest_and_the_largest_rate_are_judged_for_both_kinds_of_pixels(raw, normalised, small, large, of_rates):
    found = of_rates(raw, normalised, batch_size=6000)  # two steps of 1e-4 hardly move a weight
    names = texts("2.2", found)
    assert [name for name in names if name.startswith("small_")] == [small]
    assert [name for name in names if name.startswith("large_")] == ([large] if large else [])
    assert names.index("smallest") < names.index(small) < names.index("largest")
    said("2.2", found)


def test_an_accuracy_before_training_is_that_of_no_epoch(of_rates):
    lucky = [0.13, 0.09, 0.11]
    text = said("2.2", of_rates((GOOD, lucky), (GOOD, lucky)))
    assert "(13.0 % before training, 11.0 % at the best epoch, 11.0 % at the end)" in text


def test_steps_that_could_move_the_weights_explain_nothing(of_rates):
    found = of_rates((GOOD, NOTHING), (GOOD, NOTHING))
    assert "small_stuck" not in texts("2.2", found)  # 240 steps of 1e-4 are not a tenth of ±0.036
    assert "nothing learnt beyond chance (10.0 % before training, 11.0 % at the best epoch" in said("2.2", found)


def test_in_few_epochs_the_largest_rate_may_not_be_too_large(of_rates):
    text = said("2.2", of_rates((GOOD, GOOD), (GOOD, GOOD)))
    assert "Raw pixels: no other rate is better" in text
    assert "In 2 epochs it is not too large, for neither kind of pixels" in text
    assert "A rate smaller by orders of magnitude" in text


def test_a_network_whose_gradient_is_zero_is_told(of_rates):
    lost = {"norms": [0.4, 0.0], "losses": [13.1, 18.7, 18.66]}
    text = said("2.2", of_rates((NOTHING, GOOD), (GOOD, GOOD), {("raw", "0.01"): lost}))
    assert "Raw pixels: saturated, no gradient is left (10.0 % before training, 11.0 % at the best epoch" in text
    assert "In 1 combination of the table the norm of the gradient is zero in the end, and the training loss" in text
    assert "stays at up to 18.66" in text
    assert "the loss jumps about" in text
    assert "gradient is zero" not in said("2.2", of_rates((NOTHING, GOOD), (GOOD, GOOD)))
    both = {("raw", "0.01"): lost, ("normalised", "0.01"): lost | {"losses": [2, 9, 8.0]}}
    both = of_rates((NOTHING, GOOD), (NOTHING, GOOD), both)
    assert "In 2 combinations of the table" in said("2.2", both)
    assert "at up to 18.66" in said("2.2", both)


def test_a_rate_that_diverges_is_told_and_is_not_saturated(of_rates):
    lost = {"losses": [2.3, NAN, NAN], "norms": [NAN, 0.0]}
    text = said("2.2", of_rates((NOTHING, GOOD), (GOOD, GOOD), {("raw", "0.01"): lost}))
    assert "Raw pixels: diverged (" in text
    assert "1 combination of the table diverged, the first one at epoch 1" in text
    assert "gradient is zero" not in text
    late = {"losses": [2.3, 2.2, NAN], "norms": [0.3, NAN]}
    both = {("raw", "0.0001"): late, ("normalised", "0.0001"): lost}
    text = said("2.2", of_rates((GOOD, GOOD), (GOOD, GOOD), both))
    assert "2 combinations of the table diverged, the first one at epoch 1" in text
    assert "A rate smaller" not in text
    assert "The smallest rate, 0.0001. Raw pixels: diverged" in text


def test_the_table_has_a_verdict_for_every_rate(measured):
    table = QUESTIONS["2.2"].function(measured()).table
    assert list(table["normalization"]) == ["no_normalization"] * 3 + ["with_normalization"] * 3
    assert list(table["setting"]) == [0.01, 1e-4, 1e-8] * 2
    assert list(table["verdict"]) == [
        "rate_stuck", "rate_as_good", "rate_stuck", "rate_worse", "rate_as_good", "rate_stuck",
    ]
    assert [mean for mean, _ in table["best_validation_accuracy"]] == [0.089, 0.82, 0.085, 0.87, 0.9, 0.096]
    assert [mean for mean, _ in table["validation_accuracy"]] == [0.087, 0.81, 0.084, 0.86, 0.89, 0.095]
    assert [mean for mean, _ in table["test_accuracy"]] == [0.5] * 6
    assert [mean for mean, _ in table["train_accuracy"]] == [0.6] * 6
    assert [mean for mean, _ in table["epoch_seconds"]] == [1.5] * 6


def test_several_seeds_are_one_rate(of_rates, run, measured):
    runs = [
        run(study, setting, [0.1, 0.2, value], seed=seed)
        for study in ("raw", "normalised")
        for setting in ("0.01", "0.0001")
        for seed, value in enumerate((0.7, 0.8))
    ]
    text = said("2.2", measured(runs, Config(n_seeds=2)))
    assert "they reach 75.0 % and 75.0 %" in text
    assert "All numbers are means over 2 seeds." in text
    assert "One seed" not in text


# --- 2.3 ---


@pytest.fixture
def of_perceptrons(run, measured):
    """Make measurements of question 2.3 from the accuracies and the norms of the deep perceptron."""

    def make(validation, norms=None, losses=None, networks=None, **recipe):
        n = len(validation)
        runs = [
            run("depth", "mlp", [0.1, 0.6, 0.86, 0.85][:n], norms=[0.7, 0.5, 0.6][: n - 1]),
            run("depth", "deep_mlp", validation, norms=norms, losses=losses),
        ]
        return measured(runs, networks=networks, **{"epochs": n - 1} | recipe)

    return make


@pytest.mark.parametrize(
    ("validation", "norms", "names"),
    [
        ([0.1, 0.1, 0.11, 0.1], [0.1, 0.2, 0.9], ("deep_worse", "norm_smaller", "vanishing")),
        ([0.1, 0.1, 0.11, 0.1], [0.1, 0.8, 0.9], ("deep_worse", "norm_not_smaller", "vanishing")),
        ([0.1, 0.1, 0.3, 0.1], [0.1, 0.2, 0.9], ("deep_worse", "learnt_less", "steepness")),
        ([0.1, 0.1, 0.3, 0.5], [0.1, 0.2, 0.9], ("deep_worse", "learnt_less", "steepness")),
        ([0.1, 0.1, 0.84, 0.84], [0.1, 0.2, 0.9], ("deep_equal", "learnt", "steepness")),
        ([0.1, 0.1, 0.9, 0.9], [0.1, 0.2, 0.9], ("deep_better", "learnt", "steepness")),
    ],
)
def test_the_deep_perceptron_has_learnt_or_not_or_less(validation, norms, names, of_perceptrons):
    found = of_perceptrons(validation, norms)
    assert texts("2.3", found)[4:7] == names
    text = said("2.3", found)
    for name, claim in (
        ("deep_worse", "The deep one is worse, beyond the"), ("deep_equal", "They are equal within the"),
        ("deep_better", "The deep one is better, beyond the"), ("norm_smaller", "(e) Yes."),
        ("norm_not_smaller", "(e) Not the norm alone."), ("learnt_less", "(e) In part."),
        ("learnt", "(e) There is nothing"),
        ("vanishing", "divides the variance"), ("steepness", "not how good that place is"),
    ):
        assert (claim in text) == (name in names)


def test_the_norms_are_those_of_each_network(of_perceptrons):
    text = said("2.3", of_perceptrons([0.1, 0.2, 0.3, 0.5], [0.11, 0.92, 0.23], [2.31, 2.25, 2.1, 1.95]))
    assert "in the median over 3 epochs 0.6 and 0.23" in text
    assert "The deep one has learnt (training loss from 2.310 to 1.950), but less" in text
    assert "lies between 0.11 and 0.92, that of the wide one between 0.5 and 0.7: through 54 layers" in text
    text = said("2.3", of_perceptrons([0.1, 0.2, 0.3, 0.86], losses=[2.31, 2.25, 2.1, 1.95]))
    assert "the deep one has learnt (training loss from 2.310 to 1.950) and is not worse" in text
    text = said("2.3", of_perceptrons([0.1] * 4, [0.9] * 3, [2.31, 2.25, 2.1, 1.95]))
    assert "(training loss from 2.310 to 1.950, where guessing costs 2.303), yet its gradient is no smaller" in text


@pytest.mark.parametrize(
    ("activation", "claim"),
    [
        ("relu", "with relu divides the variance of the gradient that passes through it by about 6: through 54 layers "
                 "its norm is divided by about 10^21"),
        ("tanh", "with tanh divides the variance of the gradient that passes through it by about 3: through 54 layers "
                 "its norm is divided by about 10^13"),
        ("sigmoid", "by about 48: through 54 layers its norm is divided by about 10^45"),
    ],
)
def test_the_explanation_names_the_activation_trained(activation, claim, of_perceptrons):
    found = of_perceptrons([0.1] * 4, activation=activation)
    assert claim in said("2.3", found)
    french = f"avec {activation} divise par {GRADIENT_DIVISORS[activation]} environ"
    assert french in QUESTIONS["2.3"].render(found, "fr")


@pytest.mark.parametrize(("activation", "divisor"), GRADIENT_DIVISORS.items())
def test_the_gradient_that_passes_a_layer_is_divided_as_the_answer_says(activation, divisor):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer, f = torch.nn.Linear(2000, 2000), {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
    x = (0.1 * torch.randn(20, 2000)).requires_grad_()
    slopes = torch.randn(20, 2000)
    (before,) = torch.autograd.grad(f[activation](layer(x)), x, slopes)
    assert float(slopes.var() / before.var()) == pytest.approx(divisor, rel=0.1)


def test_other_sizes_are_counted(of_perceptrons, run, measured):
    one = {"deep_mlp": NetworkConfiguration(dense_hiddens=(40,)), "mlp": NetworkConfiguration(dense_hiddens=(30, 20))}
    found = of_perceptrons([0.1] * 4, networks=one)
    found.runs[1] = replace(found.runs[1], parameters=31_810)
    text = said("2.3", found)
    assert "784x30+30 + 30x20+20 + 20x10+10" in text
    assert "1 hidden layer of 40 neurons make 31,810" in text
    assert "237,512 away from the perceptron's, more than the 10,000" in text
    assert "all depths" not in text
    assert "through 1 layer its norm" in text


def test_one_epoch_is_told(of_perceptrons):
    text = said("2.3", of_perceptrons([0.1, 0.6]))
    assert "in the median over 1 epoch" in text
    assert "After a single epoch there is no course to read" in text
    assert "1 epochs" not in text
    assert "single epoch" not in said("2.3", of_perceptrons([0.1, 0.6, 0.7]))


# --- 2.4 ---


@pytest.mark.parametrize(
    ("mlp", "cnn", "claim"),
    [
        (0.87, 0.91, "The convolutional network is better, by 4.0 points"),
        (0.87, 0.875, "equal within chance, 0.5 points apart on the test images, in 3 epochs"),
        (0.91, 0.87, "The perceptron is better, by 4.0 points on the test images, in 3 epochs"),
        (0.102, 0.101, "none of these networks is beyond guessing in 3 epochs"),
        (0.101, 0.3, "The convolutional network is better, by 19.9 points"),
    ],
)
def test_the_networks_are_better_or_worse_or_equal_within_chance(mlp, cnn, claim, run, measured):
    text = said("2.4", measured([run("cnn", "mlp", test=mlp), run("cnn", "cnn", test=cnn)]))
    claims = ("convolutional network is better", "equal within chance, ", "perceptron is better", "none of these")
    assert [each for each in claims if each in text] == [each for each in claims if each in claim]
    assert claim in text


def test_chance_is_that_of_the_test_images(run, measured):
    runs = [run("cnn", "mlp", test=0.87), run("cnn", "cnn", test=0.876)]
    assert "equal within chance" in said("2.4", measured(runs))
    assert "convolutional network is better" in said("2.4", measured(runs, n_test=70_000))


@pytest.mark.parametrize(
    ("train", "claim"),
    [
        ((0.962, 0.951), "in: convolutional network."),
        ((0.881, 0.951), "in: wide perceptron."),
        ((0.941, 0.966), "equal within chance: no network"),
    ],
)
def test_generalisation_is_judged_beyond_chance(train, claim, run, measured):
    runs = [run("cnn", name, train=accuracy) for name, accuracy in zip(("mlp", "cnn"), train, strict=True)]
    text = said("2.4", measured(runs))
    assert claim in text
    assert ("no network carries over better" in text) != ("carries over best" in text)


def test_chance_of_a_gap_is_that_of_both_sets_of_images(run, measured):
    """Gaps of 8.7 and 4.1 points: beyond chance on 2000 and 1800 images, not where either set is small."""
    runs = [run("cnn", "mlp"), run("cnn", "cnn")]
    assert "carries over best" in said("2.4", measured(runs))
    assert "no network carries over better" in said("2.4", measured(runs, n_validation=300))
    assert "no network carries over better" in said("2.4", measured(runs, n_train=100))


def test_a_network_that_has_learnt_nothing_does_not_carry_over_best(run, measured):
    nothing = [0.1, 0.1, 0.1, 0.1]
    text = said("2.4", measured([run("cnn", "mlp", nothing, train=0.1), run("cnn", "cnn")]))
    assert "carries over" not in text
    runs = [run("width", "cnn"), run("width", "deep_cnn", nothing, train=0.1), run("width", "shallow_cnn")]
    assert "in: convolutional network." in said("2.5", measured(runs))


@pytest.mark.parametrize(
    ("number", "study", "setting", "name"),
    [
        ("2.3", "depth", "deep_mlp", "deep perceptron"), ("2.3", "depth", "mlp", "wide perceptron"),
        ("2.4", "cnn", "cnn", "convolutional network"), ("2.5", "width", "shallow_cnn", "shallow network"),
    ],
)
def test_nothing_is_compared_with_a_training_that_diverged(number, study, setting, name, run, measured):
    lost = {"losses": [2.3, 2.2, NAN, NAN], "norms": [0.4, NAN, NAN]}
    runs = [run(study, each, **(lost if each == setting else {})) for each in STUDIES[study]]
    runs += [replace(each, seed=1) for each in runs]
    runs[-1].history["validation_loss"] = [7.0, 7.0, 7.0, NAN]
    text = said(number, measured(runs, Config(n_seeds=2)))
    assert f"diverged ({name}" in text
    assert "the first one at epoch 2" in text
    for claim in ("worse", "better", "carries over", "One seed", "beyond chance"):
        assert claim not in text


# --- 2.5 ---


@pytest.mark.parametrize(
    ("cnn", "deep", "shallow", "names", "claims"),
    [
        (0.91, 0.75, 0.85, ("first_alone", "last_alone", "cnn_first"),
         ("First there, beyond chance: convolutional", "Last, beyond chance: deep", "small kernels do best")),
        (0.85, 0.75, 0.91, ("first_alone", "last_alone", "cnn_behind"),
         ("First there, beyond chance: shallow", "Last, beyond chance: deep", "than shallow network with a kernel")),
        (0.91, 0.75, 0.905, ("first_tied", "last_alone", "cnn_not_first"),
         ("First there, equal within chance: convolutional network, shallow", "does not show small kernels to do")),
        (0.91, 0.75, 0.752, ("first_alone", "last_tied", "cnn_first"),
         ("Last, equal within chance: deep network with kernels of 1 pixel, shallow",)),
        (0.91, 0.912, 0.905, ("all_equal", "cnn_not_first"), ("all three are equal within chance",)),
        (0.75, 0.91, 0.912, ("first_tied", "last_alone", "cnn_behind"),
         ("Last, beyond chance: convolutional network.", "than deep network with kernels of 1 pixel, shallow")),
        (0.91, 0.1, 0.85, ("first_alone", "last_alone", "cnn_first"), ("Last, beyond chance: deep",)),
        (0.1, 0.102, 0.101, ("none_learnt",), ("none of these networks is beyond guessing",)),
    ],
)
def test_first_and_last_only_beyond_chance_and_ties_as_ties(cnn, deep, shallow, names, claims, run, measured):
    accuracies = {"cnn": cnn, "deep_cnn": deep, "shallow_cnn": shallow}
    found = measured([run("width", name, test=accuracy) for name, accuracy in accuracies.items()])
    every = {
        "first_alone", "first_tied", "last_alone", "last_tied", "all_equal", "none_learnt", "cnn_first",
        "cnn_not_first", "cnn_behind",
    }
    assert tuple(name for name in texts("2.5", found) if name in every) == names
    text = said("2.5", found)
    for claim in claims:
        assert claim in text


def test_the_gaps_of_three_networks(run, measured):
    gaps = {"cnn": 0.951, "deep_cnn": 0.765, "shallow_cnn": 0.961}  # 4.1, 3.5 and 11.1 points
    text = said("2.5", measured([run("width", name, train=train) for name, train in gaps.items()]))
    assert "in: convolutional network, deep network with kernels of 1 pixel." in text
    gaps = {"cnn": 0.951, "deep_cnn": 0.771, "shallow_cnn": 0.891}
    text = said("2.5", measured([run("width", name, train=train) for name, train in gaps.items()]))
    assert "no network carries over better" in text


def test_a_deep_network_that_could_be_as_small_is_not_excused(run, measured):
    small = {"deep_cnn": NetworkConfiguration((8, 9), (1, 1), (1, 1), (0, 0), (20,))}
    found = measured(networks=small)
    text = said("2.5", found)
    assert "cannot be otherwise" not in text
    assert "filters asked (8, 9) and the hidden layers (20)" in text
    one = {"shallow_cnn": NetworkConfiguration((1,), (28,), (1,), (0,), (20,))}
    assert "1 filter makes 268,739" in said("2.5", measured(networks=one))


# --- the line that ends the lab ---


def result(measured, language="en"):
    return questions.result("fashion_trainer", measured, language).replace("\u202f", " ")


def test_the_result_is_that_of_the_best_on_the_validation_images(run, measured):
    """Chosen by the validation accuracy at the end, not by the test accuracy, nor at the best epoch."""
    assert result(measured()) == (
        "of 13 trainings, the one that ends with the highest validation accuracy (91.0 %: convolutional network) "
        "recognises 90.3 % of the test images."
    )
    runs = [run("raw", "0.01", validation=[0.1, 0.9, 0.3], test=0.8), run("normalised", "0.0001", test=0.45)]
    assert result(measured(runs), "fr") == (
        "de 2 apprentissages, celui qui finit par la plus haute exactitude de validation (89,0 % : 0.0001, pixels "
        "normalisés) reconnaît 45,0 % des images de test."
    )


def test_without_trainings_the_result_is_in_the_answers(measured):
    assert result(measured([])) == "see the answers above."
