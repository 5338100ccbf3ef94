"""What the figures show, from measurements made by hand, and the course's files."""

import re
from dataclasses import replace

import numpy as np
import pytest

from labs.audio_mnist import description
from labs.audio_mnist.figures import figures, files

ALWAYS = ["2.2_durations", "2.3_sound_7_bob_1", "2.3_sound_0_ada_3", "2.3_filters"]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_figure_has_a_title_of_its_own(language, measured):
    drawn = figures(measured(), language)
    assert list(drawn) == [*ALWAYS, "2.4_left_out", "2.6_losses", "2.6_score", "2.7_pairs", "2.7_fusion"]
    titles = [re.sub(r"\s+", " ", figure.get_suptitle()) for figure in drawn.values()]
    assert len(set(titles)) == len(titles)


def test_what_was_not_run_is_not_drawn(run, paired, measured):
    assert list(figures(measured([]), "en")) == ALWAYS
    assert list(figures(measured([run("ours", "eve", 0.8)]), "en")) == [*ALWAYS, "2.4_left_out"]
    assert list(figures(measured(paired()), "en")) == [*ALWAYS, "2.7_pairs", "2.7_fusion"]


def test_durations_by_digit_and_by_speaker(measured):
    by_digit, by_speaker = figures(measured(), "fr")["2.2_durations"].axes
    assert (by_digit.get_xlabel(), by_speaker.get_xlabel()) == ("Chiffre", "Locuteur")
    assert by_digit.get_ylabel() == "Durée (s)"
    assert [text.get_text() for text in by_digit.get_xticklabels()] == list("0123456789")
    assert [text.get_text() for text in by_speaker.get_xticklabels()] == ["ada", "bob", "eve"]
    medians = [line.get_ydata()[0] for line in by_speaker.lines if len(set(line.get_ydata())) == 1][:9:3]
    assert medians[0] < medians[1] < medians[2]


def test_spectrograms_are_drawn_in_true_and_in_believed_seconds_and_hertz(tones, measured):
    made = measured(sounds=description.sounds(tones, ("7_bob_1.wav",)), banks=description.banks())
    _, true, believed, _ = figures(made, "en")["2.3_sound_7_bob_1"].axes
    seconds = len(tones.waveforms[tones.files.index("7_bob_1.wav")]) / 8000
    assert true.get_xlim()[1] == pytest.approx(seconds)
    assert believed.get_xlim()[1] == pytest.approx(seconds / 2)
    for axes, factor in ((true, 1), (believed, 2)):
        names = [int(text.get_text().replace(",", "")) for text in axes.get_yticklabels()]
        named = dict(zip(names, axes.get_yticks(), strict=True))
        assert max(named) == 4000 * factor
        loudest = axes.images[0].get_array().max(axis=1).argmax()
        hertz = np.interp(loudest, list(named.values()), list(named))
        assert hertz == pytest.approx(factor * (300 + 250 * 7), rel=0.05)


def test_empty_filters_are_marked(measured):
    true, course = figures(measured(), "en")["2.3_filters"].axes
    assert true.get_title() == "64 filters made for 8,000 Hz (empty filters: 0)"
    assert course.get_title() == "128 filters of the course's script, made for 16,000 Hz (empty filters: 4)"
    assert (true.get_xlim()[1], course.get_xlim()[1]) == (4000, 8000)


def test_speakers_left_out_have_their_accuracies_with_chance_and_interval(measured):
    (axes,) = figures(measured(), "en")["2.4_left_out"].axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([61.23, 42.34, 53.45, 91.34, 88.45, 80.56])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["ada", "bob", "eve"]
    assert axes.get_xlabel() == "Speaker left out of training"
    ends = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2]
    assert [10, 10] in [list(each) for each in ends]
    # Wilson, 61.23 % of 400.
    assert any(np.allclose(each, [56.37, 65.87], atol=0.02) for each in ends)
    legends = figures(measured(), "en")["2.4_left_out"].legends
    assert [text.get_text() for each in legends for text in each.get_texts()] == [
        "chance (10\u202f%)", "95\u202f% interval (Wilson)", "course network", "our network",
    ]


def test_curves_of_the_course(measured):
    drawn = figures(measured(), "en")
    train_axes, test_axes = drawn["2.6_losses"].axes
    assert list(train_axes.lines[0].get_ydata()) == [1.913, 0.8, 0.31, 0.0712]
    assert list(test_axes.lines[0].get_ydata()) == [1.724, 0.9, 0.61, 0.583]
    assert list(test_axes.lines[1].get_xdata()) == [4, 4]
    (score,) = drawn["2.6_score"].axes
    assert list(score.lines[0].get_ydata()) == pytest.approx([40, 80, 95, 99.87])
    assert list(score.lines[1].get_ydata()) == pytest.approx([50.16, 94, 93, 95.12])


def test_networks_for_pairs_are_compared_in_each_condition(measured):
    (axes,) = figures(measured(), "en")["2.7_fusion"].axes
    heights = np.reshape([bar.get_height() for bar in axes.patches], (4, 4))
    np.testing.assert_allclose(heights[1], [76.15, 42.16, 77.17, 41.18])
    np.testing.assert_allclose(heights[:, 3], [83.14, 41.18, 89.24, 90.38])
    assert [text.get_text().replace("\n", " ") for text in axes.get_xticklabels()] == [
        "as they are", "noisy sound", "hidden part of the image", "both degraded",
    ]
    intervals = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2]
    assert [10, 10] in [list(each) for each in intervals]
    # Wilson, 41.18 % of the 400 recordings, not of the 567 pairs.
    assert any(np.allclose(each, [36.46, 46.07], atol=0.02) for each in intervals)


def test_pairs_stand_under_their_digit(measured):
    panels = figures(measured(), "en")["2.7_pairs"].axes
    assert [axes.get_title() for axes in panels[:5]] == [
        "3, written", "3, partly hidden", "3, spoken", "3, spoken in noise", "1, written",
    ]
    np.testing.assert_array_equal(panels[5].images[0].get_array(), measured().pairs.images[1, 1, ..., 0])


def test_the_split_is_written_as_the_course_does(measured, tmp_path):
    written = files(measured(), tmp_path)
    assert [path.name for path in written] == ["train.csv", "test.csv"]
    assert written[0].read_text().splitlines()[:2] == ["recordings/0_ada_0.wav,0", "recordings/1_ada_1.wav,1"]
    assert [len(path.read_text().splitlines()) for path in written] == [905, 295]
    assert written[1].read_text().splitlines()[-1] == "recordings/4_bob_294.wav,4"
    assert files(replace(measured(), split=None), tmp_path / "other") == []
    assert not (tmp_path / "other").exists()
