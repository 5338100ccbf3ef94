"""The figures of a lab, each with its title and the line that says where its numbers come from."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from mi204.language import Language, translated, word
from mi204.results import Results


class Album:
    """The figures of one lab's results in one language, by name."""

    def __init__(self, results: Results, language: Language) -> None:
        self.results = results
        self.language = language
        self.figures: dict[str, Figure] = {}

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
        title = word(f"title_{name.split('_', 1)[1]}", self.language)
        if subject:
            title += f" ({', '.join(translated(part, self.language) for part in subject)})"
        self.figures["_".join((name, *subject)).replace(" ", "_")] = plot(
            *arguments, title=title, footer=self._footer(n_seeds), language=self.language, **options
        )

    def _footer(self, n_seeds: int) -> str:
        first_seed = self.results.config["seed"]
        if n_seeds == 1:
            seeds = f"{word('seed', self.language)} {first_seed}"
        else:
            seeds = f"{word('seeds', self.language)} {first_seed}–{first_seed + n_seeds - 1}"
        environment = self.results.environment
        backend = f"{environment['backend']}, keras {environment['keras']}"
        return " · ".join((self.results.provenance(self.language), backend, seeds))
