"""The encoder under test, with the batches and comparisons that its checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Embedding, Encoder, Neighbourhood, TensorEmbedding
from matsciml_core.registry.specs import EncoderCapabilities, EncoderSpec
from matsciml_core.testing import crystals
from matsciml_core.testing.checks import SEED, Broken, NotApplicable
from matsciml_core.testing.subject import Subject, stir_zeros

if TYPE_CHECKING:
    from numpy.random import Generator

DEFAULT_REACH = 12.0
"""Distance, Å, that keeps atoms apart for encoders that do not declare a cutoff."""


@dataclass
class EncoderSubject(Subject):
    """An encoder under test, in double precision where it supports it, in evaluation mode."""

    reads_files = True

    @property
    def capabilities(self) -> EncoderCapabilities:
        """What the encoder's spec promises."""
        if not isinstance(self.spec, EncoderSpec):
            raise TypeError(f"'{self.spec.name}' is of the kind {self.spec.kind}, not encoder.")
        return self.spec.capabilities

    @cached_property
    def dtype(self) -> torch.dtype:  # type: ignore[override]
        """float64, or float32 for an encoder that cannot run in double precision."""
        encoder = self.build(torch.float64)
        try:
            with torch.no_grad():
                atoms = encoder(self.batch([crystals.triclinic()], torch.float64)).atoms
        except Exception:
            return torch.float32
        return torch.float64 if atoms.dtype == torch.float64 else torch.float32

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, in ``dtype``, in evaluation mode, with every parameter different from 0."""
        return self.build(self.dtype).eval()

    @cached_property
    def neighbours(self) -> Neighbourhood | None:
        """The neighbourhood that the encoder asks for."""
        return self.build().neighbours

    @property
    def reach(self) -> float:
        """Distance beyond which two atoms are no neighbours, Å."""
        return DEFAULT_REACH if self.neighbours is None else float(self.neighbours.cutoff)

    @property
    def crystals(self) -> list[Crystal]:
        """The sample crystals."""
        return crystals.all_crystals()[1:3] if self.quick else crystals.all_crystals()

    @property
    def random(self) -> Generator:
        """Fresh random numbers, the same for every check."""
        return np.random.default_rng(SEED)

    def build(self, dtype: torch.dtype = torch.float32, *, seed: int = SEED) -> Encoder:
        """Return a new encoder in evaluation mode; equal seeds give equal parameters."""
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed)
            encoder = self.component(self.config)
            if not isinstance(encoder, Encoder):
                raise Broken(f"{self.component.__name__} is not a subclass of Encoder.")
            stir_zeros(encoder)
        return encoder.to(dtype).eval()

    def prepare(self) -> None:
        """Build the encoder."""
        self.build()

    def batch(self, samples: Sequence[Crystal], dtype: torch.dtype | None = None) -> CrystalBatch:
        """Return the crystals as the batch that the encoder asks for, edges included."""
        batch = CrystalBatch.from_crystals(samples, dtype=torch.float64)
        if self.neighbours is not None:
            batch = attach_neighbours(batch, self.neighbours)
        return batch.to(dtype=dtype or self.dtype)

    def embed(self, samples: Sequence[Crystal]) -> Embedding:
        """Return the embedding of crystals, without a graph."""
        return self.embed_batch(self.batch(samples))

    def embed_batch(self, batch: CrystalBatch) -> Embedding:
        """Return the embedding of a batch, without a graph."""
        with torch.no_grad():
            return run_encoder(self.encoder, batch)

    def embed_tensors(self, samples: Sequence[Crystal]) -> TensorEmbedding:
        """Return the embedding of crystals with its vectors and matrices, without a graph.

        Raises:
            Broken: There are none, or not as many as the encoder says.
        """
        embedding, encoder = self.embed(samples), self.encoder
        if not isinstance(embedding, TensorEmbedding):
            raise Broken("The spec declares tensors=True, and forward returns no TensorEmbedding.")
        atoms = len(embedding.atoms)
        for name, value, shape in (
            ("vectors", embedding.vectors, (atoms, encoder.vector_width, 3)),
            ("matrices", embedding.matrices, (atoms, encoder.matrix_width, 3, 3)),
        ):
            if value.shape != shape:
                raise Broken(f"{name} has the shape {tuple(value.shape)}; it must be {shape}.")
        return embedding

    def need_neighbours(self) -> None:
        """Skip the check for an encoder without a neighbourhood."""
        if self.neighbours is None:
            raise NotApplicable("The encoder asks for no neighbours.")

    def differentiate(self, embedding: Embedding) -> None:
        """Differentiate a random scalar of an embedding; one without a graph must be declared."""
        declared = self.capabilities
        if declared.learns or declared.differentiable:
            torch.autograd.backward(probe(embedding))

    def need_gradient(self) -> None:
        """Skip the check unless gradients with respect to positions are declared."""
        if not self.capabilities.differentiable:
            raise NotApplicable("The spec declares differentiable=False.")


def run_encoder(encoder: Encoder, batch: CrystalBatch) -> Embedding:
    """Run an encoder and insist on an embedding.

    Raises:
        Broken: Something else was returned.
    """
    embedding: Any = encoder(batch)
    if not isinstance(embedding, Embedding):
        raise Broken(
            f"forward returned {type(embedding).__name__}; return Embedding(atoms=…, crystals=…)."
        )
    return embedding


def difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest absolute difference, relative to the largest expected value.

    Args:
        found: Features, any shape, dimensionless.
        expected: What they should be, same shape, dimensionless.

    Raises:
        Broken: The shapes differ.
    """
    if found.shape != expected.shape:
        raise Broken(f"The shape {tuple(found.shape)} should be {tuple(expected.shape)}.")
    if not found.numel():
        return 0.0
    # By the largest value and not entry by entry: entries near zero are all rounding.
    scale = expected.detach().abs().max().clamp_min(1e-30)
    return float(((found.detach() - expected.detach()).abs().max() / scale).item())


def change(found: Embedding, expected: Embedding) -> float:
    """Return the largest relative difference of two embeddings; NaN where either has one."""
    parts = (found.atoms, expected.atoms), (found.crystals, expected.crystals)
    return float(np.max([difference(one, other) for one, other in parts]))  # NaN stays NaN


def is_finite(embedding: Embedding) -> bool:
    """Return whether there is neither NaN nor infinity in an embedding."""
    return bool(embedding.atoms.isfinite().all() and embedding.crystals.isfinite().all())


def probe(embedding: Embedding) -> Tensor:
    """Return a scalar that depends on every entry of an embedding, with fixed random weights."""
    generator = torch.Generator().manual_seed(SEED)
    return sum(
        (
            (part * torch.randn(part.shape[-1], generator=generator).to(part)).sum()
            for part in (embedding.atoms, embedding.crystals)
        ),
        start=embedding.atoms.new_zeros(()),
    )
