"""The figures of a lab, each with its title and the line that says where its numbers come from."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from mi204.language import Language, Vocabulary
from mi204.results import Measured


class Album:
    """The figures of what one lab measured, in one language, by name."""

    def __init__(self, measured: Measured, vocabulary: Vocabulary, language: Language) -> None:
        self.measured = measured
        self.vocabulary = vocabulary
        self.language = language
        self.figures: dict[str, Figure] = {}

    def word(self, key: str) -> str:
        """Give a term in the language of the figures."""
        return self.vocabulary.word(key, self.language)

    def names(self, settings: Sequence[str]) -> dict[str, str]:
        """Name settings in the language of the figures."""
        return {setting: self.vocabulary.translated(setting, self.language) for setting in settings}

    def draw(
        self,
        name: str,
        plot: Callable[..., Figure],
        *arguments: object,
        subject: Sequence[str] = (),
        n_seeds: int = 1,
        **options: object,
    ) -> None:
        """Add the figure ``name``, such as ``4.2_batch_size``, drawn by a function of this package.

        The word ``title_batch_size`` is its title; a ``subject`` tells figures of one title apart.
        """
        title = self.word(f"title_{name.split('_', 1)[1]}")
        if subject:
            title += f" ({', '.join(self.vocabulary.translated(part, self.language) for part in subject)})"
        self.figures["_".join((name, *subject)).replace(" ", "_")] = plot(
            *arguments, title=title, footer=self._footer(n_seeds), language=self.language, **options
        )

    def _footer(self, n_seeds: int) -> str:
        first_seed = self.measured.config.recipe.seed
        if n_seeds == 1:
            seeds = f"{self.word('seed')} {first_seed}"
        else:
            seeds = f"{self.word('seeds')} {first_seed}–{first_seed + n_seeds - 1}"
        environment = self.measured.environment
        backend = f"{environment['backend']}, keras {environment['keras']}"
        parts = [self.measured.provenance(self.language), backend, seeds]
        if self.measured.too_small:
            parts.append(self.word("too_small"))
        return " · ".join(parts)
