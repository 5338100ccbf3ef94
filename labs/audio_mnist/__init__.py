"""Spoken digits: what a spectrogram shows, what a split hides, and a system that reads and listens (handout 000, 2).

    python -m labs.audio_mnist                                questions 2.1 to 2.7
    python -m labs.audio_mnist --questions 2.2 2.3            look at recordings; nothing is trained
    python -m labs.audio_mnist --questions 2.3 --show 7_lucas_3.wav
    python -m labs.audio_mnist --recordings my_voice          your own recordings in place of the official ones
    python -m labs.audio_mnist --preset quick                 everything, very small: does it all run here?
    KERAS_BACKEND=torch python -m labs.audio_mnist            the same on another backend

Needs librosa and soundfile: pip install -e ".[audio]"
Results, figures and the random split (train.csv, test.csv) go to figures/audio_mnist. Ctrl-C stops; the same command
goes on where it stopped.
"""
