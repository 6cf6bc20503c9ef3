"""An interpreter of pickles that can build plain data, and nothing else.

A pickle is a program for a machine with a stack and a memory. Python's own runs it with real
functions and classes, at the pace and with the trust of compiled code: names, states and indices of
a file go straight into it. This one is written in Python, knows no function but those that it is
handed, keeps its memory in a dictionary, so that an index costs nothing, and counts what it does.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from matsciml_util_toolkit_lmdb.plain_arrays import ArrayShell, Budget, DType, ForbiddenError

MOST_STEPS = 5_000_000
"""Instructions of a record: a structure of a thousand sites has some hundred thousand."""
_OPCODES = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
"""Instructions that hold the value which they push."""


class InertObject:
    """What is left of an object of a foreign library: its name, arguments and state, no methods.

    Args:
        name: Module and name of its class, or of the function that was to make it.
        arguments: What it was to be made with; empty where there was nothing.
        state: What was put into it afterwards, or by keyword; an empty dictionary where nothing
            was.
    """

    def __init__(self, name: str, arguments: tuple[Any, ...] = (), state: Any = None) -> None:
        """Keep them."""
        self.name, self.arguments = name, arguments
        self.state: Any = {} if state is None else state

    def __repr__(self) -> str:
        """Name the class."""
        return f"InertObject({self.name})"


class Name:
    """A name that a pickle uses, and the function of ours that stands for it.

    Args:
        name: Module and name.
        function: Takes the arguments of a call; None: a call makes an inert object.
    """

    def __init__(self, name: str, function: Callable[..., Any] | None = None) -> None:
        """Keep both."""
        self.name, self.function = name, function

    def call(self, arguments: Any, options: Mapping[str, Any] | None = None) -> Any:
        """Return what a call of it makes."""
        if not isinstance(arguments, tuple):
            raise ValueError("a function is called without a tuple of arguments")
        if self.function is not None:
            return self.function(*arguments, **(options or {}))
        return InertObject(self.name, arguments, dict(options or {}))


class Machine:
    """Runs one pickle.

    Args:
        data: What holds it.
        look_up: Takes module and name, and returns what stands for them, or raises an error.
        budget: Bytes of arrays that it may make.
        offset: Where it begins.
        persistent: Whether an external object stands for its own description; else it is an error.
    """

    def __init__(
        self,
        data: bytes,
        look_up: Callable[[str, str], Name],
        budget: Budget,
        *,
        offset: int = 0,
        persistent: bool = False,
    ) -> None:
        """Begin with an empty stack."""
        self.stream = io.BytesIO(data)
        self.stream.seek(offset)
        self._look_up, self._budget, self._persistent = look_up, budget, persistent
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        """The stacks below the marks."""
        self._memory: dict[int, Any] = {}

    def run(self) -> Any:
        """Return the value that the pickle builds; the stream then stands behind it.

        Raises:
            ForbiddenError: It asks for what is not allowed.
            Exception: It is damaged.
        """
        for _ in range(MOST_STEPS):
            code = self.stream.read(1)
            opcode = _OPCODES.get(code[0]) if code else None
            if opcode is None:
                raise ValueError("it ends too early" if not code else "an instruction is unknown")
            argument = None
            if opcode.arg is not None:
                argument = (
                    self._old_text() if opcode.name == "STRING" else opcode.arg.reader(self.stream)
                )
            name = opcode.name
            if name in _VALUES:
                self._stack.append(argument)
            elif name == "STOP":
                return self._stack.pop()
            else:
                step = _STEPS.get(name)
                if step is None:
                    raise ForbiddenError(f"an object by the instruction {name}")
                step(self, argument)
        raise ValueError("it has too many instructions")

    def _old_text(self) -> str:
        """Return a text of Python 2 in quotes, which may hold any byte."""
        line = self.stream.readline().strip()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[:1] != line[-1:]:
            raise ValueError("a text is not in quotes")
        # Bytes as Latin-1 with escapes such as \\x00; Python 2 writes no other escape of text.
        return line[1:-1].decode("unicode_escape")

    def _pop_mark(self) -> list[Any]:
        """Return what lies above the last mark."""
        items, self._stack = self._stack, self._outer.pop()
        return items

    def _top(self, kind: type[Any] | tuple[type[Any], ...]) -> Any:
        top = self._stack[-1]
        # Exactly these: a shell of an array or an object is no container to put things into.
        if not isinstance(top, kind):
            raise ValueError("a value is put into something that is no container")
        return top

    def _mark(self, _: Any) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _collect(self, make: Callable[[list[Any]], Any]) -> None:
        items = self._pop_mark()
        self._stack.append(make(items))

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise ValueError("its stack is empty")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def _append(self, _: Any) -> None:
        value = self._stack.pop()
        self._top(list).append(value)

    def _append_all(self, _: Any) -> None:
        items = self._pop_mark()
        self._top(list).extend(items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._top(dict)[key] = value

    def _set_items(self, _: Any) -> None:
        items = self._pop_mark()
        self._top(dict).update(_pairs(items))

    def _add_items(self, _: Any) -> None:
        items = self._pop_mark()
        self._top(set).update(items)

    def _put(self, index: int) -> None:
        self._memory[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memory[index])

    def _global(self, text: str) -> None:
        module, name = text.split(" ", 1)
        self._stack.append(self._look_up(module, name))

    def _stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ForbiddenError("an object without a name")
        self._stack.append(self._look_up(module, name))

    def _call(self, _: Any) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        self._stack.append(_named(name).call(arguments))

    def _new(self, _: Any) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        self._stack.append(_inert(name).call(arguments))

    def _new_with_options(self, _: Any) -> None:
        options, arguments, name = (self._stack.pop() for _ in range(3))
        if not isinstance(options, dict):
            raise ValueError("an object has options that are no dictionary")
        self._stack.append(_inert(name).call(arguments, options))

    def _build(self, _: Any) -> None:
        """Give a state to the last value, of the three kinds that have one here."""
        state = self._stack.pop()
        top = self._stack[-1]
        if isinstance(top, InertObject):
            top.state = state
        elif isinstance(top, DType):
            top.fill(state)
        elif isinstance(top, ArrayShell):
            top.fill(state, self._budget)
        else:
            raise ForbiddenError("a state of something that has none")

    def _external(self, _: Any) -> None:
        if not self._persistent:
            raise ForbiddenError("an object outside of it")
        # Its description, a tuple, is on the stack already and stays there.


def _named(value: Any) -> Name:
    if not isinstance(value, Name):
        raise ForbiddenError("a call of something that is no function")
    return value


def _inert(value: Any) -> Name:
    name = _named(value)
    if name.function is not None:
        raise ForbiddenError(f"a new '{name.name}'")
    return name


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise ValueError("a dictionary has a key without a value")
    return dict(zip(items[::2], items[1::2], strict=True))


def _push(make: Callable[[], Any]) -> Callable[[Machine, Any], None]:
    return lambda machine, _: machine._stack.append(make())


_STEPS: Mapping[str, Callable[[Machine, Any], object]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "NONE": _push(lambda: None),
    "NEWTRUE": _push(lambda: True),
    "NEWFALSE": _push(lambda: False),
    "EMPTY_LIST": _push(list),
    "EMPTY_TUPLE": _push(tuple),
    "EMPTY_DICT": _push(dict),
    "EMPTY_SET": _push(set),
    "MARK": Machine._mark,
    "POP": lambda machine, _: machine._stack.pop() if machine._stack else machine._pop_mark(),
    "POP_MARK": lambda machine, _: machine._pop_mark(),
    "DUP": lambda machine, _: machine._stack.append(machine._stack[-1]),
    "LIST": lambda machine, _: machine._collect(list),
    "TUPLE": lambda machine, _: machine._collect(tuple),
    "DICT": lambda machine, _: machine._collect(_pairs),
    "FROZENSET": lambda machine, _: machine._collect(frozenset),
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "APPEND": Machine._append,
    "APPENDS": Machine._append_all,
    "SETITEM": Machine._set_item,
    "SETITEMS": Machine._set_items,
    "ADDITEMS": Machine._add_items,
    "PUT": Machine._put,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "MEMOIZE": lambda machine, _: machine._put(len(machine._memory)),
    "GET": Machine._get,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._call,
    "NEWOBJ": Machine._new,
    "NEWOBJ_EX": Machine._new_with_options,
    "BUILD": Machine._build,
    "BINPERSID": Machine._external,
}
"""What each instruction does; those that are absent plain data needs not."""
