"""Time to read all of the Free Spoken Digit Dataset and make its spectrograms: mi204, and a plain loop in torchaudio.

    OMP_NUM_THREADS=1 python tests/benchmark_audio.py <folder of recordings> [rounds]

Rounds by turns in one process, so that what else the machine does falls on all alike; the first round, which imports
and fills the disk's cache, does not count.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from mi204 import audio
from mi204.audio import MelSettings
from mi204.interop import torch_audio

SETTINGS = MelSettings()
RATE, WINDOW = 8000, 48000


def torchaudio_loop(files):
    """Make the spectrograms as the handout does: read, pad and transform one file after the other."""
    transform = torch_audio.decibel_mel_spectrogram(SETTINGS)
    images = []
    for path in files:
        waveform = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        images.append(transform(torch.nn.functional.pad(waveform, (0, WINDOW - len(waveform)))))
    return torch.stack(images)[..., None].numpy()


def mi204(files, folder=None):
    """Make the spectrograms with ``mi204.audio``."""
    waveforms = [audio.read(path, RATE).waveform for path in files]
    return audio.spectrograms(waveforms, SETTINGS, WINDOW, folder)


def main(folder: Path, rounds: int) -> None:
    """Print the seconds of each way, their ratio to the loop in torchaudio, and by how much the numbers differ."""
    files = sorted(folder.glob("*.wav"))
    print(f"{len(files)} files, torch {torch.__version__} on {torch.get_num_threads()} threads, {rounds} rounds")
    with tempfile.TemporaryDirectory() as cache:
        ways = {
            "torchaudio loop": lambda: torchaudio_loop(files),
            "mi204": lambda: mi204(files),
            "mi204, kept on disk": lambda: mi204(files, Path(cache)),
        }
        seconds = {way: [] for way in ways}
        for round_ in range(rounds + 1):
            for way, make in ways.items():
                start = time.perf_counter()
                images = make()
                took = time.perf_counter() - start
                if round_:
                    seconds[way].append(took)
                elif way == "torchaudio loop":
                    reference = images
                else:
                    difference = np.abs(images - reference)
                    print(f"{way}: at most {difference.max():.4f} dB from it, median {np.median(difference):.1e} dB")
                del images
            reference = None
        size = sum(path.stat().st_size for path in Path(cache).iterdir())
    for way, times in seconds.items():
        ratios = np.divide(times, seconds["torchaudio loop"])
        print(f"{way:20} {np.median(times):6.2f} s, ratio {np.median(ratios):.3f} {ratios.round(3)}")
    print(f"kept on disk: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
