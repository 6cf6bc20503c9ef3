"""Files that are one block of lines after another, each between two lines that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Record
from matsciml_core.errors import DataError


def read_blocks(
    file: InputFile,
    begin: str,
    end: str,
    parse: Callable[[list[list[str]], str], Frame],
    noun: str,
) -> Iterator[Record]:
    """Yield a record for each block of a file.

    Args:
        file: The file.
        begin: The first word of the line before a block.
        end: The line after it.
        parse: Takes the words of a block's lines, the first one among them and empty ones left
            out, and the name of its record. Raises KeyError, IndexError or ValueError where words
            are missing or are not what they should be, and DataError with a reason of its own.
        noun: What a block is called in a sentence.

    Returns:
        Frames; a rejection for a block that cannot be parsed, and for one without an end.

    Raises:
        DataError: The file has no block.
    """
    count = 0
    with file.open_text() as stream:
        lines: list[list[str]] | None = None
        for line in stream:
            words = line.split()
            if words[:1] == [begin]:
                lines = [words]
            elif words == [end] and lines is not None:
                name = f"{file.stem}-{count:06d}"
                try:
                    yield parse(lines, name)
                except DataError as error:
                    yield Rejection.of(name, error)
                except (KeyError, IndexError, ValueError):
                    yield Rejection(name, f"The {noun} is incomplete, or not as its format says.")
                count, lines = count + 1, None
            elif lines is not None and words:
                lines.append(words)
    if lines is not None:
        yield Rejection(f"{file.stem}-{count:06d}", f"The file ends before the end of the {noun}.")
    elif not count:
        raise DataError(f"'{file.path}' has no line '{begin}' before a {noun}.")
