"""Reading plain data out of other toolkits' pickles without running anything they ask for.

A pickle is a program: reading it calls whatever functions it names. Here it gets none of them, and
not Python's own reader either. The few names that plain arrays and tensors are made of are answered
by functions of this package, which build NumPy arrays themselves and check every size; objects of
named libraries become inert records; every other name is an error.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from matsciml_core.errors import DataError
from matsciml_util_toolkit_lmdb.pickle_machine import InertObject, Machine, Name
from matsciml_util_toolkit_lmdb.plain_arrays import (
    ArrayShell,
    Budget,
    DType,
    ForbiddenError,
    Storage,
    build_array,
    build_scalar,
    build_tensor,
    read_storage,
)

_MOST_NESTED = 100
"""Deepest nesting of containers."""
_MOST_VALUES = 10_000_000
"""Values of a record, with those that are shared counted each time: a few bytes can name lists of
lists of lists that nobody could walk through."""
_MEMORY = 8
"""Bytes of arrays that a record may make for each of its own; an honest one makes about one."""

__all__ = ["InertObject", "load_plain"]


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
    names = _Names(inert, Budget(_MEMORY * len(data)))
    try:
        return _Plain().of(Machine(data, names.look_up, names.budget).run())
    except ForbiddenError as error:
        raise DataError(
            f"{where} is a pickle that asks for {error}, which is no plain data; nothing of it was "
            "run. If you trust where it comes from, ask its makers for a format without code."
        ) from None
    except Exception as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{where} is a damaged pickle, or none: {detail}.") from error


class _Names:
    """What stands for the names in one pickle."""

    def __init__(self, inert: Sequence[str], budget: Budget) -> None:
        self.budget = budget
        self._inert = tuple(inert)
        self._functions: Mapping[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor_v2"): partial(build_tensor, budget),
            ("torch._utils", "_rebuild_tensor"): partial(build_tensor, budget),
            ("torch.storage", "_load_from_bytes"): self._storage,
            ("numpy", "ndarray"): _no_call,
            ("numpy", "dtype"): DType,
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy.core.multiarray", "scalar"): partial(build_scalar, budget),
            ("numpy.core.numeric", "_frombuffer"): partial(build_array, budget),
            ("collections", "OrderedDict"): _dictionary,
            ("copyreg", "_reconstructor"): _reconstructor,
            ("copy_reg", "_reconstructor"): _reconstructor,
            ("_codecs", "encode"): self._encode,
            ("builtins", "object"): _no_call,
            ("builtins", "bytes"): _no_bytes,
            ("builtins", "set"): _set,
            ("builtins", "frozenset"): _frozenset,
            ("builtins", "complex"): _complex,
        }
        """Module and name → what stands for it; none runs anything but its own few lines."""

    def look_up(self, module: str, name: str) -> Name:
        """Return what stands for a name.

        Raises:
            ForbiddenError: Nothing does.
        """
        # NumPy 2 moved its internals, and Python 2 called the builtins otherwise.
        module = module.replace("numpy._core.", "numpy.core.").replace("__builtin__", "builtins")
        function = self._functions.get((module, name))
        if function is not None:
            return Name(f"{module}.{name}", function)
        if module.partition(".")[0] in self._inert:
            return Name(f"{module}.{name}")
        raise ForbiddenError(f"'{module}.{name}'")

    def _storage(self, content: Any) -> Storage:
        def read(data: bytes, offset: int) -> tuple[Any, int]:
            # A file within the file: no names but those of the types of values, which stay names.
            machine = Machine(data, _storage_name, self.budget, offset=offset, persistent=True)
            return _Plain(names=True).of(machine.run()), machine.stream.tell()

        self.budget.take(len(content))
        return read_storage(content, read)

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """Return bytes, which old protocols write as text with an encoding."""
        if not isinstance(text, str):
            raise ForbiddenError("the encoding of something that is no text")
        self.budget.take(len(text))
        return text.encode("latin1" if encoding in ("latin1", "latin-1") else "utf-8")


def _storage_name(module: str, name: str) -> Name:
    if module not in ("torch", "torch.storage"):
        raise ForbiddenError(f"'{module}.{name}'")
    return Name(f"{module}.{name}", _no_call)


def _no_call(*_: Any) -> Any:
    raise ForbiddenError("a call of a class that is only named")


def _reconstruct(kind: Any, *_: Any) -> ArrayShell:
    """Return an array without content, whatever shape is asked for; its state has the real one."""
    if not (isinstance(kind, Name) and kind.name == "numpy.ndarray"):
        raise ForbiddenError("an array of a class of its own")
    return ArrayShell()


def _reconstructor(kind: Any, *_: Any) -> Any:
    """Make an object of a class without a constructor; only inert ones are classes here."""
    if not isinstance(kind, Name) or kind.function is not None:
        raise ForbiddenError("an object of an unknown class")
    return kind.call(())


def _no_bytes() -> bytes:
    """Return no bytes, as Python 2 spells them; with an argument it would fill the memory."""
    return b""


def _dictionary(items: Any = ()) -> OrderedDict[Any, Any]:
    if not isinstance(items, list | tuple | dict):
        raise ForbiddenError("a dictionary of something strange")
    return OrderedDict(items)


def _set(items: Any = ()) -> set[Any]:
    if not isinstance(items, list | tuple):
        raise ForbiddenError("a set of something strange")
    return set(items)


def _frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_set(items))


def _complex(real: Any, imaginary: Any = 0.0) -> complex:
    if not all(isinstance(part, int | float) for part in (real, imaginary)):
        raise ForbiddenError("a complex number of something strange")
    return complex(real, imaginary)


class _Plain:
    """Replaces shells inside containers by what they hold; what is shared stays shared.

    Args:
        names: Whether names become text; else inert objects.
    """

    def __init__(self, *, names: bool = False) -> None:
        self._names = names
        self._done: dict[int, tuple[Any, Any, int]] = {}
        """Identity of a container → itself, so that it stays alive; what it became; its size."""

    def of(self, value: Any) -> Any:
        """Return plain data."""
        return self._of(value, 0)[0]

    def _of(self, value: Any, depth: int) -> tuple[Any, int]:
        """Return plain data, and how many values there are in it."""
        if isinstance(value, DType | ArrayShell):
            return value.value, 1
        if isinstance(value, Storage):
            return value.values, 1
        if isinstance(value, Name):
            return (value.name if self._names else InertObject(value.name)), 1
        if not isinstance(value, dict | list | tuple | set | frozenset | InertObject):
            return value, 1
        if depth > _MOST_NESTED:
            raise ValueError("it is nested too deeply")  # a list that holds itself, too
        known = self._done.get(id(value))
        if known is None:
            plain, size = self._container(value, depth + 1)
            if size > _MOST_VALUES:
                raise ValueError("it holds too many values")
            known = self._done[id(value)] = (value, plain, size)
        return known[1:]

    def _container(self, value: Any, depth: int) -> tuple[Any, int]:
        if isinstance(value, InertObject):
            # An object may hold itself: the store of a graph of PyTorch Geometric holds the graph.
            self._done[id(value)] = (value, value, 1)
            value.arguments, first = self._of(value.arguments, depth)
            value.state, second = self._of(value.state, depth)
            return value, first + second
        if isinstance(value, dict):
            keys = [self._of(key, depth) for key in value]
            items = [self._of(item, depth) for item in value.values()]
            pairs = zip((key for key, _ in keys), (item for item, _ in items), strict=True)
            return dict(pairs), 1 + sum(size for _, size in (*keys, *items))
        parts = [self._of(item, depth) for item in value]
        return type(value)(part for part, _ in parts), 1 + sum(size for _, size in parts)
