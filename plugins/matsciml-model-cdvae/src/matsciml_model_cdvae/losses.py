"""The six terms of the loss, one number per crystal and term."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from matsciml_core.nn.segments import Segments, segment_mean

TERMS = ("atoms", "lattice", "coordinates", "species", "composition", "divergence")
"""Names of the terms, in the order of their columns."""


def coordinates_loss(
    scores: Tensor, displacement: Tensor, sigma: Tensor, atoms: Segments
) -> Tensor:
    """Return the mean over atoms of |Δx/σ − o|²/2.

    Args:
        scores: o, the decoder's, ``(atoms, 3)``, dimensionless.
        displacement: Δx, from the noisy to the true position, ``(atoms, 3)``, Å.
        sigma: σ of each atom, ``(atoms,)``, Å.
        atoms: The atoms of each crystal.

    Returns:
        ``(crystals,)``.

    References:
        Xie et al., ICLR 2022, Eq. (5); Song, Ermon, NeurIPS 2019, Eq. (5).
    """
    residual = displacement / sigma.unsqueeze(1) - scores
    return mean_over_atoms(0.5 * residual.square().sum(1), atoms)


def species_loss(logits: Tensor, species: Tensor, sigma: Tensor, atoms: Segments) -> Tensor:
    """Return the mean over atoms of the cross entropy of the species over σ.

    Args:
        logits: ``(atoms, 100)``, dimensionless.
        species: The true ones, ``(atoms,)`` int64, dimensionless.
        sigma: Noise of the species of each atom, ``(atoms,)``, dimensionless.
        atoms: The atoms of each crystal.

    Returns:
        ``(crystals,)``.
    """
    # Over σ, as in the original program: the less noise, the more a wrong species weighs.
    return mean_over_atoms(
        functional.cross_entropy(logits, species, reduction="none") / sigma, atoms
    )


def composition_loss(logits: Tensor, species: Tensor, atoms: Segments) -> Tensor:
    """Return the mean over atoms of the cross entropy of the predicted composition.

    Args:
        logits: ``(crystals, 100)``, dimensionless.
        species: The true ones, ``(atoms,)`` int64, dimensionless.
        atoms: The atoms of each crystal.

    Returns:
        ``(crystals,)``.
    """
    each = logits.log_softmax(1).index_select(0, atoms.index)
    return mean_over_atoms(-each.gather(1, species.unsqueeze(1)).squeeze(1), atoms)


def atoms_loss(logits: Tensor, atoms_per_crystal: Tensor) -> Tensor:
    """Return the cross entropy of the number of atoms, ``(crystals,)``.

    Args:
        logits: ``(crystals, max_atoms + 1)``, dimensionless.
        atoms_per_crystal: The true numbers, ``(crystals,)`` int64, dimensionless.
    """
    return functional.cross_entropy(logits, atoms_per_crystal, reduction="none")


def lattice_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Return the mean squared error of the six normalised lattice parameters, ``(crystals,)``.

    Args:
        predicted: ``(crystals, 6)``, dimensionless.
        true: ``(crystals, 6)``, dimensionless.
    """
    return (predicted - true).square().mean(1)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence from a standard normal distribution, ``(crystals,)``.

    Args:
        mean: Of the latent distribution, ``(crystals, latent_width)``, dimensionless.
        log_variance: Logarithm of its variance, ``(crystals, latent_width)``, dimensionless.

    References:
        Kingma, Welling, ICLR 2014, Appendix B.
    """
    return -0.5 * (1.0 + log_variance - mean.square() - log_variance.exp()).sum(1)


def mean_over_atoms(values: Tensor, atoms: Segments) -> Tensor:
    """Return the mean of values in each crystal, ``(crystals,)``.

    Args:
        values: ``(atoms,)``, in any unit.
        atoms: The atoms of each crystal.
    """
    return segment_mean(values.unsqueeze(1), atoms).squeeze(1)
