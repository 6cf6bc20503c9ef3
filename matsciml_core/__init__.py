"""MatSciML: the core that plugins build on.

Public names are imported on first use, so that ``import matsciml_core`` loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "registry.checks": ("Check", "CheckSpec"),
    "registry.dataset_file": ("read_dataset_spec",),
    "registry.environments": ("EnvironmentSpec", "OfferedComponent"),
    "registry.hooks": ("hookimpl", "hookspec"),
    "registry.manager": ("Registry", "build_registry"),
    "registry.pretrained": ("PretrainedSpec",),
    "registry.published": ("BenchmarkTask", "PublishedNumber"),
    "registry.specs": (
        "PLAIN_TRAINING",
        "BaselineSpec",
        "CallbackSpec",
        "CommandSpec",
        "DatasetSpec",
        "EncoderCapabilities",
        "EncoderSpec",
        "Inventory",
        "LoggerSpec",
        "ReaderSpec",
        "Reference",
        "RunInfo",
        "RunResult",
        "Spec",
        "StrategySpec",
        "TaskHeadSpec",
    ),
    "registry.targets": ("Grid", "TargetInfo"),
    "model.trained": ("TrainedModel", "load"),
    "model.prediction": ("Prediction",),
    "training.config": ("RunConfig",),
    "training.outcome": ("RunInterrupted",),
    "training.result": ("TrainingResult",),
    "training.train": ("train",),
    "interfaces.config": ("Config",),
    "interfaces.batch": ("CrystalBatch",),
    "interfaces.crystal": ("Crystal",),
    "interfaces.dataset": ("Dataset", "Provenance"),
    "interfaces.encoder": ("Embedding", "Encoder", "Neighbourhood", "TensorEmbedding"),
    "nn.message_graph": ("MessageGraph",),
    "interfaces.feature_head": ("FeatureHead", "fit_feature_heads"),
    "interfaces.head": (
        "TaskHead",
        "TensorHead",
        "Values",
        "label_mask",
        "labels_of",
        "with_gradients",
    ),
    "interfaces.split": ("Split", "random_split"),
    "interfaces.strategy": ("Parameters", "Strategy", "Task"),
    "interfaces.symmetry": ("AsymmetricUnit", "Orbits"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "PLAIN_TRAINING",
    "AsymmetricUnit",
    "BaselineSpec",
    "BenchmarkTask",
    "CallbackSpec",
    "Check",
    "CheckSpec",
    "CommandSpec",
    "Config",
    "Crystal",
    "CrystalBatch",
    "Dataset",
    "DatasetSpec",
    "Embedding",
    "Encoder",
    "EncoderCapabilities",
    "EncoderSpec",
    "EnvironmentSpec",
    "FeatureHead",
    "Grid",
    "Inventory",
    "LoggerSpec",
    "MessageGraph",
    "Neighbourhood",
    "OfferedComponent",
    "Orbits",
    "Parameters",
    "Prediction",
    "PretrainedSpec",
    "Provenance",
    "PublishedNumber",
    "ReaderSpec",
    "Reference",
    "Registry",
    "RunConfig",
    "RunInfo",
    "RunInterrupted",
    "RunResult",
    "Spec",
    "Split",
    "Strategy",
    "StrategySpec",
    "TargetInfo",
    "Task",
    "TaskHead",
    "TaskHeadSpec",
    "TensorEmbedding",
    "TensorHead",
    "TrainedModel",
    "TrainingResult",
    "Values",
    "__version__",
    "build_registry",
    "fit_feature_heads",
    "hookimpl",
    "hookspec",
    "label_mask",
    "labels_of",
    "load",
    "random_split",
    "read_dataset_spec",
    "train",
    "with_gradients",
]

if TYPE_CHECKING:
    from matsciml_core.interfaces.batch import CrystalBatch
    from matsciml_core.interfaces.config import Config
    from matsciml_core.interfaces.crystal import Crystal
    from matsciml_core.interfaces.dataset import Dataset, Provenance
    from matsciml_core.interfaces.encoder import Embedding, Encoder, Neighbourhood, TensorEmbedding
    from matsciml_core.interfaces.feature_head import FeatureHead, fit_feature_heads
    from matsciml_core.interfaces.head import (
        TaskHead,
        TensorHead,
        Values,
        label_mask,
        labels_of,
        with_gradients,
    )
    from matsciml_core.interfaces.split import Split, random_split
    from matsciml_core.interfaces.strategy import Parameters, Strategy, Task
    from matsciml_core.interfaces.symmetry import AsymmetricUnit, Orbits
    from matsciml_core.nn.message_graph import MessageGraph
    from matsciml_core.registry.checks import Check, CheckSpec
    from matsciml_core.registry.environments import EnvironmentSpec, OfferedComponent
    from matsciml_core.registry.hooks import hookimpl, hookspec
    from matsciml_core.registry.manager import Registry, build_registry
    from matsciml_core.registry.pretrained import PretrainedSpec
    from matsciml_core.registry.published import BenchmarkTask, PublishedNumber
    from matsciml_core.registry.specs import (
        PLAIN_TRAINING,
        BaselineSpec,
        CallbackSpec,
        CommandSpec,
        DatasetSpec,
        EncoderCapabilities,
        EncoderSpec,
        Inventory,
        LoggerSpec,
        ReaderSpec,
        Reference,
        RunInfo,
        RunResult,
        Spec,
        StrategySpec,
        TaskHeadSpec,
    )
    from matsciml_core.registry.targets import Grid, TargetInfo


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'matsciml_core' has no attribute '{name}'")
    return getattr(import_module(f"matsciml_core.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names without importing them."""
    return __all__
