"""Explain what a network sees: maps, attributions and pictures, on every backend, without touching the network."""

# isort: off
# They enter their methods, in the order in which they are taught.
from mi204.explain import cam, score_cam, layer_cam, activation_cam, fullgrad, derived_cam  # noqa: F401
from mi204.explain import attribution, perturbation  # noqa: F401

# isort: on
from mi204.explain.engine import Explainer, Run, explain
from mi204.explain.explanation import DIAGNOSTICS, Explanation
from mi204.explain.methods import METHODS, Method
from mi204.explain.passes import BUDGET, Target

__all__ = ["BUDGET", "DIAGNOSTICS", "METHODS", "Explainer", "Explanation", "Method", "Run", "Target", "explain"]
