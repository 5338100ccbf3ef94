"""Grade part 1 of homework 004: a submission runs in a process of its own, and is judged here by what it answers.

``grader`` does it, ``bundle`` packs it for Gradescope. The grader keeps accidents and crude tricks out: time, memory,
files, other processes, a forged result. What a submission can still do is what its user may: read files, use the
network. Against a determined adversary run the grader in a container, as Gradescope does.
"""
