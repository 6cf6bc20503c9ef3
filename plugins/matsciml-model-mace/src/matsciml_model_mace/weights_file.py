"""Files that torch.save wrote of a whole network, read without running anything in them.

Such a file is a pickle that names classes and functions, some of which compile code that the file
holds. Here every object becomes an inert record of its state, and only tensors are made of it.
"""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matsciml_core.errors import DataError
from matsciml_util_toolkit_lmdb.pickle_machine import InertObject, Machine, Name
from matsciml_util_toolkit_lmdb.plain_arrays import Budget, ForbiddenError

_INERT = ("mace", "e3nn", "torch", "numpy")
"""Packages whose objects become inert records."""
_DTYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_LARGEST = 4 << 30
"""Bytes of a file; the largest published network has a hundredth."""


class WeightsFile:
    """A file of a whole network.

    Args:
        path: The file.

    Raises:
        DataError: It is none, is damaged, or asks for what no network consists of.
    """

    def __init__(self, path: Path) -> None:
        """Read it."""
        self.path = path
        try:
            self.network = self._read()
        except ForbiddenError as error:
            raise DataError(
                f"'{path}' asks for {error}, which no network consists of; nothing of it was run."
            ) from None
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"'{path}' is no file that torch.save wrote of a network ({error}); name the "
                "'.model' file that mace-torch wrote."
            ) from error
        except DataError:
            raise
        except Exception as error:  # whatever a damaged pickle leads to
            raise DataError(
                f"'{path}' is damaged ({type(error).__name__}: {error}); fetch it again."
            ) from error

    def _read(self) -> InertObject:
        with zipfile.ZipFile(self.path) as archive:
            size = self.path.stat().st_size
            # Stored as it is, as torch does: nothing can unfold to more than the file holds.
            entries = archive.infolist()
            if any(one.compress_type != zipfile.ZIP_STORED for one in entries) or size > _LARGEST:
                raise ForbiddenError("unpacking of more than it holds")
            (program,) = [one for one in entries if one.filename.endswith("/data.pkl")]
            self._folder = program.filename.removesuffix("data.pkl")
            self._archive, self._budget = archive, Budget(16 * size)
            self._storages: dict[str, Tensor] = {}
            machine = Machine(archive.read(program), self._look_up, self._budget, persistent=True)
            network = machine.run()
        if not isinstance(network, InertObject):
            raise DataError(
                f"'{self.path}' holds no network but {type(network).__name__}; mace-torch writes "
                "networks to files that end in '.model', and checkpoints beside them."
            )
        return network

    def _look_up(self, module: str, name: str) -> Name:
        """Return what stands for a name; functions of tensors are those here."""
        whole = f"{module}.{name}"
        if whole == "torch._utils._rebuild_tensor_v2":
            return Name(whole, self._tensor)
        if whole == "torch._utils._rebuild_parameter":
            return Name(whole, lambda tensor, *rest: tensor)
        if whole == "collections.OrderedDict":
            return Name(whole, lambda *items: OrderedDict(*items))
        if whole in ("__builtin__.set", "builtins.set"):
            return Name(whole, lambda items=(): set(items))
        if whole == "_codecs.encode":
            return Name(whole, lambda text, *rest: b"")  # programs of TorchScript; made anew
        if module.partition(".")[0] in _INERT or whole in ("builtins.slice", "__builtin__.slice"):
            return Name(whole)
        raise ForbiddenError(f"'{whole}'")

    def _tensor(self, storage: Any, offset: int, shape: Any, stride: Any, *rest: Any) -> Tensor:
        """Return a tensor out of an entry of the archive."""
        if not isinstance(storage, tuple) or len(storage) != 5 or storage[0] != "storage":
            raise ForbiddenError("a tensor without numbers")
        _, kind, key, _, _ = storage
        if kind.name not in _DTYPES:
            raise ForbiddenError(f"numbers of the type '{kind.name}'")
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._folder}data/{key}"))
            self._budget.take(len(data))
            dtype = _DTYPES[kind.name]
            empty = torch.empty(0, dtype=dtype)
            self._storages[key] = torch.frombuffer(data, dtype=dtype) if data else empty
        return self._storages[key].as_strided(tuple(shape), tuple(stride), offset).clone()


def part_of(module: Any, *path: str) -> Any:
    """Return a submodule, parameter, buffer or attribute of an inert module; None: it has none.

    Args:
        module: The module.
        path: Names, from one to the next.
    """
    for name in path:
        if not isinstance(module, InertObject) or not isinstance(module.state, Mapping):
            return None
        groups = (module.state.get(key) or {} for key in ("_modules", "_parameters", "_buffers"))
        module = next((one[name] for one in groups if name in one), module.state.get(name))
    return module


def tensors_of(module: InertObject, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and persistent buffers of an inert module, as its state would have them.

    Programs of e3nn are left out.

    Args:
        module: The module.
        prefix: What their names begin with.
    """
    state = module.state
    if not isinstance(state, Mapping):
        return
    passing = state.get("_non_persistent_buffers_set") or ()
    for key in ("_parameters", "_buffers"):
        for name, tensor in (state.get(key) or {}).items():
            if isinstance(tensor, Tensor) and name not in passing:
                yield prefix + name, tensor
    for name, child in (state.get("_modules") or {}).items():
        if isinstance(child, InertObject) and not child.name.startswith("torch.fx."):
            yield from tensors_of(child, f"{prefix}{name}.")
