"""The check of a head for tensors: what it predicts turns with the crystal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from matsciml_core.interfaces.head import TensorHead
from matsciml_core.testing import transforms
from matsciml_core.testing.checks import SEED, Broken, Measured, NotApplicable, Worst, check
from matsciml_core.testing.head.subject import Bench, TaskHeadSubject, connected
from matsciml_core.testing.tolerances import SYMMETRY


@check("task-head", tolerance=SYMMETRY)
def tensors(subject: TaskHeadSubject) -> Measured:
    """Predictions and baselines turn with the crystal; symmetric matrices are symmetric.

    Measured: crystals are rotated, and rotated and reflected, by a random orthogonal matrix R; the
    largest relative difference between the predictions, and those of before turned by R: R v for
    a vector, R M Rᵀ for a matrix. Only for heads that predict tensors.

    Why: a dielectric tensor belongs to a crystal and not to the axes of its file. A constant tensor
    that does not turn, such as the mean of all components, is no fair baseline either.
    """
    if "tensor" not in subject.declared.target_kinds:
        raise NotApplicable("The head predicts no tensors.")
    if not issubclass(subject.component, TensorHead):
        raise Broken("A head for tensors must be a subclass of TensorHead.")
    worst = Worst()
    for bench in subject.benches():
        (info,) = bench.head.targets
        if not info.rank:
            continue
        for name, values in _values(bench):
            if info.symmetric:
                worst.add(
                    _difference(values.transpose(-1, -2), values), f"in the transpose, {name}"
                )
        for sign in (1, -1):
            matrix = sign * transforms.random_rotation(np.random.default_rng(SEED))
            crystals = [transforms.transform(one, matrix) for one in bench.batch.crystals()]
            batch = connected(crystals, tuple(bench.head.targets))
            turned = dict(_values(Bench(head=bench.head, batch=batch, embed=bench.embed)))
            for name, values in _values(bench):
                expected = transforms.turn(values.numpy(), matrix, info.rank)
                place = f"{name}, rank {info.rank}{', per atom' if info.per_atom else ''}"
                worst.add(_difference(turned[name], torch.from_numpy(expected)), place)
    return worst.found


def _values(bench: Bench) -> Iterator[tuple[str, Tensor]]:
    """Yield prediction and baselines of the one target, in its unit, with their names."""
    name = bench.head.targets[0].name
    yield "prediction", bench.physical()[name].double()
    for baseline, values in bench.head.baseline_predictions(bench.batch).items():
        yield f"baseline {baseline}", values[name].double()


def _difference(found: Tensor, expected: Tensor) -> float:
    scale = expected.abs().max().clamp_min(1e-30)
    return float((found - expected).abs().max() / scale)
