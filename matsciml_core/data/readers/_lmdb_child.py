"""Run as a process of its own: sends the records of an LMDB file to the process that started it.

LMDB trusts the file that it maps into memory. What a damaged one does to a process, it does to this
one, which holds nothing. Imports nothing of this project, so that it starts at once.
"""

from __future__ import annotations

import struct
import sys

import lmdb

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

HEADER = struct.Struct("<qQ")
"""Length of a key, of its value; then both. A key's length of -1 ends the records, and the second
number is how many there are in the file."""
_REFUSED = 3


def main(path: str, mode: str, start: int, memory: int, size: int) -> int:
    """Send what is asked for to the standard output.

    Args:
        path: The file.
        mode: ``"count"``, ``"read"``, or ``"check"``, which reads everything before it sends any.
        start: How many records to skip.
        memory: Most bytes that the process may allocate; the mapped file is none of them.
        size: Bytes of the file.
    """
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Not the address space: LMDB maps as much of it as the file was made for, often terabytes.
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    out = sys.stdout.buffer
    with lmdb.open(
        path, subdir=False, readonly=True, lock=False, readahead=False, max_dbs=0
    ) as environment:
        with environment.begin(buffers=True) as transaction:
            keys: list[bytes] = []
            for view in transaction.cursor().iternext(keys=True, values=False):
                key = bytes(view)
                # Toolkits keep ``length`` and the like beside the records.
                if key.isdigit():
                    keys.append(key)
                # Pages that lead back to one another would go on for ever.
                if len(keys) > size // 8:
                    raise ValueError("its pages lead in a circle")
            if mode == "check":
                for key in keys:
                    bytes(transaction.get(key, b""))
        # LMDB sorts keys as text, in which 10 comes before 2.
        for key in sorted(keys, key=int)[start:] if mode != "count" else ():
            # A transaction for each: a long one would keep the file's old pages alive.
            with environment.begin(buffers=True) as transaction:
                value = transaction.get(key, b"")
                out.write(HEADER.pack(len(key), len(value)))
                out.write(key)
                out.write(value)
        out.write(HEADER.pack(-1, len(keys)))
        out.flush()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
    except BrokenPipeError:
        sys.exit(0)  # nobody wants the rest
    except (lmdb.Error, OSError, ValueError, MemoryError, OverflowError) as error:
        print(str(error) or type(error).__name__, file=sys.stderr)
        sys.exit(_REFUSED)
