"""Arrays and tensors out of other toolkits' pickles, built here from bytes whose length is checked.

Nothing of NumPy's or torch's own rebuilding is used: those trust the sizes that a file states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS = "biufcSU"
"""NumPy's kinds of plain values: booleans, integers, floats, complex numbers, and strings."""
_MOST_DIMENSIONS = 32
"""NumPy's own limit until its second version."""
_STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "UntypedStorage": "u1", "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16",
}  # fmt: skip
"""torch's names of one-dimensional, contiguous values → NumPy's of their type. bfloat16 is none of
NumPy's, and no dataset's."""


class ForbiddenError(Exception):
    """The pickle asks for something that is no plain data."""


class DType:
    """A NumPy data type."""

    def __init__(self, code: Any, *_: Any) -> None:
        """Take a text such as ``f8``; a type of objects or of records is an error."""
        self.value = np.dtype(_text(code))
        if self.value.kind not in _KINDS:
            raise ForbiddenError(f"an array of {code!r}")

    def fill(self, state: Any) -> None:
        """Take over the byte order, which is all of a plain type that arrives later."""
        order, nested, names, fields = _tuple(state)[1:5]  # the first entry is a version
        if nested is not None or names is not None or fields is not None:
            raise ForbiddenError("an array of records")
        self.value = self.value.newbyteorder(order)


class ArrayShell:
    """An array whose content arrives after it was named, once."""

    value: NDArray[Any] | None = None

    def fill(self, state: Any, budget: Budget) -> None:
        """Build the array."""
        if self.value is not None:
            raise ValueError("an array is filled twice")
        shape, dtype, fortran, content = _tuple(state)[1:5]
        self.value = build_array(budget, content, dtype, shape, "F" if fortran else "C")


class Budget:
    """How many bytes of arrays a record may still make.

    Args:
        left: Bytes.
    """

    def __init__(self, left: int) -> None:
        """Begin with all of them."""
        self.left = left

    def take(self, size: int) -> None:
        """Count bytes before they are allocated.

        Raises:
            ValueError: There are not so many left.
        """
        self.left -= size
        if self.left < 0:
            raise ValueError("it would need many times the memory of its own size")


class Storage:
    """The values of one or several tensors: one-dimensional, contiguous, of the declared type.

    Args:
        values: ``(values,)``, a copy that belongs to this module.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        """Keep them."""
        self.values = values


def build_array(
    budget: Budget, content: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any
) -> NDArray[Any]:
    """Return an array of its bytes, as NumPy's ``_frombuffer`` does.

    Args:
        budget: Is charged for it.
        content: The bytes; no list, which would be one of Python objects.
        dtype: A ``DType``.
        shape: Its sizes; their product must be what the bytes hold.
        order: ``"C"`` or ``"F"``.
    """
    if not isinstance(dtype, DType):
        raise ForbiddenError("an array without a plain data type")
    data = as_bytes(content)
    budget.take(len(data))
    sizes = _sizes((shape,) if isinstance(shape, int) else shape)
    item = dtype.value.itemsize
    # Python's integers do not overflow, as NumPy's product would.
    if math.prod(sizes) * item != len(data):
        raise ValueError("the bytes of an array do not fill its shape")
    if not item:  # of empty text; there is nothing to read
        return np.zeros(sizes, dtype.value)
    flat = np.frombuffer(data, dtype=dtype.value)
    return np.array(flat.reshape(sizes, order="F" if order == "F" else "C"))


def build_scalar(budget: Budget, dtype: Any, content: Any) -> Any:
    """Return a single NumPy value, as ``numpy.core.multiarray.scalar`` does."""
    return build_array(budget, content, dtype, ())[()]


def read_storage(content: Any, read: Callable[[bytes, int], tuple[Any, int]]) -> Storage:
    """Return the values of a tensor, which are a file of their own inside the pickle.

    torch writes five pickles one after the other: a magic number, a version, the machine, the
    values' type, key and count, and a list of keys; then the count and the raw values follow.

    Args:
        content: That file.
        read: Takes its bytes and an offset, and returns plain data and the offset behind it; a
            persistent id stands for itself.
    """
    data, position, parts = as_bytes(content), 0, []
    for _ in range(5):
        part, position = read(data, position)
        parts.append(part)
    magic, _version, system, described, keys = parts
    if magic != 0x1950A86A20F9469CFC6C or not isinstance(system, dict):
        raise ValueError("the values of a tensor are not in torch's old form")
    if system.get("little_endian") is not True:
        raise ValueError("the values of a tensor are of a machine with another byte order")
    kind, name, key, _location, count, *view = _tuple(described)
    if kind != "storage" or keys != [key] or any(one is not None for one in view):
        raise ForbiddenError("a tensor that shares its values with another file")
    module, _, name = str(name).rpartition(".")
    if module not in ("torch", "torch.storage") or name not in _STORAGES:
        raise ForbiddenError(f"a tensor of '{module}.{name}'")
    dtype = np.dtype(_STORAGES[name])
    stated = int.from_bytes(data[position : position + 8], "little")
    raw = data[position + 8 :]
    if stated != _index(count) or len(raw) != stated * dtype.itemsize:
        raise ValueError("a tensor has not the number of values that it states")
    return Storage(np.frombuffer(raw, dtype=dtype))


def build_tensor(
    budget: Budget, storage: Any, offset: Any, size: Any, stride: Any, *_: Any
) -> NDArray[Any]:
    """Return a copy of a tensor; one that would reach beyond its values is an error.

    Args:
        budget: Is charged for it.
        storage: A ``Storage``, and nothing that looks like one.
        offset: Where it begins among the values.
        size: Its sizes.
        stride: Values from one entry to the next, per dimension.
    """
    if not isinstance(storage, Storage):
        raise ForbiddenError("a tensor without values of its own")
    values, first = storage.values, _index(offset)
    sizes, strides = _sizes(size), _sizes(stride)
    total = math.prod(sizes)
    last = first + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    # A stride of 0 repeats values: without a bound a few bytes would become terabytes.
    if total > len(values):
        raise ValueError("a tensor has an impossible shape")
    if total == 0:
        return np.zeros(sizes, values.dtype)
    if last >= len(values):
        raise ValueError("a tensor reaches beyond its values")
    item = values.itemsize
    budget.take(total * item)
    view = np.lib.stride_tricks.as_strided(
        values[first:], sizes, [step * item for step in strides], writeable=False
    )
    return np.array(view)


def as_bytes(content: Any) -> bytes:
    """Return the content of an array; a list would be one of Python objects."""
    if isinstance(content, str):
        return content.encode("latin1")
    if not isinstance(content, bytes | bytearray):
        raise ForbiddenError("an array of objects")
    return bytes(content)


def _sizes(values: Any) -> tuple[int, ...]:
    sizes = tuple(_index(value) for value in _tuple(values))
    if len(sizes) > _MOST_DIMENSIONS:
        raise ValueError("an array has too many dimensions")
    return sizes


def _index(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise ValueError("a tensor has an impossible shape")
    return value


def _tuple(value: Any) -> Sequence[Any]:
    if not isinstance(value, tuple | list):
        raise ValueError("an array is described by no tuple")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 40:
        raise ForbiddenError("an array of a type without a name")
    return value
