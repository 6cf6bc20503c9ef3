"""Checks of an encoder: derivatives are right, finite, and reach every parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.testing.checks import (
    Broken,
    Doubtful,
    Measured,
    NotApplicable,
    Worst,
    check,
)
from matsciml_core.testing.crystals import bcc_iron, hcp_magnesium, triclinic
from matsciml_core.testing.encoder.subject import EncoderSubject, probe, run_encoder
from matsciml_core.testing.tolerances import GRADIENT

_STEPS = {torch.float64: (1e-4, 1e-5, 1e-6), torch.float32: (1e-2, 3e-3, 1e-3)}
"""Steps of the finite differences, Å or dimensionless strain; the best one counts, because a
long step is spoilt by curvature and kinks, a short one by rounding."""

Motion = Callable[[CrystalBatch, Tensor], CrystalBatch]
"""Moves a batch by an amount (a scalar) along a fixed direction."""


@check("encoder", tolerance=GRADIENT)
def position_gradient(subject: EncoderSubject) -> Measured:
    """The gradient with respect to positions is the derivative of what is computed.

    Measured: a random scalar of the embedding of a triclinic crystal is differentiated along
    random displacements of all atoms, by autograd and by central differences with the neighbour
    list held fixed; the largest difference relative to the gradient.

    Why: forces are this gradient. Distances that were detached, computed in advance or rounded
    give forces that look right and are not.
    """
    subject.need_gradient()
    batch = subject.batch([triclinic()])
    worst = Worst()
    for number in range(1 if subject.quick else 3):
        direction = torch.randn(batch.positions.shape).to(batch.positions)
        worst.add(_error(subject, batch, _displacement(direction)), f"direction {number + 1}")
    return worst.found


@check("encoder", tolerance=GRADIENT)
def strain_gradient(subject: EncoderSubject) -> Measured:
    """The gradient with respect to strain of atoms and lattice together is right.

    Measured: as for positions, with a random symmetric strain of atoms and lattice instead of a
    displacement, for a triclinic crystal and for the one-atom cell of iron.

    Why: stress is this gradient. Image shifts that do not follow the lattice give forces that
    are right and stresses that are wrong.
    """
    subject.need_gradient()
    worst = Worst()
    for crystal in (triclinic(), bcc_iron()):
        batch = subject.batch([crystal])
        strain = torch.randn(3, 3).to(batch.positions)
        worst.add(_error(subject, batch, _strain(strain + strain.T)), f"in {crystal.id}")
    return worst.found


@check("encoder")
def force_training(subject: EncoderSubject) -> None:
    """A loss on forces has finite gradients.

    Measured: the gradient with respect to positions is differentiated a second time, with
    respect to the parameters, for crystals of several sizes; everything is finite.

    Why: training on forces needs second derivatives. The length of a vector has none at zero,
    and some fused operations have none at all.
    """
    subject.need_gradient()
    encoder = subject.build(subject.dtype)
    batch = subject.batch([triclinic(), bcc_iron(), hcp_magnesium()])
    batch = replace(batch, positions=batch.positions.clone().requires_grad_())
    energy = probe(run_encoder(encoder, batch))
    (gradient,) = torch.autograd.grad(energy, batch.positions, create_graph=True)
    if not gradient.isfinite().all():
        raise Broken("The gradient with respect to positions is not finite.", measured="NaN")
    if not gradient.requires_grad:
        raise Broken("The gradient with respect to positions does not depend on any parameter.")
    torch.autograd.backward(gradient.square().sum())
    for name, parameter in encoder.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise Broken(f"The second derivative for '{name}' is not finite.", measured="NaN")


@check("encoder")
def every_parameter_trains(subject: EncoderSubject) -> str:
    """Every parameter that asks for a gradient gets one.

    Measured: after a forward and a backward pass in training mode through a random scalar of
    atom and crystal embeddings, the parameters without any gradient are counted. Reported as a
    warning, since a few unused numbers do no harm.

    Why: a layer that was built and never called is often a mistake; such layers also stop
    distributed training, and they falsify the number of parameters that a paper reports.
    """
    if not subject.capabilities.learns:
        count = sum(parameter.numel() for parameter in subject.build().parameters())
        if count:
            raise Broken(f"The spec declares learns=False, and there are {count} parameters.")
        raise NotApplicable("The spec declares learns=False.")
    encoder = subject.build(subject.dtype).train()
    subject.differentiate(run_encoder(encoder, subject.batch(subject.crystals)))
    trained = [(name, p) for name, p in encoder.named_parameters() if p.requires_grad]
    unused = [(name, p) for name, p in trained if p.grad is None or not p.grad.any()]
    total = sum(parameter.numel() for _, parameter in trained)
    if unused:
        idle = sum(parameter.numel() for _, parameter in unused)
        names = ", ".join(name for name, _ in unused[:3]) + (", …" if len(unused) > 3 else "")
        raise Doubtful(f"Unused parameters: {names}.", measured=f"{idle} of {total} unused")
    return f"{total} parameters"


def _error(subject: EncoderSubject, batch: CrystalBatch, move: Motion) -> float:
    """Return the error of the directional derivative, relative to the norm of the gradient."""
    encoder = subject.encoder
    exact = _autograd(encoder, batch, move)
    # Long steps err by the third derivative and short ones by rounding: the best of several counts.
    errors = [abs(_central(encoder, batch, move, step) - exact) for step in _STEPS[subject.dtype]]
    # Not by the derivative itself, which is near zero in directions that matter little.
    scale = max(_gradient_norm(encoder, batch), 1e-30)
    return min(errors) / scale if min(errors) else 0.0


def _autograd(encoder: Encoder, batch: CrystalBatch, move: Motion) -> float:
    amount = batch.positions.new_zeros(()).requires_grad_()
    value = probe(run_encoder(encoder, move(batch, amount)))
    (gradient,) = torch.autograd.grad(value, amount, allow_unused=True)
    if gradient is None:
        raise Broken("The embedding is cut off from the positions: no gradient reaches them.")
    return float(gradient)


def _central(encoder: Encoder, batch: CrystalBatch, move: Motion, step: float) -> float:
    with torch.no_grad():
        ahead, behind = (
            probe(run_encoder(encoder, move(batch, batch.positions.new_tensor(sign * step))))
            for sign in (1, -1)
        )
    return float((ahead - behind) / (2 * step))


def _gradient_norm(encoder: Encoder, batch: CrystalBatch) -> float:
    """Return the norm of the gradient with respect to positions and cell."""
    leaves = [batch.positions.clone().requires_grad_(), batch.cell.clone().requires_grad_()]
    moved = replace(batch, positions=leaves[0], cell=leaves[1])
    parts = torch.autograd.grad(probe(run_encoder(encoder, moved)), leaves, allow_unused=True)
    return float(sum(part.square().sum() for part in parts if part is not None) ** 0.5)


def _displacement(direction: Tensor) -> Motion:
    def move(batch: CrystalBatch, amount: Tensor) -> CrystalBatch:
        return replace(batch, positions=batch.positions + amount * direction)

    return move


def _strain(strain: Tensor) -> Motion:
    def move(batch: CrystalBatch, amount: Tensor) -> CrystalBatch:
        # Rows are deformed from the right, atoms with their cell: fractional coordinates stay.
        deformation = torch.eye(3).to(strain) + amount * strain
        return replace(
            batch, positions=batch.positions @ deformation, cell=batch.cell @ deformation
        )

    return move
