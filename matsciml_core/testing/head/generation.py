"""The check of a head that generates crystals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
_STEPS = 6
_VECTORS = 8


@check("task-head")
def generation(subject: TaskHeadSubject) -> str:
    """Latent vectors become crystals or named rejections, and a sampling can be repeated.

    Measured: eight latent vectors are decoded by three noise levels of two steps. Each must give
    a crystal or a reason, every step must be reported, the same seed must give the same again,
    and so must a sampling that resumes from the state after the first level. Only for heads that
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
        counts.append(f"{_check_sampling(head)} crystals of {_VECTORS} latent vectors")
    return ", ".join(counts)


def _check_sampling(head: GenerativeHead) -> int:
    """Sample three times, and return how many crystals came of it each time."""
    generator = torch.Generator().manual_seed(SEED)
    latents = head.sample_latents(_VECTORS, generator=generator)
    steps: list[tuple[int, int]] = []
    states: list[SamplingState] = []
    results = _decode(head, latents, lambda done, total: steps.append((done, total)), states.append)
    if len(results) != _VECTORS:
        raise Broken(f"{_VECTORS} latent vectors gave {len(results)} results.")
    for index, result in enumerate(results):
        if (result.crystal is None) == (result.rejected is None):
            raise Broken(f"Result {index} is neither a crystal nor a rejection, or both.")
    crystals = sum(result.crystal is not None for result in results)
    # A head that rejects every vector at once has no steps to report, and no state.
    if crystals and steps != [(done, _STEPS) for done in range(1, _STEPS + 1)]:
        raise Broken(f"Of {_STEPS} steps, {len(steps)} were reported.")
    if not _are_equal(results, _decode(head, latents)):
        raise Broken("The same seed gave other crystals.")
    if states and not _are_equal(results, _decode(head, latents, state=states[0])):
        raise Broken("A sampling that resumed from a state gave other crystals.")
    return crystals


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
        # The same seed for each call; a resumed one must take its numbers from the state instead.
        generator=torch.Generator().manual_seed(SEED + 1),
        progress=progress,
        checkpoint=checkpoint,
        state=state,
    )


def _are_equal(results: Sequence[GeneratedCrystal], others: Sequence[GeneratedCrystal]) -> bool:
    """Return whether two samplings gave the same crystals to the last bit."""

    def content(result: GeneratedCrystal) -> tuple[object, ...]:
        crystal = result.crystal
        if crystal is None:
            return (result.rejected,)
        return crystal.positions.tolist(), crystal.atomic_numbers.tolist()

    return [content(one) for one in results] == [content(one) for one in others]
