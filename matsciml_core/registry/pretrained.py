"""The record of a model that comes trained. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from matsciml_core.registry.specs import Spec


@dataclass(frozen=True, kw_only=True)
class PretrainedSpec(Spec):
    """A model that comes trained: an encoder with heads, and weights that others trained.

    ``class_path`` names a function that is called with the record and the registry, and returns the
    encoder and its tasks with the weights in them, ``(Encoder, Sequence[Task])``. The core calls it
    once, writes what it returns to a model folder in the user's data folder, and loads it from
    there ever after. Heads are looked up in the registry: a plugin imports no other.
    """

    kind: ClassVar[str] = "pretrained"

    encoder: str
    """Registry name of the encoder."""
    weights: str = ""
    """Where the weights come from: package, version and file."""
    digest: str = ""
    """SHA-256 of the weights' file in hexadecimal digits; the function checks it before it reads
    the file, and the model folder is named after it."""
    functional: str = ""
    """Level of theory of the training labels. Energies of different ones cannot be compared."""
    trained_on: str = ""
    """What the weights were trained on, in words."""
    seen: tuple[str, ...] = ()
    """Registry names of datasets of whose crystals most were among the training data: a test on
    them says nothing about new crystals."""
    elements: tuple[str, ...] = ()
    """Symbols of the elements that the weights are good for; others are rejected, not guessed.
    Empty: any."""
    isolated_atoms: bool = False
    """Whether an atom without a neighbour within the cutoff has an energy that means something;
    otherwise structures with one are rejected."""
    limits: tuple[str, ...] = ()
    """What one should know before trusting a number, one sentence each."""
