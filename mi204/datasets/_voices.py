"""Ten English digits spoken by six voices that never were, by formant synthesis.

A word is a sequence of phones, each with targets for the resonances of the vocal tract (formants) and for the loudness
of its sources: the pulses of the vocal folds, breath, which passes through the tract as they do, and hiss, made where
the tract is narrow. Targets glide from one phone to the next. Every voice has a pitch, a tract, a tempo, an accent, a
loudness, a microphone and a room of its own, and every repetition varies a little.

All the repetitions of a word by one voice are computed together, frame by frame in the frequency domain.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

SEED = 204
SAMPLING_RATE = 8000

# Frames of 20 ms every 10 ms; a filtered frame rings on for 10 ms.
HOP = 80
FRAME = 2 * HOP
RINGING_FRAME = 3 * HOP
WINDOW = np.hanning(FRAME + 1)[:-1].astype(np.float32)
FREQUENCIES = np.fft.rfftfreq(RINGING_FRAME, 1 / SAMPLING_RATE).astype(np.float32)

# Seconds in which formants, and loudness, pass from one phone to the next.
GLIDE = 0.07
SWITCH = 0.02


class Phone(NamedTuple):
    """What the mouth aims at: three formants in Hz, the loudness of each source, where the hiss lies in Hz."""

    first: float
    second: float
    third: float
    voice: float = 0.0
    breath: float = 0.0
    hiss: float = 0.0
    hiss_centre: float = 3000
    hiss_width: float = 3000


PHONES = {
    "iy": Phone(290, 2250, 2950, voice=1),
    "ih": Phone(400, 1950, 2550, voice=1),
    "ey": Phone(480, 2000, 2600, voice=1),
    "eh": Phone(560, 1800, 2500, voice=1),
    "aa": Phone(730, 1200, 2450, voice=1),
    "ah": Phone(640, 1150, 2400, voice=1),
    "ao": Phone(560, 850, 2400, voice=1),
    "ow": Phone(480, 950, 2350, voice=1),
    "uw": Phone(320, 900, 2250, voice=1),
    "r": Phone(360, 1150, 1600, voice=0.7),
    "w": Phone(310, 650, 2200, voice=0.6),
    "n": Phone(270, 1500, 2500, voice=0.5),
    "v": Phone(280, 1100, 2300, voice=0.35, hiss=0.02),
    "z": Phone(280, 1700, 2500, voice=0.3, hiss=0.1, hiss_centre=3800, hiss_width=900),
    "s": Phone(320, 1700, 2500, hiss=0.12, hiss_centre=3800, hiss_width=900),
    "f": Phone(340, 1100, 2200, hiss=0.05, hiss_centre=3000),
    "th": Phone(320, 1400, 2500, hiss=0.05, hiss_centre=3600, hiss_width=2000),
    "t": Phone(350, 1750, 2600, breath=0.15, hiss=0.2, hiss_centre=3500, hiss_width=1200),
    "k": Phone(350, 1900, 2400, breath=0.1, hiss=0.3, hiss_centre=1900, hiss_width=500),
    "h": Phone(400, 1500, 2500, breath=0.15),
    "-": Phone(350, 1750, 2500),
}

# The phones of each digit and their durations in ms; a diphthong is two vowels, a stop a silence, a burst and breath.
WORDS = (
    (("z", 90), ("iy", 80), ("r", 70), ("ow", 90), ("uw", 110)),
    (("w", 90), ("ah", 150), ("n", 120)),
    (("t", 25), ("h", 45), ("uw", 230)),
    (("th", 90), ("r", 70), ("iy", 220)),
    (("f", 100), ("ao", 220), ("r", 70)),
    (("f", 90), ("aa", 140), ("iy", 90), ("v", 80)),
    (("s", 130), ("ih", 80), ("-", 60), ("k", 30), ("s", 140)),
    (("s", 100), ("eh", 100), ("v", 60), ("ah", 70), ("n", 100)),
    (("ey", 120), ("iy", 100), ("-", 50), ("t", 20), ("h", 30)),
    (("n", 80), ("aa", 140), ("iy", 90), ("n", 100)),
)


class Voice(NamedTuple):
    """A speaker, the microphone and the room."""

    name: str
    pitch: float
    """In Hz."""
    tract: float
    """Factor of all formants: large for a short vocal tract."""
    tempo: float
    brightness: float
    """Frequency in Hz above which the pulses of the vocal folds grow weaker."""
    breath: float
    """Loudness of the breath beside that of the voice."""
    low_cut: float
    """Frequency in Hz below which the microphone grows deaf."""
    colour: float
    """Power of the frequency with which the microphone grows more sensitive."""
    noise: float
    """Loudness of the room."""
    margin: float
    """Seconds recorded before and after the word."""
    loudness: float
    """Highest value of the waveform."""


VOICES = (
    Voice("alma", 205, 1.14, 1.08, 2000, 0.03, 60, 0.0, 0.003, 0.02, 0.40),
    Voice("bruno", 105, 0.93, 1.00, 900, 0.01, 150, -0.5, 0.0005, 0.06, 0.60),
    Voice("celeste", 180, 1.08, 1.20, 2500, 0.08, 250, 0.6, 0.02, 0.00, 0.15),
    Voice("dmitri", 90, 0.88, 1.05, 1200, 0.02, 40, 0.3, 0.001, 0.04, 0.50),
    Voice("esther", 225, 1.18, 1.10, 1500, 0.04, 100, -0.3, 0.008, 0.09, 0.06),
    Voice("farid", 130, 1.00, 1.15, 2500, 0.02, 80, 0.2, 0.0002, 0.00, 0.25),
)

# How much voices, and repetitions by one voice, differ: standard deviations, as shares of what varies.
ACCENT = 0.13
VARIATION = 0.04


class Recordings(NamedTuple):
    """What was spoken, by digit, voice and repetition."""

    waveforms: tuple[np.ndarray, ...]
    """One waveform per recording, float32 (n_samples,) in -1..1, at 8 kHz."""
    labels: np.ndarray
    """Digits, int64 (n,)."""
    speakers: np.ndarray
    """Names of the voices, str (n,)."""
    repetitions: np.ndarray
    """Numbers from 0 among those of the same digit and voice, int64 (n,)."""


def speak(n_repetitions: int) -> Recordings:
    """Speak each digit `n_repetitions` times in each voice: 60 recordings per repetition, always the same.

    A recording does not depend on how many there are.
    """
    digits, voices, repetitions = np.indices((len(WORDS), len(VOICES), n_repetitions)).reshape(3, -1)
    pairs = product(range(len(WORDS)), range(len(VOICES)))
    waveforms = tuple(waveform for digit, voice in pairs for waveform in _speak(digit, voice, n_repetitions))
    names = np.array([voice.name for voice in VOICES])
    return Recordings(waveforms, digits, names[voices], repetitions)


def _speak(digit: int, number: int, n: int) -> list[np.ndarray]:
    """Speak one digit n times in one voice."""
    voice, word = VOICES[number], WORDS[digit]
    targets = np.array([PHONES[phone] for phone, _ in word])
    milliseconds = np.array([duration for _, duration in word])
    # Of each phone, in every word: its duration, three formants, loudness.
    accents = np.exp(ACCENT * np.random.default_rng([SEED, number]).normal(size=(len(PHONES), 5)))
    accents = accents[[list(PHONES).index(phone) for phone, _ in word]]

    # Each repetition draws from a generator of its own, first numbers of mean 0 and standard deviation 1.
    generators = [np.random.default_rng([SEED, number, digit, repetition]) for repetition in range(n)]
    phones = np.stack([rng.uniform(-(3**0.5), 3**0.5, (len(word), 4)) for rng in generators])
    phones = np.exp(VARIATION * phones)
    slow, high, falling, loud, early, late = np.stack([rng.uniform(-(3**0.5), 3**0.5, 6) for rng in generators]).T

    seconds = milliseconds / 1000 / voice.tempo * np.exp(2 * VARIATION * slow[:, None])
    ends = np.cumsum(seconds * accents[:, 0] ** 2 * phones[..., 0] ** 2, axis=1)
    before, after = (SWITCH + voice.margin * (1 + share / 2) for share in (early, late))
    lengths = (SAMPLING_RATE * (before + ends[:, -1] + after)).astype(int)
    frames = lengths.max() // HOP + 2

    times = np.arange(frames) * HOP / SAMPLING_RATE - before[:, None]
    glide = _shares(times, ends, GLIDE, endless=True)
    formants = glide @ (voice.tract * targets[:, :3] * accents[:, 1:4] * phones[..., 1:])
    levels = _shares(times, ends, SWITCH, endless=False) @ (targets[:, 3:6] * accents[:, 4:] ** 3)
    hisses = _shares(times, ends, SWITCH, endless=True) @ targets[:, 6:]

    # The pitch falls along the word, and wavers.
    along = np.arange((frames + 1) * HOP) / lengths[:, None]
    bend = (0.12 + 0.05 * falling[:, None]) * (0.5 - along) + 0.02 * np.sin(40 * along + early[:, None])
    pulses = _pulses(voice.pitch * np.exp(VARIATION * high[:, None] + bend))
    noise = np.zeros_like(pulses)
    for row, rng, length in zip(noise, generators, lengths, strict=True):
        row[:length] = rng.standard_normal(length, dtype=np.float32)

    waveforms = _filter(voice, pulses, noise, *(x.astype(np.float32) for x in (formants, levels, hisses)))
    waveforms = [waveform[:length] for waveform, length in zip(waveforms, lengths, strict=True)]
    highest = voice.loudness * np.exp(0.2 * loud)
    # As a file of 16 bits would hold them.
    return [
        np.round(waveform * (32767 * high / np.abs(waveform).max())).astype(np.float32) / 32768
        for waveform, high in zip(waveforms, highest, strict=True)
    ]


def _shares(times: np.ndarray, ends: np.ndarray, width: float, endless: bool) -> np.ndarray:
    """Return how much of each phone there is at each time, (n, time, phone), passing within `width` seconds.

    With `endless`, the first phone has always been and the last one stays: the shares of a time sum to 1.
    """
    starts = np.concatenate([np.zeros_like(ends[:, :1]), ends], axis=1)
    position = np.clip((times[..., None] - starts[:, None]) / width + 0.5, 0, 1)
    reached = position * position * (3 - 2 * position)
    if endless:
        reached[..., 0], reached[..., -1] = 1, 0
    return -np.diff(reached, axis=-1)


def _pulses(pitch: np.ndarray) -> np.ndarray:
    """Return one pulse per period of the pitch, in Hz at every sample, with the same power at every pitch."""
    steps = pitch / SAMPLING_RATE
    phase = np.cumsum(steps, axis=1)
    starts = np.diff(np.floor(phase), axis=1, prepend=0) > 0
    # A period begins between two samples, which share its pulse.
    since = phase % 1 / steps
    late = np.where(starts, (1 - since) / np.sqrt(steps), 0)
    early = np.where(starts, since / np.sqrt(steps), 0)
    late[:, :-1] += early[:, 1:]
    return late.astype(np.float32)


def _filter(
    voice: Voice, pulses: np.ndarray, noise: np.ndarray, formants: np.ndarray, levels: np.ndarray, hisses: np.ndarray
) -> np.ndarray:
    """Pass the sources (n, sample) through the tract and the microphone; return waveforms (n, sample).

    At every frame: the `formants` in Hz, (n, frame, 3), the `levels` of voice, breath and hiss, (n, frame, 3), and the
    centre and width of the hiss in Hz, (n, frame, 2).
    """
    fourth = np.full_like(formants[..., :1], 3500 * voice.tract)
    resistance = np.ones((*formants.shape[:2], len(FREQUENCIES)), dtype=np.complex64)
    for formant in np.moveaxis(np.concatenate([formants, fourth], axis=-1), -1, 0)[..., None]:
        # A resonance about as wide as a mouth's, that lets low frequencies pass unchanged.
        width = 40 + 0.05 * formant
        resistance *= 1 - (FREQUENCIES / formant) ** 2 + 1j * (width / formant**2 * FREQUENCIES)
    tract = 1 / resistance
    folds = 1 / (1 + 1j * FREQUENCIES / voice.brightness)
    room = voice.noise / np.sqrt(1 + FREQUENCIES / 300)
    microphone = 1j * FREQUENCIES / (voice.low_cut + 1j * FREQUENCIES)
    microphone *= ((FREQUENCIES + 100) / 1000) ** voice.colour

    voiced, breath, hiss = np.moveaxis(levels, -1, 0)[..., None]
    centre, width = np.moveaxis(hisses, -1, 0)[..., None]
    narrow = hiss * np.exp(-(((FREQUENCIES - centre) / width) ** 2))
    spectra = _spectra(pulses) * tract * (voiced * folds)
    spectra += _spectra(noise) * (tract * (breath + voice.breath * voiced) + narrow + room)
    pieces = np.fft.irfft(spectra * microphone, RINGING_FRAME).astype(np.float32)

    waveforms = np.zeros((len(pieces), pieces.shape[1] + 2, HOP), dtype=np.float32)
    for part in range(3):
        waveforms[:, part : part + pieces.shape[1]] += pieces[..., part * HOP : (part + 1) * HOP]
    return waveforms.reshape(len(pieces), -1)


def _spectra(source: np.ndarray) -> np.ndarray:
    """Return the spectrum of each frame of a source, (n, frame, frequency)."""
    blocks = source.reshape(len(source), -1, HOP)
    return np.fft.rfft(np.concatenate([blocks[:, :-1], blocks[:, 1:]], axis=-1) * WINDOW, RINGING_FRAME)
