"""CIF: data blocks as frames, with what the sites, the symmetry and the formula of a block say."""

from matsciml_core.data.readers.cif.blocks import (
    ID_TAG,
    frame_from_cif,
    joined_cif,
    named_blocks,
)

__all__ = ["ID_TAG", "frame_from_cif", "joined_cif", "named_blocks"]
