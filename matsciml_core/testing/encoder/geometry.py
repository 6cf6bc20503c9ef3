"""Checks of an encoder: unusual crystals work, and different crystals look different."""

from __future__ import annotations

import numpy as np
import torch

from matsciml_core.data.neighbours.neighbour_list import find_edges
from matsciml_core.errors import MatSciMLError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Embedding, Neighbourhood
from matsciml_core.testing import crystals, transforms
from matsciml_core.testing.checks import (
    Broken,
    Doubtful,
    Measured,
    NotApplicable,
    Worst,
    check,
)
from matsciml_core.testing.crystals import bcc_iron, simple_cubic, triclinic
from matsciml_core.testing.encoder.subject import (
    EncoderSubject,
    change,
    is_finite,
    run_encoder,
)
from matsciml_core.testing.tolerances import CONTINUITY, SENSITIVITY

MOST_ELEMENTS = 118
_STRETCH = 1.007
"""3.00 Å → 3.02 Å: less than the distance between two shells of neighbours."""


@check("encoder")
def one_atom_cell(subject: EncoderSubject) -> str:
    """A cell with one atom, whose only neighbours are its own images, works.

    Measured: the embedding of body-centred iron in its primitive cell exists and is finite, alone
    in its batch.

    Why: every element and a tenth of the metals in the databases are one-atom cells; statistics
    over one value (a standard deviation) and squeezed axes fail exactly there.
    """
    batch = subject.batch([bcc_iron()])
    _need_finite(subject.embed_batch(batch), "a one-atom cell")
    return f"{batch.num_edges} edges"


@check("encoder")
def isolated_atom(subject: EncoderSubject) -> None:
    """An atom without neighbours works, alone and beside other crystals.

    Measured: the embedding of an atom in a box larger than twice the cutoff is finite, and so are
    the gradients of positions and parameters, in a batch of its own and in one with others.

    Why: means and softmaxes over an empty set, and square roots of an empty sum, give NaN, and
    one such crystal among thousands turns all parameters into NaN.
    """
    alone = crystals.isolated_atom(subject.reach)
    for samples in ([alone], [triclinic(), alone, bcc_iron()]):
        _need_finite_training(subject, samples, "an atom without neighbours")


@check("encoder")
def no_edges(subject: EncoderSubject) -> None:
    """A batch without a single edge works.

    Measured: embedding and gradients are finite for a batch of an isolated atom and a pair of
    atoms out of each other's reach.

    Why: reductions over the edges of a batch meet empty tensors; some of them raise.
    """
    samples = [crystals.distant_pair(subject.reach), crystals.isolated_atom(subject.reach)]
    _need_finite_training(subject, samples, "a batch without edges")


@check("encoder")
def all_elements(subject: EncoderSubject) -> str:
    """Every element from hydrogen to oganesson is accepted, and each looks different.

    Measured: the embeddings of 118 one-atom crystals with the same lattice are finite and
    distinct. An encoder may refuse elements with a clear error of the toolkit (a published
    network knows those of its training set); that is reported as a warning, and so are elements
    that share an embedding.

    Why: tables that are one row short raise an IndexError, or silently give heavy elements the
    embedding of another.
    """
    rows, refused = _embed_elements(subject)
    decimals = 9 if subject.dtype == torch.float64 else 5
    rounded = (rows / rows.abs().max()).round(decimals=decimals)
    distinct = len(torch.unique(rounded, dim=0))
    measured = f"{distinct} of {MOST_ELEMENTS}"
    if refused:
        listed = ", ".join(map(str, refused[:5])) + (", …" if len(refused) > 5 else "")
        raise Doubtful(f"{len(refused)} elements are refused: Z = {listed}.", measured=measured)
    if distinct < len(rows):
        raise Doubtful(f"Only {distinct} elements look different.", measured=measured)
    return measured


@check("encoder", tolerance=SENSITIVITY)
def lattice_constant(subject: EncoderSubject) -> Measured:
    """A one-atom cell notices its lattice constant.

    Measured: the relative change of the crystal embedding when a cubic one-atom cell grows by
    0.7 %, for example from 3.00 to 3.02 Å, with the same number of neighbours.

    Why: networks that take distances inside the cell see zero for every image of an atom, and
    predict one value for every volume of an elemental crystal.
    """
    spacing = _quiet_spacing(subject)
    smaller = subject.embed([simple_cubic(spacing)])
    larger = subject.embed([simple_cubic(_STRETCH * spacing)])
    return Measured(change(_crystals_only(larger), _crystals_only(smaller)), f"at {spacing:z.2f} Å")


@check("encoder", tolerance=SENSITIVITY)
def sees_geometry(subject: EncoderSubject) -> Measured:
    """The embedding depends on where the atoms are.

    Measured: the relative change of the crystal embedding when the atoms of a triclinic crystal
    move by some 0.05 Å each in different directions.

    Why: an embedding that does not depend on its input passes every test of invariance.
    """
    crystal = triclinic()
    moved = transforms.displace(crystal, 0.05 * subject.random.normal(size=(crystal.num_atoms, 3)))
    before, after = subject.embed([crystal]), subject.embed([moved])
    return Measured(change(_crystals_only(after), _crystals_only(before)))


@check("encoder", tolerance=SENSITIVITY)
def sees_species(subject: EncoderSubject) -> Measured:
    """The embedding depends on which atom sits where.

    Measured: the relative change of the crystal embedding when one oxygen of a triclinic crystal
    becomes sulphur, and when two different atoms swap places; the smaller of the two.

    Why: an embedding that does not depend on its input passes every test of invariance.
    """
    crystal = triclinic()
    before = subject.embed([crystal])
    found = [
        change(_crystals_only(subject.embed([other])), _crystals_only(before))
        for other in (
            transforms.substitute(crystal, [19, 41, 8, 16, 9]),
            transforms.substitute(crystal, [41, 19, 8, 8, 9]),
        )
    ]
    return Measured(min(found), "when atoms swap places" if found[1] < found[0] else "")


@check("encoder", tolerance=SENSITIVITY)
def uses_edges(subject: EncoderSubject) -> Measured:
    """The embedding is made from the edges that the batch carries.

    Measured: the relative change of the embedding when all edges are taken away.

    Why: the toolkit gives an encoder exactly the neighbourhood it declares. One that makes edges
    of its own, or ignores them, does not do what its declaration and its results file say.
    """
    subject.need_neighbours()
    batch = subject.batch([triclinic()])
    empty = subject.batch([triclinic()])
    empty.edge_index = empty.edge_index[:, :0]  # type: ignore[index]
    empty.cell_shift = empty.cell_shift[:0]  # type: ignore[index]
    empty.edges_per_atom = torch.zeros_like(empty.edges_per_atom)  # type: ignore[arg-type]
    return Measured(change(subject.embed_batch(batch), subject.embed_batch(empty)))


@check("encoder", tolerance=CONTINUITY)
def smooth_cutoff(subject: EncoderSubject) -> Measured:
    """The embedding is continuous as pairs of atoms cross the cutoff.

    Measured: the relative jump of the embedding when a crystal grows so little that one distance
    passes the cutoff, neighbours being searched again; for a triclinic crystal, where one pair
    crosses, and for iron, where a shell does. Only for encoders that declare ``smooth_cutoff``.

    Why: an energy that jumps has no force there; relaxations and molecular dynamics that use it
    do not conserve energy. An envelope that goes to zero at the cutoff mends it.
    """
    if not subject.capabilities.smooth_cutoff:
        raise NotApplicable("The spec declares smooth_cutoff=False.")
    subject.need_neighbours()
    step = 1e-7 if subject.dtype == torch.float64 else 1e-4
    worst = Worst()
    for crystal in (triclinic(), bcc_iron()):
        distance = _first_distance_beyond(crystal, subject.reach)
        inside, outside = (
            transforms.scale(crystal, (subject.reach + sign * step) / distance) for sign in (-1, 1)
        )
        jump = change(subject.embed([outside]), subject.embed([inside]))
        worst.add(jump, f"at {subject.reach:g} Å in {crystal.id}")
    return worst.found


def _crystals_only(embedding: Embedding) -> Embedding:
    return Embedding(atoms=embedding.crystals, crystals=embedding.crystals)


def _need_finite(embedding: Embedding, what: str) -> None:
    if not is_finite(embedding):
        raise Broken(f"The embedding of {what} is not finite.", measured="NaN")


def _need_finite_training(subject: EncoderSubject, samples: list[Crystal], what: str) -> None:
    """Insist on finite embeddings and, after a backward pass, finite gradients."""
    encoder, batch = subject.build(subject.dtype), subject.batch(samples)
    if subject.capabilities.differentiable:
        batch.positions.requires_grad_()
    embedding = run_encoder(encoder, batch)
    _need_finite(embedding, what)
    subject.differentiate(embedding)
    for name, leaf in (("positions", batch.positions), *encoder.named_parameters()):
        if leaf.grad is not None and not leaf.grad.isfinite().all():
            raise Broken(f"The gradient of '{name}' is not finite for {what}.", measured="NaN")


def _embed_elements(subject: EncoderSubject) -> tuple[torch.Tensor, list[int]]:
    """Return the embeddings of one-atom crystals of all elements, and those refused."""
    spacing = min(3.0, 0.9 * subject.reach)
    samples = [crystals.simple_cubic(spacing, number) for number in range(1, MOST_ELEMENTS + 1)]
    # In one batch, which is much faster; one by one only to find out which elements fail.
    try:
        together = subject.embed(samples)
    except Exception:
        return _embed_one_by_one(subject, samples)
    _need_finite(together, "some element")
    return torch.cat((together.crystals, together.atoms), dim=1), []


def _embed_one_by_one(
    subject: EncoderSubject, samples: list[Crystal]
) -> tuple[torch.Tensor, list[int]]:
    rows, refused = [], []
    for number, sample in enumerate(samples, start=1):
        try:
            embedding = subject.embed([sample])
        except MatSciMLError:
            refused.append(number)
            continue
        except Exception as error:
            raise Broken(f"Z = {number} raises {type(error).__name__}: {error}") from error
        _need_finite(embedding, f"Z = {number}")
        rows.append(torch.cat((embedding.crystals, embedding.atoms), dim=1))
    if not rows:
        raise Broken("Every element is refused.", measured=f"0 of {MOST_ELEMENTS}")
    return torch.cat(rows), refused


def _quiet_spacing(subject: EncoderSubject) -> float:
    """Return a lattice constant whose number of neighbours stays when it grows by 0.7 %."""
    # An edge that appears or disappears is a jump, which is another check's to find.
    start = min(3.0, 0.9 * subject.reach)
    spacings = [start * (1 - 0.01 * step) for step in range(30)]
    for spacing in spacings:
        pair = simple_cubic(spacing), simple_cubic(_STRETCH * spacing)
        if len({subject.batch([crystal]).num_edges for crystal in pair}) == 1:
            return spacing
    return start


def _first_distance_beyond(crystal: Crystal, reach: float) -> float:
    """Return the shortest interatomic distance longer than ``reach``, both in Å."""
    edges, shifts = find_edges(
        crystal.positions,
        crystal.cell[None],
        crystal.pbc[None],
        np.array([crystal.num_atoms]),
        Neighbourhood(cutoff=1.2 * reach + 3.0),
    )
    sender, receiver = edges
    vectors = crystal.positions[receiver] - crystal.positions[sender] - shifts @ crystal.cell
    lengths = np.linalg.norm(vectors, axis=1)
    return float(lengths[lengths > 1.001 * reach].min())
