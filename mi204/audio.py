"""Recordings and their mel spectrograms: the numbers of torchaudio's transforms, without torch.

librosa and soundfile are imported where they are used, so that this module can be imported without them; what needs
them raises SettingError naming the extra to install.
"""

import hashlib
import inspect
import io
import json
import struct
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from pathlib import Path

import numpy as np

from mi204 import packages, paths
from mi204.errors import DataError, SettingError

_LEAST_POWER = 1e-10
"""Power below which nothing is told apart: -100 decibels, silence."""

SILENCE = -60.0
"""Decibels under the loudest point at which the spectrogram of a word stops."""

_WORD = -40.0
"""Decibels under the loudest frame from which a frame belongs to the word."""

_SHORTEST = 0.025
"""Seconds below which a recording is no word: one frame of the default mel spectrogram, 400 samples at 16 kHz."""

_UNKNOWN = 0x7FFF0000
"""Bytes of samples from which a header means that it did not know: a program that writes to a pipe cannot come back to
correct it. ffmpeg writes 0xFFFFFFFF, sox 0x7FFFF000, Android 0x7FFFFFFF, others 0."""

_RATES = 4_000, 768_000
"""Sampling rates in Hz between which speech is recorded: telephones take 8,000, the fastest converters 768,000."""

_LOUDEST = 10.0
"""Most that a sample may be, full scale being 1: mixes keep a few times as much in reserve, no more."""

_CANCELLED = 0.1
"""Share of what channels independent of each other leave in their mean, below which they cancel in it."""

_BATCH = 100
"""Recordings whose frames pass through the filters together."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One sound, mono."""

    waveform: np.ndarray
    """Samples, float32 (n,) in -1..1; only a file of floating-point samples, up to 10, or resampling can go beyond."""

    sampling_rate: int
    """Samples per second, in Hz."""

    remarks: tuple[str, ...] = ()
    """What was done to read the file, in this order: ``length_unknown``, ``mixed_to_mono`` or ``loudest_channel``,
    ``resampled``."""


def read(path: Path, sampling_rate: int) -> Recording:
    """Read a wav file as mono at ``sampling_rate`` (Hz); what that changes is said in the remarks.

    Several channels are mixed by their mean; where they cancel in it, one being the other upside down, the loudest is
    taken. Another rate is resampled with librosa (soxr, high quality). Raises DataError naming the file when ``decode``
    does, for less than 25 ms (no word is as short), for samples that are not finite or beyond ten times full scale,
    and for samples that, mixed or resampled, all equal: silence.
    """
    samples, rate, remarks = decode(path)
    if len(samples) < _SHORTEST * rate:
        raise DataError(
            "Expected at least {least} s of sound in {path}, received {n:,} samples at {rate:,} Hz, {seconds:.2g} s: "
            "remove the file or record it again.",
            "Au moins {least} s de son attendu dans {path}, {n:,} échantillons à {rate:,} Hz reçus, {seconds:.2g} s : "
            "retirer le fichier ou l'enregistrer à nouveau.",
            least=_SHORTEST,
            path=path,
            n=len(samples),
            rate=rate,
            seconds=len(samples) / rate,
        )
    _refuse_no_samples(samples, path)
    waveform = samples[:, 0]
    if samples.shape[1] > 1:
        waveform, remark = _mix(samples)
        remarks += (remark,)
    _refuse_silence(waveform, path)
    if rate != sampling_rate:
        waveform = _librosa().resample(waveform, orig_sr=rate, target_sr=sampling_rate)
        _refuse_silence(waveform, path)
        remarks += ("resampled",)
    return Recording(waveform, sampling_rate, remarks)


def _refuse_no_samples(samples: np.ndarray, path: Path) -> None:
    if not np.isfinite(samples).all():
        raise DataError(
            "Expected finite samples in {path}, received NaN or infinity: record or convert it again.",
            "Échantillons finis attendus dans {path}, NaN ou infini reçus : l'enregistrer ou le convertir à nouveau.",
            path=path,
        )
    if (loudest := np.abs(samples).max()) > _LOUDEST:
        raise DataError(
            "Expected floating-point samples from -1 to 1 in {path}, {most:g} at the most, received {loudest:,.6g}: "
            "probably whole numbers written as they are. Divide those of all this speaker's files by their full scale, "
            "{scale:,} for 16 bits: else their loudness gives the speaker away.",
            "Échantillons à virgule flottante de -1 à 1 attendus dans {path}, {most:g} tout au plus, {loudest:,.6g} "
            "reçu : sans doute des entiers écrits tels quels. Diviser ceux de tous les fichiers de ce locuteur par "
            "leur pleine échelle, {scale:,} pour 16 bits : sinon, leur force trahit le locuteur.",
            path=path,
            most=_LOUDEST,
            loudest=float(loudest),
            scale=2**15,
        )


def _mix(samples: np.ndarray) -> tuple[np.ndarray, str]:
    """Give the mean of channels (n, channels), or the loudest where they cancel, and the remark that says which."""
    mean, powers = samples.mean(axis=1), samples.var(axis=0, dtype=np.float64)
    if mean.var(dtype=np.float64) < _CANCELLED * powers.mean() / len(powers):
        return samples[:, powers.argmax()], "loudest_channel"
    return mean, "mixed_to_mono"


def _refuse_silence(waveform: np.ndarray, path: Path) -> None:
    if waveform.min() == waveform.max():
        raise DataError(
            "Expected a sound in {path}, received silence ({n:,} samples that all equal {value:g}): "
            "remove the file or record it again.",
            "Son attendu dans {path}, silence reçu ({n:,} échantillons tous égaux à {value:g}) : "
            "retirer le fichier ou l'enregistrer à nouveau.",
            path=path,
            n=len(waveform),
            value=waveform[0],
        )


def decode(path: Path) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Give the samples of a wav file as they are, float32 (n, channels), its sampling rate in Hz, and remarks.

    Integers of b bits are divided by ``2^(b - 1)``; floating-point samples are kept. A file whose header was written
    before its length was known (written to a pipe) holds all that follows, which the remark ``length_unknown`` says.
    Raises DataError naming the file when it cannot be opened, is no (RIFF) wav, has no samples, fewer than its header
    says, or a sampling rate that is not from 4,000 to 768,000 Hz.
    """
    packages.require("soundfile")
    import soundfile

    path = Path(path)
    try:
        content = bytearray(path.read_bytes())
        remarks = ("length_unknown",) if _mend_length(content, path) else ()
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except OSError as error:
        raise DataError(
            "Expected a wav file at {path}, received: {reason}. Check the name and the folder.",
            "Fichier wav attendu en {path}, reçu : {reason}. Vérifier le nom et le dossier.",
            path=path,
            reason=error.strerror or error,
        ) from error
    except soundfile.LibsndfileError as error:
        raise DataError(
            "Expected a wav file in {path}, received another ({reason}): provide a wav.",
            "Fichier wav attendu dans {path}, autre chose reçu ({reason}) : fournir un wav.",
            path=path,
            reason=error.error_string,
        ) from error
    if len(samples) == 0:
        raise DataError(
            "Expected samples in {path}, received a wav file without any: record or copy it again.",
            "Échantillons attendus dans {path}, fichier wav vide reçu : l'enregistrer ou le copier à nouveau.",
            path=path,
        )
    least, most = _RATES
    if not least <= rate <= most:
        raise DataError(
            "Expected a recording at {least:,} to {most:,} Hz in {path}, received a header that says {rate:,} Hz: "
            "record or convert it again.",
            "Enregistrement de {least:,} à {most:,} Hz attendu dans {path}, en-tête qui dit {rate:,} Hz reçu : "
            "l'enregistrer ou le convertir à nouveau.",
            least=least,
            most=most,
            path=path,
            rate=rate,
        )
    return samples, rate, remarks


def _mend_length(content: bytearray, path: Path) -> bool:
    """Write into a header the length of the samples that it did not know; return whether it did not.

    Raises DataError unless a file starts as a wav and is as long as its header says: libsndfile reads what is left of
    a truncated file, and says nothing.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DataError(
            "Expected a wav file in {path}, received {size:,} bytes that do not start as one (RIFF … WAVE): "
            "convert the recording to wav, or copy it again.",
            "Fichier wav attendu dans {path}, {size:,} octets reçus dont le début n'en est pas un (RIFF … WAVE) : "
            "convertir l'enregistrement en wav, ou le copier à nouveau.",
            path=path,
            size=len(content),
        )
    for name, start, length in _chunks(content, 12):
        held = len(content) - start
        if name != b"data":
            continue
        if held < length < _UNKNOWN:
            raise DataError(
                "Expected {length:,} bytes of samples in {path}, as its header says, received {held:,}: "
                "the file is truncated, copy it again.",
                "{length:,} octets d'échantillons attendus dans {path}, d'après son en-tête, {held:,} reçus : "
                "le fichier est tronqué, le copier à nouveau.",
                length=length,
                path=path,
                held=held,
            )
        unknown = held < length or (length == 0 and not _are_chunks(content, start))
        if unknown:
            struct.pack_into("<I", content, start - 4, held)
        return unknown
    return False


def _chunks(content: bytearray, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Give the name, the start and the length of each chunk; the last may say that it is longer than what is there."""
    while start + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, start)
        yield name, start + 8, length
        start += 8 + length + length % 2  # chunks start at even places


def _are_chunks(content: bytearray, start: int) -> bool:
    """Tell whether what follows the samples is nothing, or chunks up to the end, and not samples itself."""
    end = start
    for name, begin, length in _chunks(content, start):
        if not (name.isascii() and name.decode().isprintable()):
            return False
        end = begin + length
    return len(content) - 1 <= end <= len(content)


@dataclass(frozen=True)
class MelSettings:
    """Settings of a mel spectrogram; the defaults are those of torchaudio's ``MelSpectrogram()``.

    Raises SettingError naming the field that is out of range.
    """

    sampling_rate: int = 16000
    """What the transform believes, in Hz: a recording at another rate gives an image all the same, whose filters bear
    the wrong frequencies. The course's recordings are at 8000 Hz: believed to be at 16000, all doubles."""

    n_fft: int = 400
    """Samples of one frame's Fourier transform; even."""

    win_length: int | None = None
    """Samples under the window of one frame, in the middle of the others, which count as zero; None: all of them."""

    hop_length: int = 200
    """Samples from one frame to the next."""

    n_mels: int = 128
    """Number of filters."""

    f_min: float = 0.0
    """Lower edge of the first filter, in Hz."""

    f_max: float | None = None
    """Upper edge of the last filter, in Hz; None: half the sampling rate."""

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("sampling_rate", "n_fft", "hop_length", "n_mels"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise SettingError(
                    "Expected {name} to be a whole number of at least 1, received {value!r}.",
                    "{name} attendu entier et d'au moins 1, {value!r} reçu.",
                    name=name,
                    value=value,
                )
        if self.win_length is not None and not 1 <= self.win_length <= self.n_fft:
            raise SettingError(
                "Expected win_length from 1 to n_fft = {n_fft}, received {win_length}.",
                "win_length de 1 à n_fft = {n_fft} attendu, {win_length} reçu.",
                n_fft=self.n_fft,
                win_length=self.win_length,
            )
        if self.n_fft % 2:
            raise SettingError(
                "Expected n_fft to be even, received {n_fft}: take {even}.",
                "n_fft pair attendu, {n_fft} reçu : prendre {even}.",
                n_fft=self.n_fft,
                even=self.n_fft + 1,
            )
        if not 0 <= self.f_min < _highest(self) <= self.sampling_rate / 2:
            raise SettingError(
                "Expected 0 <= f_min < f_max <= {most:g} Hz (half the sampling rate), received "
                "f_min = {f_min} and f_max = {f_max}: sound sampled at {rate} Hz holds no other frequencies.",
                "0 <= f_min < f_max <= {most:g} Hz attendu (la moitié de la fréquence d'échantillonnage), "
                "f_min = {f_min} et f_max = {f_max} reçus : un son échantillonné à {rate} Hz n'a pas d'autres "
                "fréquences.",
                most=self.sampling_rate / 2,
                f_min=self.f_min,
                f_max=self.f_max,
                rate=self.sampling_rate,
            )


def _highest(settings: MelSettings) -> float:
    return settings.sampling_rate / 2 if settings.f_max is None else settings.f_max


def mel_filters(settings: MelSettings) -> np.ndarray:
    """Give the filters, (n_mels, n_fft // 2 + 1): triangles of height 1 at equal steps of ``2595 log10(1 + f / 700)``.

    A column is a frequency of the Fourier transform, ``sampling_rate / n_fft`` Hz from the next. A filter that lies
    between two of them is empty, a row of zeros: its line of the spectrogram is silent whatever the sound.
    """
    librosa = _librosa()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters detected")
        return librosa.filters.mel(
            sr=settings.sampling_rate,
            n_fft=settings.n_fft,
            n_mels=settings.n_mels,
            fmin=settings.f_min,
            fmax=_highest(settings),
            htk=True,
            norm=None,
            dtype=np.float64,
        )


def mel_frequencies(settings: MelSettings) -> np.ndarray:
    """Give the centres of the filters in Hz, (n_mels,)."""
    edges = _librosa().mel_frequencies(settings.n_mels + 2, fmin=settings.f_min, fmax=_highest(settings), htk=True)
    return edges[1:-1]


def mel_spectrogram(waveform: np.ndarray, settings: MelSettings) -> np.ndarray:
    """Give the power in each filter and frame, (n_mels, 1 + n // hop_length), for a waveform (n,).

    ``filters @ |STFT|^2``, under a periodic Hann window; frame t is centred on sample ``t hop_length``, and the
    waveform is reflected beyond its ends. One of less than ``n_fft // 2 + 1`` samples, too few to reflect, is first
    padded with zeros to that length. In double precision: torchaudio's own filters and arithmetic are rounded to
    float32, by which its faintest values are off, up to 0.03 dB on the course's recordings.
    """
    return mel_filters(settings) @ _power_spectrum(waveform, settings)


def _power_spectrum(waveform: np.ndarray, settings: MelSettings) -> np.ndarray:
    """Give ``|STFT|^2``, (n_fft // 2 + 1, frames)."""
    half = settings.n_fft // 2
    waveform = np.pad(waveform.astype(np.float64), (0, max(half + 1 - len(waveform), 0)))
    spectrum = _librosa().stft(
        # Not by librosa's `center`, which warns about a waveform shorter than the window.
        np.pad(waveform, half, mode="reflect"),
        n_fft=settings.n_fft,
        win_length=settings.win_length,
        hop_length=settings.hop_length,
        window="hann",
        center=False,
    )
    return spectrum.real**2 + spectrum.imag**2


def decibels(power: np.ndarray) -> np.ndarray:
    """Give ``10 log10(max(power, 1e-10))``: silence is -100 dB."""
    return 10 * np.log10(np.maximum(power, _LEAST_POWER))


def spectrograms(
    waveforms: Sequence[np.ndarray], settings: MelSettings, window: int, folder: Path | None = None
) -> np.ndarray:
    """Give the decibels of each waveform's mel spectrogram, float32 (n, n_mels, 1 + window // hop_length, 1).

    Each waveform (n,) is padded with zeros at its end, or cut, to ``window`` samples. Only the frames that the sound
    reaches are computed. In ``folder`` they are kept, in a file named by all that they depend on, and read from there
    the next time. Raises SettingError when the window is too short to be reflected, StorageError when the folder
    cannot be written.
    """
    if window < settings.n_fft // 2 + 1:
        raise SettingError(
            "Expected a window of at least {least} samples, half of n_fft and one more, "
            "received {window}: take a longer window or a smaller n_fft.",
            "Fenêtre d'au moins {least} échantillons attendue, la moitié de n_fft et un de plus, "
            "{window} reçu : prendre une fenêtre plus longue ou un n_fft plus petit.",
            least=settings.n_fft // 2 + 1,
            window=window,
        )
    sounds = [np.ascontiguousarray(waveform[:window], dtype=np.float32) for waveform in waveforms]
    # With as many zeros as a frame is long, what follows and what its end reflects is silence.
    lengths = [min(len(sound) + settings.n_fft, window) for sound in sounds]
    ends = np.cumsum([0, *(1 + length // settings.hop_length for length in lengths)])

    def compute() -> np.ndarray:
        reached = np.empty((settings.n_mels, ends[-1]), dtype=np.float32)
        filters = mel_filters(settings)
        for start in range(0, len(sounds), _BATCH):
            batch = range(start, min(start + _BATCH, len(sounds)))
            power = [_power_spectrum(np.pad(sounds[i], (0, lengths[i] - len(sounds[i]))), settings) for i in batch]
            # One product for all of them: many small ones wait for their threads.
            reached[:, ends[batch.start] : ends[batch.stop]] = decibels(filters @ np.concatenate(power, axis=1))
        return reached

    if folder is None:
        reached = compute()
    else:
        key = _key(sounds, settings, window)
        reached = _remembered(folder / f"{key}.spectrograms", key, (settings.n_mels, ends[-1]))
        if reached is None:
            reached = compute()
            _remember(folder / f"{key}.spectrograms", key, reached)
    shape = (len(sounds), settings.n_mels, 1 + window // settings.hop_length, 1)
    images = np.full(shape, decibels(np.zeros(())), dtype=np.float32)
    for image, start, end in zip(images, ends[:-1], ends[1:], strict=True):
        image[:, : end - start, 0] = reached[:, start:end]
    return images


def word_images(waveforms: Sequence[np.ndarray], settings: MelSettings, n_frames: int) -> np.ndarray:
    """Give the mel spectrograms of the words alone, float32 (n, n_mels, n_frames, 1), from -60 to 0 decibels.

    A row is the mean power under its filter, not the sum: the filters for high frequencies, which are wider, would make
    noise there as loud as the voice. Frames before the first and after the last that are within 40 dB of the loudest
    are left out; those that remain are stretched to ``n_frames`` by linear interpolation. 0 dB is the loudest point of
    each word, and what is more than 60 dB fainter counts as silence.
    """
    filters = mel_filters(settings)
    filters /= np.maximum(filters.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    images = np.empty((len(waveforms), settings.n_mels, n_frames, 1), dtype=np.float32)
    for start in range(0, len(waveforms), _BATCH):
        spectra = [_power_spectrum(waveform, settings) for waveform in waveforms[start : start + _BATCH]]
        ends = np.cumsum([spectrum.shape[1] for spectrum in spectra])
        powers = np.split(filters @ np.concatenate(spectra, axis=1), ends[:-1], axis=1)
        for image, power in zip(images[start:], powers, strict=False):
            loudness = power.sum(axis=0)
            spoken = np.flatnonzero(loudness >= loudness.max() * 10 ** (_WORD / 10))
            word = decibels(power[:, spoken[0] : spoken[-1] + 1])
            positions = np.linspace(0, word.shape[1] - 1, n_frames)
            before = positions.astype(int)
            after = np.minimum(before + 1, word.shape[1] - 1)
            share = positions - before
            word = np.maximum(word - word.max(), SILENCE)
            image[..., 0] = (1 - share) * word[:, before] + share * word[:, after]
    return images


def _key(sounds: list[np.ndarray], settings: MelSettings, window: int) -> str:
    """Name spectrograms by all that they depend on: the sounds, the settings, this code and what it calls."""
    versions = {name: packages.version(name) for name in ("librosa", "numpy", "scipy")}
    code = inspect.getsource(sys.modules[__name__])
    key = hashlib.sha256(json.dumps([asdict(settings), window, versions, code]).encode())
    for sound in sounds:
        key.update(len(sound).to_bytes(8, "little"))
        key.update(sound)
    return key.hexdigest()


# Numbers behind their own hash, and no format that needs parsing: a file that differs by one bit is not read at all.


def _remember(path: Path, key: str, numbers: np.ndarray) -> None:
    content = numbers.tobytes()
    paths.write_atomically(path, lambda temporary: temporary.write_bytes(_seal(key, content) + content))


def _remembered(path: Path, key: str, shape: tuple[int, int]) -> np.ndarray | None:
    """Give what ``_remember`` wrote; None where there is nothing, or anything else."""
    try:
        content = memoryview(path.read_bytes())
    except OSError:
        return None
    seal, content = content[:32], content[32:]
    return np.frombuffer(content, dtype=np.float32).reshape(shape) if seal == _seal(key, content) else None


def _seal(key: str, content: bytes | memoryview) -> bytes:
    seal = hashlib.sha256(key.encode())
    seal.update(content)
    return seal.digest()


def _librosa():
    packages.require("librosa")
    import librosa

    return librosa
