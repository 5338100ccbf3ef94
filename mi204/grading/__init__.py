"""Grade part 1 of homework 004: a submission runs in a process of its own, and is judged here by what it answers.

``grader`` does it, ``bundle`` packs it for Gradescope. The grader keeps accidents and crude tricks out: time, memory,
files, other processes, a forged result. How well depends on the system, and each grade says it (``isolation``): in
``namespaces`` a submission reads Python, torch and the packages installed beside them, no other file, reaches no other
process and no network, and writes in its own folder alone; as another ``user`` it may read what all users may, and use
the network; with ``none`` it may do what its user may. Memory is limited for each process, not for all together.
Against a determined adversary run the grader in a container.
"""
