"""The options of commands that apply a model to structures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matsciml_cli.options import Device, FileFormat, FormatSettings, Precision
from matsciml_cli.outputs import Replace

if TYPE_CHECKING:
    from matsciml_core.interfaces.crystal import Crystal
    from matsciml_core.model.trained import TrainedModel
    from matsciml_core.registry.manager import Registry


@dataclass(frozen=True, kw_only=True)
class StructureOptions:
    """How structures are read, how the model computes, and whether output may be replaced."""

    replace: Replace = False
    form: FileFormat = None
    format_settings: FormatSettings = None
    device: Device = "auto"
    precision: Precision = None

    def load_model(self, run: Path, registry: Registry) -> TrainedModel:
        """Load the model on the device and in the precision that are asked for.

        Args:
            run: Folder of a run or of an exported model, or a pretrained model's name.
            registry: Where its parts are looked up.

        Raises:
            ConfigError: There is no such model, or no such device.
            DataError: Its files are damaged.
        """
        from matsciml_core.model.trained import load

        return load(run, device=self.device, precision=self.precision, registry=registry)

    def read(self, file: Path, registry: Registry) -> Crystal:
        """Read the only structure of a file, in its format.

        Args:
            file: The file.
            registry: Where readers are looked up.

        Raises:
            ConfigError: The format or a setting of it does not exist.
            DataError: The file cannot be read, or has several structures.
        """
        from matsciml_core.model.inputs import read_one
        from matsciml_core.training.config_data import parse_overrides

        return read_one(file, self.form, registry, parse_overrides(self.format_settings or ()))
