"""Explain what a network sees: maps, attributions and pictures, on every backend, without touching the network."""

from mi204.explain import attribution, cam, perturbation  # noqa: F401  (enter their methods)
from mi204.explain.engine import BUDGET, DIAGNOSTICS, Explainer, Explanation, Run, Target, explain
from mi204.explain.methods import METHODS, Method

__all__ = ["BUDGET", "DIAGNOSTICS", "METHODS", "Explainer", "Explanation", "Method", "Run", "Target", "explain"]
