"""The check of a head that is fitted at once, on the embeddings of all crystals."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import Tensor

from matsciml_core.interfaces.feature_head import FeatureHead
from matsciml_core.testing.checks import SEED, Broken, NotApplicable, check
from matsciml_core.testing.head.subject import Bench, Targets, TaskHeadSubject


@check("task-head")
def fits_features(subject: TaskHeadSubject) -> str:
    """A head that is fitted at once learns from features, repeats itself, and is saved whole.

    Measured: ``fit_features`` on the embeddings of a labelled batch must change what is predicted
    and leave it finite; the same seed must give the same again; what stands at missing labels must
    make no difference; the spreads that it promises must be there, one for each crystal, finite and
    not negative; and a new head that loads the state from a safetensors file must predict the
    same to the last bit. Only for a ``FeatureHead``.

    Why: the shapes of trees depend on the data, and a fit that is kept outside the state is lost
    when a model is shared.
    """
    if not issubclass(subject.component, FeatureHead):
        raise NotApplicable("The head is trained by gradient steps.")
    for group in subject.groups:
        bench = _fitted(subject, group)
        before, after = subject.bench(group).physical(), bench.physical()
        for name, value in after.items():
            if torch.equal(value, before[name]):
                raise Broken(f"fit_features changes nothing that is predicted of {name}.")
            if not value.isfinite().all():
                raise Broken(f"A prediction of {name} is not finite after fit_features.")
        _need_spreads(bench)
        _need_equal(after, _fitted(subject, group).physical(), "the same seed")
        _need_equal(after, _fitted(subject, group, absurd=True).physical(), "missing labels")
        state = {name: one.contiguous().clone() for name, one in bench.head.state_dict().items()}
        fresh = subject.build(group, seed=SEED + 1).double().eval()
        fresh.load_state_dict(safetensors.torch.load(safetensors.torch.save(state)))
        loaded = Bench(head=fresh, batch=bench.batch, embed=bench.embed)
        _need_equal(after, loaded.physical(), "saving and loading")
    return f"{len(subject.groups)} kinds of label"


def _fitted(subject: TaskHeadSubject, group: Targets, *, absurd: bool = False) -> Bench:
    """Return a head fitted on the features of its batch, with nonsense at missing labels."""
    bench = subject.bench(group)
    head = bench.head
    if not isinstance(head, FeatureHead):
        raise Broken(f"{type(head).__name__} is not a FeatureHead.")
    with torch.no_grad():
        features = head.features(bench.embedding(), bench.batch)
    target, mask = head.transform(bench.batch), head.mask(bench.batch)
    if absurd:
        target = {
            name: torch.where(mask[name], value, torch.zeros_like(value))
            for name, value in target.items()
        }
    head.fit_features(features, target, mask, seed=SEED)
    return bench


def _need_spreads(bench: Bench) -> None:
    with torch.no_grad():
        spreads = bench.head.uncertainty(bench.embedding(), bench.batch)
    if set(spreads) != set(bench.head.spread_targets):
        raise Broken(
            f"uncertainty gives a spread of {sorted(spreads)}, and spread_targets names "
            f"{sorted(bench.head.spread_targets)}."
        )
    for name, spread in spreads.items():
        right = spread.shape == (bench.batch.num_crystals,) and spread.isfinite().all()
        if not right or (spread < 0).any():
            raise Broken(f"The spread of {name} is not a number from zero up for each crystal.")


def _need_equal(expected: dict[str, Tensor], found: dict[str, Tensor], what: str) -> None:
    for name, value in expected.items():
        if not torch.equal(value, found[name]):
            raise Broken(f"The predictions of {name} change with {what}.")
