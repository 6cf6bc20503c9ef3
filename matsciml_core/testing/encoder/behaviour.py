"""Checks of an encoder: it is what it says it is, and treats its batch and itself well."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import fields

import safetensors.torch
import torch
from torch import Tensor

from matsciml_core.errors import ShapeError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Embedding, Encoder, Neighbourhood
from matsciml_core.testing.checks import SEED, Broken, Measured, NotApplicable, check
from matsciml_core.testing.crystals import triclinic
from matsciml_core.testing.encoder.subject import (
    EncoderSubject,
    change,
    is_finite,
    run_encoder,
)
from matsciml_core.testing.tolerances import EXACT, PRECISION, REPEAT


@check("encoder", tolerance=EXACT)
def construction(subject: EncoderSubject) -> Measured:
    """The encoder is built from its settings alone, and equal seeds build equal encoders.

    Measured: the number of parameters and buffers that differ between two encoders built with
    the same settings and the same seed of torch.

    Why: a run is repeated from its settings and its seed.
    """
    first, second = (subject.build().state_dict() for _ in range(2))
    if first.keys() != second.keys():
        raise Broken("Two encoders with the same settings have different parameters.")
    return Measured(float(sum(not _same(first[name], second[name]) for name in first)))


@check("encoder")
def widths(subject: EncoderSubject) -> str:
    """The embeddings have the declared widths, one row per atom and one per crystal.

    Measured: the shapes of both embeddings for crystals of unequal size, and for one crystal.

    Why: heads are built from ``atom_width`` and ``crystal_width`` before they see an embedding.
    """
    encoder = subject.encoder
    for samples in (subject.crystals, [triclinic()]):
        batch = subject.batch(samples)
        embedding = subject.embed_batch(batch)
        for name, tensor, expected in (
            ("atoms", embedding.atoms, (batch.num_atoms, encoder.atom_width)),
            ("crystals", embedding.crystals, (batch.num_crystals, encoder.crystal_width)),
        ):
            if tuple(tensor.shape) != expected:
                raise Broken(
                    f"Embedding.{name} has the shape {tuple(tensor.shape)}, declared is "
                    f"{expected}.",
                    measured=str(tuple(tensor.shape)),
                )
    return f"atoms {encoder.atom_width}, crystals {encoder.crystal_width}"


@check("encoder")
def neighbourhood(subject: EncoderSubject) -> str:
    """The spec and the class declare the same neighbourhood, and it makes sense.

    Measured: ``neighbours`` of the class is None exactly where the spec says ``none``; else the
    cutoff is a positive number and the cap, if any, at least one.

    Why: the data path finds exactly these neighbours, once, before any batch reaches the model.
    """
    declared, found = subject.capabilities.neighbours, subject.neighbours
    if (declared == "none") != (found is None):
        raise Broken(f"The spec declares '{declared}', but the class asks for {found}.")
    if found is None:
        return "none"
    if not isinstance(found, Neighbourhood):
        raise Broken(f"neighbours is {found!r}; make it a Neighbourhood, or None.")
    if not (math.isfinite(found.cutoff) and found.cutoff > 0):
        raise Broken(f"The cutoff is {found.cutoff} Å; make it a positive number.")
    if found.max_neighbours is not None and found.max_neighbours < 1:
        raise Broken(f"max_neighbours is {found.max_neighbours}; make it at least 1, or None.")
    return f"{found.cutoff:g} Å"


@check("encoder")
def finite(subject: EncoderSubject) -> None:
    """The embedding of every sample crystal is finite, in float32 as trained.

    Measured: there is no NaN and no infinity in the embedding of crystals of one to five atoms.

    Why: one NaN in a batch ends a run.
    """
    encoder = subject.build()
    for crystal in subject.crystals:
        with torch.no_grad():
            embedding = run_encoder(encoder, subject.batch([crystal], torch.float32))
        if not is_finite(embedding):
            raise Broken(f"The embedding of {crystal.id} is not finite.", measured="NaN")


@check("encoder", tolerance=PRECISION)
def precision(subject: EncoderSubject) -> Measured:
    """The encoder runs in float32 and in float64, and both agree.

    Measured: the largest relative difference between the embeddings in both precisions, with
    the same parameters; each must be in the dtype of the parameters.

    Why: forces and relaxations are checked in float64. A constant or a cast that is stuck in
    float32 fails there, and coordinates rounded to less than float32 move atoms.
    """
    single = subject.build()
    double = copy.deepcopy(single).double()
    found = []
    for encoder, dtype in ((single, torch.float32), (double, torch.float64)):
        with torch.no_grad():
            embedding = run_encoder(encoder, subject.batch(subject.crystals, dtype))
        if {embedding.atoms.dtype, embedding.crystals.dtype} != {dtype}:
            raise Broken(f"With {dtype} parameters the embedding is {embedding.crystals.dtype}.")
        found.append(embedding)
    atoms, crystals = found[0].atoms.double(), found[0].crystals.double()
    return Measured(change(Embedding(atoms=atoms, crystals=crystals), found[1]))


@check("encoder", tolerance=REPEAT)
def determinism(subject: EncoderSubject) -> Measured:
    """In evaluation mode the same batch gives the same embedding.

    Measured: the largest relative change between two passes over the same batch, with other
    random numbers drawn in between.

    Why: noise that is left on in evaluation mode makes test errors irreproducible.
    """
    batch = subject.batch(subject.crystals)
    first = subject.embed_batch(batch)
    torch.default_generator.manual_seed(SEED + 1)
    return Measured(change(subject.embed_batch(batch), first))


@check("encoder")
def missing_edges(subject: EncoderSubject) -> None:
    """A batch whose neighbours were never looked up is rejected with a ShapeError.

    Measured: the error of a pass over a batch that carries no edges at all.

    Why: an encoder that takes missing edges for an empty list trains on isolated atoms, and
    nothing else tells.
    """
    subject.need_neighbours()
    batch = subject.batch(subject.crystals).without_edges()
    try:
        subject.embed_batch(batch)
    except ShapeError:
        return
    raise Broken(
        "A batch without edges was embedded; raise a ShapeError where batch.edge_index is None."
    )


@check("encoder")
def batch_untouched(subject: EncoderSubject) -> None:
    """The encoder does not write to its batch, so that a batch can be used twice.

    Measured: after passes in evaluation and in training mode, with a backward pass, every field
    of the batch is the same object, was not written to, and holds the same values.

    Why: batches are shared between tasks, cached, and used again for metrics; an in-place
    operation on one of them shows up somewhere else, much later.
    """
    batch = subject.batch(subject.crystals)
    before = _snapshot(batch)
    subject.embed_batch(batch)
    subject.differentiate(run_encoder(subject.build(subject.dtype).train(), batch))
    for item in fields(batch):
        value = getattr(batch, item.name)
        original, version, copied = before[item.name]
        if value is not original:
            raise Broken(f"'{item.name}' of the batch was replaced.")
        if isinstance(value, Tensor) and (value._version != version or not _same(value, copied)):
            raise Broken(f"'{item.name}' of the batch was written to.")


@check("encoder", tolerance=EXACT)
def save_and_load(subject: EncoderSubject) -> Measured:
    """The parameters survive a safetensors file, and nothing else is needed.

    Measured: the state is written with safetensors, without pickle, and loaded into an encoder
    built with another seed; the entries of the embedding that differ are counted.

    Why: constants that are computed from the training data, or drawn at random, and kept outside
    the state are lost when a model is shared.
    """
    original = subject.encoder
    state = {name: tensor.contiguous().clone() for name, tensor in original.state_dict().items()}
    restored = subject.build(subject.dtype, seed=SEED + 1)
    restored.load_state_dict(safetensors.torch.load(safetensors.torch.save(state)))
    return _compare_exactly(subject, original, restored)


@check("encoder", tolerance=EXACT)
def copies(subject: EncoderSubject) -> Measured:
    """The encoder can be copied and pickled, also after it has been used.

    Measured: after a pass with gradients the encoder is pickled and deep-copied; the entries of
    the copies' embeddings that differ are counted.

    Why: worker processes get pickled models; weight averaging and early stopping keep copies. A
    lambda in the model, or a tensor with a graph kept on it, stops both.
    """
    original = subject.build(subject.dtype)
    subject.differentiate(run_encoder(original, subject.batch([triclinic()])))
    pickled = pickle.loads(pickle.dumps(original))
    found = [_compare_exactly(subject, original, c) for c in (pickled, copy.deepcopy(original))]
    return max(found, key=lambda measured: measured.value)


@check("encoder", tolerance=PRECISION)
def accelerator(subject: EncoderSubject) -> Measured:
    """The encoder gives the same embedding on a GPU.

    Measured: the largest relative difference between CPU and GPU in float32; skipped where
    there is no GPU, and for an encoder whose spec says ``training={"device": "cpu"}``.

    Why: a tensor that is created on the wrong device fails only there, and so do constants that
    were not registered as buffers.
    """
    device = _accelerator()
    if getattr(subject.spec, "training", {}).get("device") == "cpu":
        raise NotApplicable("The spec says that it runs on the CPU.")
    if device is None:
        raise NotApplicable("There is no GPU here.")
    encoder, batch = subject.build(), subject.batch(subject.crystals, torch.float32)
    with torch.no_grad():
        here = run_encoder(encoder, batch)
        there = run_encoder(encoder.to(device), batch.to(device))
    back = type(there)(atoms=there.atoms.cpu(), crystals=there.crystals.cpu())
    return Measured(change(back, here))


def _accelerator() -> torch.device | None:
    return torch.device("cuda") if torch.cuda.is_available() else None


def _compare_exactly(subject: EncoderSubject, one: Encoder, other: Encoder) -> Measured:
    batch = subject.batch(subject.crystals)
    with torch.no_grad():
        first, second = run_encoder(one, batch), run_encoder(other.eval(), batch)
    pairs = ((first.atoms, second.atoms), (first.crystals, second.crystals))
    return Measured(float(sum(int((left != right).sum()) for left, right in pairs)))


def _snapshot(batch: CrystalBatch) -> dict[str, tuple[object, int, Tensor | None]]:
    """Return each field's object, its count of in-place writes, and a copy."""
    values = {item.name: getattr(batch, item.name) for item in fields(batch)}
    return {
        name: (value, value._version, value.clone())
        if isinstance(value, Tensor)
        else (value, 0, None)
        for name, value in values.items()
    }


def _same(first: Tensor, second: Tensor | None) -> bool:
    """Return whether two tensors are equal, NaN counting as equal to NaN."""
    return second is not None and torch.equal(torch.nan_to_num(first), torch.nan_to_num(second))
