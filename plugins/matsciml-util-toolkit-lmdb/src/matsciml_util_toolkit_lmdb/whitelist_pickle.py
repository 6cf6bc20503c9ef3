"""Reading plain data out of other toolkits' pickles without running anything they ask for.

A pickle is a program: reading it calls whatever functions it names. Here it gets none of them.
The few names that plain arrays and tensors are made of are answered by functions of this module,
which build NumPy arrays themselves and check every size; objects of named libraries can be
rebuilt as inert records; every other name is an error.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from matsciml_core.errors import DataError

_KINDS = "biufcSU"
"""NumPy's kinds of plain values: booleans, integers, floats, complex numbers, and strings."""
_FORBIDDEN_OPCODES = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "INST", "OBJ"}
"""Further ways to name an object, which plain data needs not."""
_MOST_NESTED = 100
"""Deepest nesting of containers: a pickle may hold a list that contains itself."""


class InertObject:
    """What is left of an object of a foreign library: its name, arguments and state, no methods.

    ``arguments`` is what it was made with, ``state`` what was put into it afterwards; empty where
    there was nothing.
    """

    name: ClassVar[str] = ""
    """Module and name of its class."""

    def __new__(cls, *arguments: Any, **options: Any) -> InertObject:
        """Keep the arguments."""
        instance = super().__new__(cls)
        instance.arguments = arguments
        instance.state = dict(options)
        return instance

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Everything was kept before."""
        self.arguments: tuple[Any, ...]
        self.state: Any

    def __setstate__(self, state: Any) -> None:
        """Keep the state."""
        self.state = state

    def __repr__(self) -> str:
        """Name the class."""
        return f"InertObject({self.name})"


def load_plain(data: bytes, *, inert: Sequence[str] = (), where: str = "A record") -> Any:
    """Return the plain data in a pickle.

    Args:
        data: The pickle.
        inert: Packages whose objects are rebuilt as :class:`InertObject`, for example
            ``"pymatgen"``; their code is not needed, and not run.
        where: What is read, for error messages.

    Returns:
        Numbers, strings, lists, tuples, sets, dictionaries, NumPy arrays (also for tensors), and
        inert objects.

    Raises:
        DataError: The pickle names anything else, or is damaged.
    """
    try:
        _check_opcodes(data)
        return _plain(_Unpickler(data, inert).load(), 0)
    except _ForbiddenError as error:
        raise DataError(
            f"{where} is a pickle that asks for {error}, which is no plain data; nothing of it was "
            "run. If you trust where it comes from, ask its makers for a format without code."
        ) from None
    except Exception as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{where} is a damaged pickle, or none: {detail}.") from error


class _ForbiddenError(Exception):
    """The pickle names something that is not allowed."""


class _Unpickler(pickle.Unpickler):
    """Answers every name itself."""

    def __init__(self, data: bytes, inert: Sequence[str]) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._inert = tuple(inert)

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name.

        Raises:
            _ForbiddenError: Nothing does.
        """
        # NumPy 2 moved its internals, and Python 2 called the builtins otherwise.
        module = module.replace("numpy._core.", "numpy.core.").replace("__builtin__", "builtins")
        allowed = _ALLOWED.get((module, name))
        if allowed is not None:
            return allowed
        if module.partition(".")[0] in self._inert:
            return type(name, (InertObject,), {"name": f"{module}.{name}"})
        raise _ForbiddenError(f"'{module}.{name}'")

    def persistent_load(self, pid: Any) -> Any:
        """Reject what lies outside the pickle."""
        raise _ForbiddenError(f"the external object {pid!r}")


def _check_opcodes(data: bytes) -> None:
    """Reject what could fill the memory, or name objects otherwise, before anything is read."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in _FORBIDDEN_OPCODES:
            raise _ForbiddenError(f"an object by the instruction {opcode.name}")
        # The unpickler makes room for every index up to this one, which a few bytes can set to
        # four billion; an honest pickle has no more of them than bytes.
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > len(data):
            raise _ForbiddenError(f"entry {argument} of its memory")


class _Shell:
    """A value whose parts arrive after it was named; :func:`_plain` takes it apart."""

    value: Any = None


class _DType(_Shell):
    """A NumPy data type."""

    def __init__(self, code: str, *_: Any) -> None:
        # ``np.dtype`` of a text runs nothing; of objects or records it could hold Python objects.
        self.value = np.dtype(str(code))
        if self.value.kind not in _KINDS:
            raise _ForbiddenError(f"an array of {code!r}")

    def __setstate__(self, state: Sequence[Any]) -> None:
        order, nested, names, fields = state[1:5]  # state[0] is the version
        if nested is not None or names is not None or fields is not None:
            raise _ForbiddenError("an array of records")
        self.value = self.value.newbyteorder(order)


class _ArrayShell(_Shell):
    """An array that is filled by its state."""

    def __setstate__(self, state: Sequence[Any]) -> None:
        shape, dtype, fortran, content = state[1:5]
        self.value = _frombuffer(_as_bytes(content), dtype, shape, "F" if fortran else "C")


class _Storage(_Shell):
    """The values of one or several tensors."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.value = values


_ARRAY_CLASS = object()
"""Stands for ``numpy.ndarray``, which is only ever handed on."""


def _reconstruct(kind: Any, shape: Any, code: Any) -> _ArrayShell:
    """Return an array without content, whatever shape is asked for; its state has the real one."""
    if kind is not _ARRAY_CLASS:
        raise _ForbiddenError("an array of a class of its own")
    return _ArrayShell()


def _frombuffer(content: Any, dtype: _DType, shape: Any, order: str) -> NDArray[Any]:
    """Return an array of its bytes, as NumPy's function of that name does."""
    if not isinstance(dtype, _DType):
        raise _ForbiddenError("an array without a plain data type")
    flat = np.frombuffer(_as_bytes(content), dtype=dtype.value)  # whole items, or an error
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return np.array(flat.reshape(sizes, order="F" if order == "F" else "C"))


def _scalar(dtype: _DType, content: Any) -> Any:
    """Return a single NumPy value."""
    return _frombuffer(content, dtype, (), "C")[()]


def _encode(text: str, encoding: str) -> bytes:
    """Return bytes, which old protocols write as text with an encoding."""
    return text.encode("latin1" if encoding in ("latin1", "latin-1") else "utf-8")


def _no_bytes() -> bytes:
    """Return no bytes, as Python 2 spells them; with an argument it would fill the memory."""
    return b""


def _as_bytes(content: Any) -> bytes:
    """Return the content of an array; a list would be one of Python objects."""
    if isinstance(content, str):
        return content.encode("latin1")
    if not isinstance(content, bytes | bytearray | memoryview | pickle.PickleBuffer):
        raise _ForbiddenError("an array of objects")
    return bytes(content)


def _load_storage(content: bytes) -> _Storage:
    """Read the values of a tensor, which are a file of their own inside the pickle."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*TypedStorage is deprecated")
        # torch has its own restricted unpickler, behind this flag.
        storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        values = torch.empty(0, dtype=storage.dtype)
        values = values.set_(storage)
    return _Storage(values.numpy())


def _rebuild_tensor(
    storage: _Storage, offset: int, size: Sequence[int], stride: Sequence[int], *_: Any
) -> NDArray[Any]:
    """Return a copy of a tensor; one that would reach beyond its values is an error."""
    values = storage.value
    sizes, strides = list(map(int, size)), list(map(int, stride))
    total = math.prod(sizes)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    # A stride of 0 repeats values: without a bound a few bytes would become terabytes.
    if offset < 0 or min([*sizes, *strides, 0]) < 0 or total > len(values):
        raise ValueError("a tensor has an impossible shape")
    if total and last >= len(values):
        raise ValueError("a tensor reaches beyond its values")
    item = values.itemsize
    view = np.lib.stride_tricks.as_strided(
        values[offset:], sizes, [step * item for step in strides], writeable=False
    )
    return np.array(view)


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    """Make an object of a class without a constructor; only inert ones are classes here."""
    if not (isinstance(kind, type) and issubclass(kind, InertObject)):
        raise _ForbiddenError("an object of an unknown class")
    return kind()


_ALLOWED: Mapping[tuple[str, str], Callable[..., Any] | object] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch.storage", "_load_from_bytes"): _load_storage,
    ("numpy", "ndarray"): _ARRAY_CLASS,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("collections", "OrderedDict"): OrderedDict,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("_codecs", "encode"): _encode,
    ("builtins", "object"): _ARRAY_CLASS,
    ("builtins", "bytes"): _no_bytes,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
}
"""Module and name → what stands for it. None of these runs anything but its own few lines."""


def _plain(value: Any, depth: int) -> Any:
    """Replace the shells inside containers by what they hold."""
    if depth > _MOST_NESTED:
        raise ValueError("it is nested too deeply")
    if isinstance(value, _Shell):
        return value.value
    if isinstance(value, dict):
        return {_plain(key, depth + 1): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_plain(item, depth + 1) for item in value)
    if isinstance(value, InertObject):
        value.arguments = _plain(value.arguments, depth + 1)
        value.state = _plain(value.state, depth + 1)
    return value
