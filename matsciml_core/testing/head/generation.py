"""The check of a head that generates crystals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from matsciml_core.interfaces.generation import (
    GeneratedCrystal,
    GenerativeHead,
    Progress,
    SamplingConfig,
    SamplingState,
)
from matsciml_core.testing.checks import SEED, Broken, NotApplicable, check
from matsciml_core.testing.head.subject import TaskHeadSubject

_SAMPLING = SamplingConfig(levels=3, steps_per_level=2)
_VECTORS = 8


@check("task-head")
def generation(subject: TaskHeadSubject) -> str:
    """Latent vectors become crystals or named rejections, and a sampling can be repeated.

    Measured: eight latent vectors are decoded by three noise levels of two steps. Each must give
    a crystal or a reason, every step must be reported, the same seed must give the same again,
    and so must a sampling that goes on from the state after the first level. Only for heads that
    declare the kind ``structure``.

    Why: generating takes long and is interrupted; and an untrained or badly trained model must
    give rejections that can be counted, and not end with an error.
    """
    if "structure" not in subject.declared.target_kinds:
        raise NotApplicable("The head generates no crystals.")
    if not issubclass(subject.component, GenerativeHead):
        raise Broken("A head for structures must be a subclass of GenerativeHead.")
    counts = []
    for bench in subject.benches():
        head = bench.head
        if not isinstance(head, GenerativeHead) or head.targets[0].kind != "structure":
            continue
        encoded = head.encode(bench.embedding())
        if encoded.shape != (bench.batch.num_crystals, head.latent_width):
            raise Broken(f"encode returned the shape {tuple(encoded.shape)}.")
        counts.append(_sampled(head))
    return ", ".join(counts)


def _sampled(head: GenerativeHead) -> str:
    generator = torch.Generator().manual_seed(SEED)
    latents = head.sample_latents(_VECTORS, generator=generator)
    steps: list[tuple[int, int]] = []
    states: list[SamplingState] = []

    def note(done: int, total: int) -> None:
        steps.append((done, total))

    first = _decode(head, latents, note, states.append)
    _need_outcomes(first)
    crystals = sum(one.crystal is not None for one in first)
    whole = _SAMPLING.steps_per_level * (_SAMPLING.levels or 0)
    if crystals and steps != [(number + 1, whole) for number in range(whole)]:
        raise Broken(f"Of {whole} steps, {len(steps)} were reported.")
    if not _same(first, _decode(head, latents)):
        raise Broken("The same seed gave other crystals.")
    if states and not _same(first, _decode(head, latents, state=states[0])):
        raise Broken("Going on from a state gave other crystals.")
    return f"{crystals} crystals of {_VECTORS} latent vectors"


def _decode(
    head: GenerativeHead,
    latents: Tensor,
    progress: Progress | None = None,
    checkpoint: Callable[[SamplingState], None] | None = None,
    state: SamplingState | None = None,
) -> list[GeneratedCrystal]:
    return head.decode(
        latents,
        sampling=_SAMPLING,
        generator=torch.Generator().manual_seed(SEED + 1),
        progress=progress,
        checkpoint=checkpoint,
        state=state,
    )


def _need_outcomes(found: Sequence[GeneratedCrystal]) -> None:
    if len(found) != _VECTORS:
        raise Broken(f"{_VECTORS} latent vectors gave {len(found)} results.")
    for number, one in enumerate(found):
        if (one.crystal is None) == (one.rejected is None):
            raise Broken(f"Result {number} is neither a crystal nor a rejection, or both.")


def _same(first: Sequence[GeneratedCrystal], second: Sequence[GeneratedCrystal]) -> bool:
    return len(first) == len(second) and all(map(_equal, first, second))


def _equal(one: GeneratedCrystal, other: GeneratedCrystal) -> bool:
    if one.crystal is None or other.crystal is None:
        return one == other
    return np.array_equal(one.crystal.positions, other.crystal.positions) and np.array_equal(
        one.crystal.atomic_numbers, other.crystal.atomic_numbers
    )
