"""Crystals that take no generative model: real ones, and averages of the training set.

What a model generates is better than nothing where it is better than the averages, and as good as
it can be where it is as good as the real ones. Coverage and distances depend on how many crystals
there are, so that both are made of as many as are evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from matsciml_core.interfaces.crystal import Crystal

REAL, AVERAGES = "real_crystals", "without_model"
TITLES: Mapping[str, str] = {REAL: "real ones", AVERAGES: "without a model"}
"""Name of a baseline in the JSON → title of its column."""


def baselines(
    training: Sequence[Crystal], number: int, *, seed: int = 0
) -> dict[str, list[Crystal]]:
    """Return the crystals of each baseline, by the names of :data:`TITLES`.

    Args:
        training: The training set.
        number: Crystals of each; of real ones at most as many as there are.
        seed: Seed of what is drawn.
    """
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(training), min(number, len(training)), replace=False)
    return {
        REAL: [training[index] for index in chosen.tolist()],
        AVERAGES: without_model(training, number, generator),
    }


def without_model(
    training: Sequence[Crystal], number: int, generator: np.random.Generator
) -> list[Crystal]:
    """Return crystals that are made of averages of the training set.

    Args:
        training: The training set.
        number: Number of crystals.
        generator: Source of random numbers.

    Returns:
        Cubes of the mean volume per atom, in Å³, with atoms anywhere; numbers of atoms and species
        are drawn by their shares.
    """
    volume = np.mean([crystal.volume / crystal.num_atoms for crystal in training])
    species = np.concatenate([crystal.atomic_numbers for crystal in training])
    sizes = [crystal.num_atoms for crystal in training]
    sampled = []
    for index, atoms in enumerate(generator.choice(sizes, number).tolist()):
        sampled.append(
            Crystal.from_fractional(
                id=f"average-{index:06d}",
                atomic_numbers=generator.choice(species, atoms),
                fractional=generator.random((atoms, 3)),
                cell=np.eye(3) * np.cbrt(atoms * volume),
            )
        )
    return sampled
