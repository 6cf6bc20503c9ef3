"""Crystals of a prescribed composition or space group: latent vectors that suit it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.elements import SYMBOLS, atomic_number, symbol
from matsciml_core.interfaces.generation import Composition, GenerativeHead

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel

_TOKEN = re.compile(r"([A-Z][a-z]?|\(|\))(\d{0,4})")
_CANDIDATES = 256
"""Latent vectors that are sampled for each that is chosen."""


def parse_formula(text: str) -> dict[int, int]:
    """Return the atoms of a formula, by atomic number.

    Args:
        text: Symbols of elements with whole numbers, and parentheses.

    Raises:
        ConfigError: The text is not a formula.

    >>> parse_formula("Ca(OH)2")
    {20: 1, 8: 2, 1: 2}
    """
    tokens = list(_TOKEN.finditer(text))
    groups: list[Counter[int]] = [Counter()]
    sound = bool(text) and "".join(token.group() for token in tokens) == text
    for token in tokens if sound else ():
        name, factor = token[1], int(token[2] or 1)
        if name == "(":
            groups.append(Counter())
            sound &= not token[2]
        elif name == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].update({number: factor * count for number, count in inner.items()})
        elif name in SYMBOLS:
            groups[-1][atomic_number(name) or 0] += factor
        else:
            sound = False
        sound &= factor > 0
    if not sound or len(groups) > 1 or not groups[0]:
        raise ConfigError(
            f"'--composition {text}' is not a formula of elements and whole numbers, for example "
            "--composition NaCl or --composition 'Ca(OH)2'."
        )
    return dict(groups[0])


class Prescription:
    """Samples latent vectors for a composition, a space group, or both.

    The latent vectors, and the numbers of formula units in the cell, are those that the prior would
    give if only crystals as prescribed were kept: of many candidates z, each with every number of
    units k, some are chosen with probabilities in proportion to p(k units | z) p(cell of the space
    group | z), by the head's own predictions. So the cell that is predicted from z suits both.

    Args:
        model: A model with a generative head.
        head: That head.
        formula: Atoms of a unit, by atomic number; None: the composition is sampled.
        space_group: Its number; None: any.

    Raises:
        ConfigError: The model has not seen an element, has no room for one unit, or cannot sample
            within space groups; or the atoms do not fit the space group.
    """

    def __init__(
        self,
        model: TrainedModel,
        head: GenerativeHead,
        formula: Mapping[int, int] | None,
        space_group: int | None,
    ) -> None:
        """Check what is prescribed against what the model knows."""
        if space_group is not None and not head.space_groups:
            raise ConfigError(
                f"The model in '{model.folder}' cannot sample within a space group; leave out "
                "--space-group, or name a run of the head crystal-generation."
            )
        self.head, self.space_group = head, space_group
        self.cells = [] if formula is None else _cells(model, head, formula)
        if space_group is None:
            return
        if formula is not None:
            sizes = [list(Counter(cell).values()) for cell in self.cells]
            fits = [head.fits_space_group(counts, space_group) for counts in sizes]
            self.cells = [cell for cell, fit in zip(self.cells, fits, strict=True) if fit]
        elif head.max_atoms is not None:
            fits = [head.fits_space_group((n + 1,), space_group) for n in range(head.max_atoms)]
        else:
            fits = [True]
        if not any(fits):
            atoms = "the formula" if formula is not None else "any number of atoms"
            raise ConfigError(
                f"No cell of {atoms} with at most {head.max_atoms} atoms fills the positions of "
                f"space group {space_group}; choose another one, or train a model with a larger "
                "max_atoms."
            )

    def sample(self, number: int, generator: torch.Generator) -> tuple[Tensor, Composition | None]:
        """Sample latent vectors, and the atoms of the crystal that each is decoded to.

        Args:
            number: Number of latent vectors.
            generator: Source of random numbers, on the CPU.

        Returns:
            ``(number, latent_width)``, dimensionless; and all atoms of each cell, None where no
            composition is prescribed.

        References:
            Sampling without replacement by adding Gumbel noise to the logarithms of weights:
            Kool, van Hoof, Welling, ICML 2019, arXiv:1903.06059, section 2.3.
        """
        latents = self.head.sample_latents(number * _CANDIDATES, generator=generator)
        weights = self._weights(latents).double().cpu()  # (candidates, cells)
        uniform = torch.rand(weights.shape, generator=generator, dtype=torch.float64)
        gumbel = -(-uniform.clamp(min=1e-300).log()).log()
        # A model that predicts nonsense has NaN here; its candidates are as good as any.
        keys = weights.nan_to_num(nan=-math.inf).clamp(min=-1e300) + gumbel
        best, choices = keys.max(dim=1)
        chosen = best.topk(number).indices
        composition = None
        if self.cells:
            cells = [self.cells[int(choice)] for choice in choices[chosen]]
            composition = Composition(
                atoms_per_crystal=torch.tensor([len(cell) for cell in cells]),
                atomic_numbers=torch.tensor([atom for cell in cells for atom in cell]),
            )
        return latents[chosen.to(latents.device)], composition

    def _weights(self, latents: Tensor) -> Tensor:
        """Return log p(prescribed | z) up to a constant for each cell, ``(candidates, cells)``."""
        number = len(latents)
        weights = [
            self.head.log_probability(
                latents,
                Composition(
                    atoms_per_crystal=torch.full((number,), len(cell)),
                    atomic_numbers=torch.tensor(cell).repeat(number),
                ),
            )
            for cell in self.cells
        ] or [latents.new_zeros(number)]
        if self.space_group is not None:
            # The strain of a cell does not depend on its size, hence not on the number of units.
            symmetry = self.head.log_symmetry(latents, self.space_group)
            weights = [weight + symmetry for weight in weights]
        return torch.stack(weights, dim=1)


def _cells(
    model: TrainedModel, head: GenerativeHead, formula: Mapping[int, int]
) -> list[list[int]]:
    """Return the atomic numbers of cells of one, two and more units."""
    elements = [symbol(number) for number in sorted(formula)]
    known = elements if model.elements is None else model.elements  # None: not recorded
    unseen = [name for name in elements if name not in known]
    if unseen:
        raise ConfigError(
            f"The model in '{model.folder}' was trained without {', '.join(unseen)} and cannot "
            f"generate it; its elements are {', '.join(known)}."
        )
    unit = [number for number in sorted(formula) for _ in range(formula[number])]
    # A head without a limit has no opinion on large cells either: one unit.
    largest = head.max_atoms or len(unit)
    if len(unit) > largest:
        raise ConfigError(
            f"The formula has {len(unit)} atoms, and the model in '{model.folder}' generates "
            f"crystals of at most {largest}; give a smaller formula, or train a model with a "
            "larger max_atoms."
        )
    return [unit * units for units in range(1, largest // len(unit) + 1)]
