"""matminer's CrystalNN fingerprint of a site, with the same numbers in less time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_WEIGHT = "wt"
"""matminer's name of the weight of a coordination number itself, the first entry of each."""
_LAST_ONLY = frozenset(
    (
        "tri_bipyr",
        "sq_bipyr",
        "pent_bipyr",
        "hex_bipyr",
        "oct_max",
        "sq_plan_max",
        "hex_plan_max",
        "see_saw_rect",
    )
)
"""Order parameters to which pymatgen adds the neighbours at the south pole only where they are the
last ones of their object."""


class SiteFingerprint:
    """The weights and order parameters of each coordination number that CrystalNN finds.

    matminer computes each order parameter by itself, and with each the angles between all triples
    of neighbours again. Here those of one coordination number share them, as far as that changes
    nothing: the sums are pymatgen's own, in the same order, so that the numbers are equal to the
    last bit.

    Args:
        featurizer: matminer's ``CrystalNNFingerprint``, without chemical properties.
    """

    def __init__(self, featurizer: Any) -> None:
        """Group the order parameters."""
        from matminer.featurizers.site.fingerprint import (  # noqa: PLC0415 - takes seconds
            load_cn_motif_op_params,
        )

        self._neighbours = featurizer.cnn
        self._names: Mapping[int, Sequence[str]] = featurizer.op_types
        motifs = load_cn_motif_op_params()
        self._groups = {
            number: _grouped([name for name in names if name != _WEIGHT], motifs.get(number, {}))
            for number, names in self._names.items()
        }

    def featurize(self, structure: Any, index: int) -> list[float]:
        """Return the fingerprint of a site, ``(61,)`` numbers for the preset ``ops``.

        Args:
            structure: pymatgen's Structure.
            index: Index of the site.
        """
        found = self._neighbours.get_nn_data(structure, index)
        values: list[float] = []
        for number in range(1, max(self._names) + 1):
            names = self._names.get(number, ())
            weight = found.cn_weights.get(number, 0)
            if weight == 0:
                values += [weight] * len(names)
                continue
            sites = [structure[index], *(entry["site"] for entry in found.cn_nninfo[number])]
            ordered = {_WEIGHT: 1.0}
            for group, parameters in self._groups[number]:
                numbers = parameters.get_order_parameters(
                    sites, 0, indices_neighs=list(range(1, len(sites)))
                )
                # None where an order parameter has no meaning, for example of a single neighbour.
                ordered |= {name: value or 0 for name, value in zip(group, numbers, strict=True)}
            values += [weight * ordered[name] for name in names]
        return values


def _grouped(
    names: Sequence[str], motifs: Mapping[str, Sequence[Any]]
) -> list[tuple[Sequence[str], Any]]:
    """Return order parameters in groups that are computed together.

    Args:
        names: matminer's names of them.
        motifs: By name, pymatgen's name, and the parameters where they are not its defaults.
    """
    from pymatgen.analysis.local_env import LocalStructOrderParams  # noqa: PLC0415 - heavy

    kinds = {name: motifs.get(name, [name])[0] for name in names}
    last = [name for name in names if kinds[name] in _LAST_ONLY]
    # The rest with one of these at the end, and the others of these alone.
    groups = [[name for name in names if name not in last] + last[:1]]
    groups += [[name] for name in last[1:]]
    return [
        (
            group,
            LocalStructOrderParams(
                [kinds[name] for name in group],
                parameters=[dict(enumerate(motifs.get(name, ()))).get(1) for name in group],
            ),
        )
        for group in groups
        if group
    ]
