"""The reader under test, with the files that its checks share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from weakref import finalize

from matsciml_core.data.readers.frames import Frame, Record
from matsciml_core.data.readers.reader import Reader
from matsciml_core.data.readers.reading import read_files
from matsciml_core.registry.specs import ReaderSpec
from matsciml_core.testing.checks import Broken, NotApplicable
from matsciml_core.testing.reader.sample import Sample
from matsciml_core.testing.subject import Subject


@dataclass
class ReaderSubject(Subject):
    """A reader under test."""

    @property
    def declared(self) -> ReaderSpec:
        """What the plugin declares."""
        if not isinstance(self.spec, ReaderSpec):
            raise TypeError(f"'{self.spec.name}' is of the kind {self.spec.kind}, not reader.")
        return self.spec

    @cached_property
    def reader(self) -> Reader:
        """The reader."""
        reader = self.component(self.config)
        if not isinstance(reader, Reader):
            raise Broken(f"{self.component.__name__} is not a subclass of Reader.")
        return reader

    def prepare(self) -> None:
        """Build the reader, and let it write or name its samples."""
        _ = self.reader, self.samples

    @cached_property
    def folder(self) -> Path:
        """A folder of this test, which is removed when the subject is."""
        # Removed with the subject, which tests keep for as long as the test class.
        folder = Path(mkdtemp(prefix="matsciml-reader-"))
        finalize(self, rmtree, folder, ignore_errors=True)
        return folder

    @cached_property
    def samples(self) -> list[Sample]:
        """The samples that the plugin comes with.

        Raises:
            Broken: There is none, or one without a record.
        """
        if self.declared.samples is None:
            raise Broken(
                "The reader names no samples, so that nothing about it can be tested; see "
                "ReaderSpec.samples."
            )
        folder = self.folder / "samples"
        folder.mkdir()
        samples = list(self.spec.load_named(self.declared.samples)(folder))
        if not samples or not all(sample.frames for sample in samples):
            raise Broken("The reader has no sample, or one without a record.")
        return samples

    @property
    def files(self) -> Iterator[tuple[Sample, Path]]:
        """Samples that are single files.

        Raises:
            NotApplicable: All are folders.
        """
        files = [(sample, sample.path) for sample in self.samples if sample.path.is_file()]
        if not files:
            raise NotApplicable("The samples are folders.")
        yield from files

    def read(self, path: Path) -> Iterator[Record]:
        """Read a file or folder as the core does.

        Raises:
            DataError: Nothing (more) of it can be read.
        """
        return read_files(self.reader, self.declared, path)

    def frames(self, path: Path) -> list[Frame]:
        """Return the records of a path, none of which may be rejected.

        Raises:
            Broken: One is.
        """
        records = list(self.read(path))
        for record in records:
            if not isinstance(record, Frame):
                raise Broken(f"'{record.id}' of '{path.name}' is rejected: {record.reason}")
        return [record for record in records if isinstance(record, Frame)]

    def copy(self, path: Path, name: str, content: bytes) -> Path:
        """Write a file that resembles a sample into a folder of its own, and return it."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        copied = folder / path.name
        copied.write_bytes(content)
        return copied
