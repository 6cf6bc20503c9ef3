"""The Strategy interface: which batches are drawn, and what gradient each parameter receives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

from matsciml_core.interfaces.head import TaskHead

if TYPE_CHECKING:
    from matsciml_core.interfaces.config import Config

BatchMode = Literal["min_size", "max_size_cycle", "max_size", "sequential"]
"""How batches of several datasets are combined into steps (Lightning's CombinedLoader modes)."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The unit of work: a dataset, the target(s) taken from it, and the head that predicts them."""

    dataset: str
    """Name of the dataset within the run."""
    head_name: str
    """Registry name of the head."""
    head: TaskHead

    @property
    def key(self) -> str:
        """``"<dataset>/<target>"``, several targets joined by ``+``."""
        return f"{self.dataset}/{'+'.join(info.name for info in self.head.targets)}"

    def target_key(self, target: str) -> str:
        """Return the name under which a target's metrics are reported."""
        return f"{self.dataset}/{target}"


@dataclass(frozen=True)
class Parameters:
    """The parameters of a run, by the role they play in multi-task training."""

    shared: tuple[nn.Parameter, ...]
    """The encoder's."""
    heads: Mapping[str, tuple[nn.Parameter, ...]]
    """The heads', by task key."""


class Strategy(nn.Module, ABC):
    """A strategy S: (losses, parameters) → gradients.

    Most strategies are a scalar function of the losses and implement :meth:`combine`; automatic
    differentiation does the rest. One that needs the gradient of each task sets
    ``manual = True`` and implements :meth:`set_gradients` instead.
    """

    manual: ClassVar[bool] = False
    """Whether the strategy sets gradients itself."""
    batch_mode: BatchMode = "max_size_cycle"
    """How batches of several datasets are combined; of no effect with one dataset."""

    def __init__(self, config: Config | None = None) -> None:
        """Keep the settings."""
        super().__init__()
        self.config = config

    def validate(self, tasks: Sequence[Task]) -> None:
        """Refuse tasks that the strategy cannot train together.

        Raises:
            ConfigError: With a sentence that says which strategies can.
        """

    @abstractmethod
    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the scalar to differentiate (and to log).

        Args:
            losses: A scalar per task key; a task without a label in this step is absent.

        Returns:
            A scalar with a graph.
        """

    def set_gradients(self, losses: Mapping[str, Tensor], parameters: Parameters) -> None:
        """Add this step's gradient to each parameter's ``.grad``; only called where ``manual``."""
        raise NotImplementedError
