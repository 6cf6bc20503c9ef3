"""Checks of an encoder: different descriptions of the same crystal have the same embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matsciml_core.data.neighbours.edges import EdgeSource, attach
from matsciml_core.data.neighbours.neighbour_list import with_edges
from matsciml_core.data.symmetry.orbits import attach_asymmetric_unit
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Embedding
from matsciml_core.testing import transforms
from matsciml_core.testing.checks import Measured, NotApplicable, Worst, check
from matsciml_core.testing.crystals import (
    bcc_iron,
    hcp_magnesium,
    rutile,
    sodium_chloride,
    triclinic,
)
from matsciml_core.testing.encoder.subject import EncoderSubject, change, difference
from matsciml_core.testing.tolerances import SYMMETRY

_BASES = (
    np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]),
    np.array([[1, 0, 0], [2, 1, -1], [1, 1, 0]]),
)
"""Unimodular matrices: other vectors for the same lattice, also very skewed ones."""
_SUPERCELLS = (
    np.diag([2, 1, 1]),
    np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]]),
    np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
)


@check("encoder", tolerance=SYMMETRY)
def translation(subject: EncoderSubject) -> Measured:
    """The embedding does not change when all atoms move by the same vector.

    Measured: the largest relative change of the embedding after moving every atom of each sample
    crystal by a random vector of a few Å, without wrapping; neighbours are searched again.

    Why: the origin of a unit cell is a convention. Networks that read absolute positions learn
    the convention of their training set and fail on any other.
    """
    vector = 3.0 * subject.random.normal(size=3)
    found = _compare(subject, lambda crystal: transforms.translate(crystal, vector))
    return _if_promised(subject, found, "moved crystals")


@check("encoder", tolerance=SYMMETRY)
def rotation(subject: EncoderSubject) -> Measured:
    """The embedding does not change when the crystal is rotated.

    Measured: the largest relative change of the embedding after a random rotation of atoms and
    lattice together, for each sample crystal; neighbours are searched again.

    Why: no energy depends on the orientation of the laboratory, and no training set is large
    enough to teach that to a network that lacks it.
    """
    matrix = transforms.random_rotation(subject.random)
    found = _compare(subject, lambda crystal: transforms.transform(crystal, matrix))
    return _if_promised(subject, found, "rotated crystals")


@check("encoder", tolerance=SYMMETRY)
def reflection(subject: EncoderSubject) -> Measured:
    """The embedding of a crystal and of its mirror image are the same.

    Measured: the largest relative change of the embedding after a rotation followed by a
    reflection, for each sample crystal. For encoders that declare the symmetry SE(3) it is told,
    and nothing is asked of it.

    Why: energy, band gap and stability of a crystal and its mirror image are equal. An encoder
    that tells them apart should declare SE(3).
    """
    matrix = -transforms.random_rotation(subject.random)
    found = _compare(subject, lambda crystal: transforms.transform(crystal, matrix))
    return _if_promised(subject, found, "mirror images", ("E(3)",))


@check("encoder", tolerance=SYMMETRY)
def tensors(subject: EncoderSubject) -> Measured:
    """Vectors and matrices of the embedding turn with the crystal, and matrices have no trace.

    Measured: the largest relative difference between the vectors and matrices of a crystal after
    an orthogonal matrix R was applied, and R v and R M Rᵀ of those before, for a random rotation
    and a rotation followed by a reflection; and the largest trace or antisymmetric part. Only for
    encoders that declare ``tensors=True``.

    Why: a dielectric tensor is predicted as a sum of these matrices; one that does not turn with
    its crystal is wrong in every orientation but one.
    """
    if not subject.capabilities.tensors:
        raise NotApplicable("The spec declares tensors=False.")
    encoder = subject.encoder
    if not encoder.vector_width and not encoder.matrix_width:
        raise NotApplicable("These settings make neither vectors nor matrices.")
    worst = Worst()
    # Together, because on sites of high symmetry vectors vanish, and only rounding is left there.
    samples = [triclinic(), sodium_chloride(), hcp_magnesium()]
    before = subject.embed_tensors(samples)
    matrices = before.matrices
    trace = matrices.diagonal(dim1=2, dim2=3).sum(-1)[..., None, None]
    worst.add(difference(matrices + trace, matrices), "in the trace")
    worst.add(difference(matrices.transpose(2, 3), matrices), "in the transpose")
    for sign, name in ((1, "rotated"), (-1, "reflected")):
        matrix = sign * transforms.random_rotation(subject.random)
        turned = [transforms.transform(crystal, matrix) for crystal in samples]
        after, turn = subject.embed_tensors(turned), torch.from_numpy(matrix).to(before.vectors)
        worst.add(difference(after.vectors, before.vectors @ turn.T), f"in vectors, {name}")
        worst.add(difference(after.matrices, turn @ matrices @ turn.T), f"in matrices, {name}")
    return worst.found


@check("encoder", tolerance=SYMMETRY)
def permutation(subject: EncoderSubject) -> Measured:
    """The order in which atoms are listed does not matter.

    Measured: the largest relative change after listing the atoms in another order: the crystal
    embedding must be the same, the atom embeddings must follow their atoms.

    Why: files list atoms by element, by Wyckoff position or at random; a network that notices
    gives one crystal several energies.
    """
    worst = Worst()
    for crystal in (triclinic(), sodium_chloride()):
        order = np.roll(np.arange(crystal.num_atoms)[::-1], 2)
        after = subject.embed([transforms.permute(crystal, order)])
        before = subject.embed([crystal])
        expected = Embedding(atoms=before.atoms[_index(order)], crystals=before.crystals)
        worst.add(change(after, expected), f"in {crystal.id}")
    return worst.found


@check("encoder", tolerance=SYMMETRY)
def periodic_image(subject: EncoderSubject) -> Measured:
    """It does not matter which periodic image of an atom is stored.

    Measured: the largest relative change of the embedding after moving each atom by a lattice
    vector of its own, drawn at random from −2 to 2 per direction; neighbours are searched again.

    Why: some files wrap atoms into the cell and some do not. A network that takes distances
    inside the cell, without the shift that every edge carries, sees different crystals.
    """
    random = subject.random

    def move(crystal: Crystal) -> Crystal:
        shifts = random.integers(-2, 3, size=(crystal.num_atoms, 3))
        return transforms.move_to_images(crystal, shifts)

    return _if_promised(subject, _compare(subject, move), "crystals of other images")


@check("encoder", tolerance=SYMMETRY)
def lattice_basis(subject: EncoderSubject) -> Measured:
    """The choice of lattice vectors does not matter.

    Measured: the largest relative change of the embedding after describing each sample crystal
    by other, more skewed vectors of the same lattice, with the atoms wrapped into the new cell.

    Why: one lattice has infinitely many bases, and programs reduce cells in different ways.
    """
    worst = Worst()
    for matrix in _BASES:
        found = _compare(subject, partial(transforms.change_basis, matrix=matrix))
        worst.add(found.value, found.where)
    return _if_promised(subject, worst.found, "crystals in other lattice vectors")


@check("encoder", tolerance=SYMMETRY)
def supercell(subject: EncoderSubject) -> Measured:
    """A supercell has the embedding of its unit cell, and each of its atoms that of its original.

    Measured: the largest relative change between a crystal and supercells of two atoms for one,
    straight and oblique ones. Only for encoders that declare ``supercell=True``.

    Why: a supercell is the same crystal. With a sum as read-out, or with edges that stop at the
    cell, the prediction of an intensive property depends on how often the cell is repeated.
    """
    if not subject.capabilities.supercell:
        raise NotApplicable("The spec declares supercell=False.")
    worst = Worst()
    for crystal in (bcc_iron(), triclinic()):
        before = subject.embed([crystal])
        for matrix in _SUPERCELLS:
            repeated, origin = transforms.supercell(crystal, matrix)
            expected = Embedding(atoms=before.atoms[_index(origin)], crystals=before.crystals)
            place = f"in {crystal.id} repeated {len(origin) // crystal.num_atoms} times"
            worst.add(change(subject.embed([repeated]), expected), place)
    return worst.found


@check("encoder", tolerance=SYMMETRY)
def asymmetric_unit(subject: EncoderSubject) -> Measured:
    """The embedding is the same whether it is given all edges or those into distinct atoms only.

    Measured: the largest relative difference between the embeddings of rutile, magnesium and a
    crystal without symmetry, and of the same crystals with their asymmetric unit and, if the
    neighbourhood says so in ``uses``, one edge for all that are the same. Only for encoders that
    declare ``asymmetric_unit=True``.

    Why: an atom that symmetry maps onto another has its features, so computing both is a waste;
    but every sum, mean and softmax then has to count the one as often as it occurs.
    """
    if not subject.capabilities.asymmetric_unit:
        raise NotApplicable("The spec declares asymmetric_unit=False.")
    if subject.encoder.needs_whole_crystals:
        raise NotApplicable("These settings need whole crystals.")
    subject.need_neighbours()
    samples = [hcp_magnesium(), triclinic(), rutile()]
    reduced = attach_asymmetric_unit(CrystalBatch.from_crystals(samples))
    edges = EdgeSource(subject.neighbours).find(reduced, range(len(samples)))  # type: ignore[arg-type]
    reduced = attach(reduced, edges).to(dtype=subject.dtype)
    return Measured(change(subject.embed_batch(reduced), subject.embed(samples)))


@check("encoder", tolerance=SYMMETRY)
def batch_equals_singles(subject: EncoderSubject) -> Measured:
    """The embedding of a crystal does not depend on the other crystals of its batch.

    Measured: the largest relative difference between crystals of one, two and five atoms
    embedded together, in two orders, and each of them embedded alone.

    Why: padding that is not masked, a softmax over all edges of a batch or a squeezed batch axis
    makes a prediction depend on its neighbours in the queue; it cannot be reproduced.
    """
    samples = [hcp_magnesium(), triclinic(), bcc_iron(), sodium_chloride()]
    worst = Worst()
    for together in (samples, samples[::-1]):
        embedding = subject.embed(together)
        sizes = [crystal.num_atoms for crystal in together]
        parts = zip(together, torch.split(embedding.atoms, sizes), embedding.crystals, strict=True)
        for crystal, atoms, row in parts:
            alone = subject.embed([crystal])
            found = Embedding(atoms=atoms, crystals=row[None])
            worst.add(change(found, alone), f"in {crystal.id}")
    return worst.found


@check("encoder", tolerance=SYMMETRY)
def edge_order(subject: EncoderSubject) -> Measured:
    """The order of the edges that enter an atom does not matter.

    Measured: the largest relative change after shuffling the edges of each atom among
    themselves; they stay sorted by receiver, as the batch promises.

    Why: neighbour searches list pairs in any order, and the order changes when atoms move.
    """
    subject.need_neighbours()
    batch = subject.batch([triclinic(), hcp_magnesium()])
    receiver = batch.edge_index[1].numpy()  # type: ignore[index]
    order = np.lexsort((subject.random.permutation(len(receiver)), receiver))
    shuffled = with_edges(
        batch,
        batch.edge_index[:, _index(order)].numpy(),  # type: ignore[index]
        batch.cell_shift[_index(order)].numpy(),  # type: ignore[index]
    )
    return Measured(change(subject.embed_batch(shuffled), subject.embed_batch(batch)))


def _if_promised(
    subject: EncoderSubject,
    found: Measured,
    what: str,
    symmetries: Sequence[str] = ("E(3)", "SE(3)"),
) -> Measured:
    """Return what was measured; where the spec promises no such symmetry, tell it only."""
    declared = subject.capabilities.symmetry
    if declared not in symmetries:
        raise NotApplicable(
            f"The spec declares the symmetry {declared}; {what} differ by up to "
            f"{found.value:.1e}, {found.where}."
        )
    return found


def _compare(subject: EncoderSubject, move: Callable[[Crystal], Crystal]) -> Measured:
    """Return the largest change of the embedding when crystals are described anew."""
    worst = Worst()
    for crystal in subject.crystals:
        found = change(subject.embed([move(crystal)]), subject.embed([crystal]))
        worst.add(found, f"in {crystal.id}")
    return worst.found


def _index(order: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.asarray(order, dtype=np.int64))
