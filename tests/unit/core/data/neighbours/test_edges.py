"""Edges: remembered in few bytes, joined for batches, and reduced to those that differ."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, MessageGraph, Neighbourhood
from matsciml_core.data import attach_asymmetric_unit
from matsciml_core.data.neighbours.edges import (
    EdgeList,
    EdgeSource,
    NeighbourCache,
    attach,
    group_equal,
    join_edges,
)
from matsciml_core.testing.crystals import (
    bcc_iron,
    hcp_magnesium,
    rutile,
    simple_cubic,
    sodium_chloride,
    triclinic,
)

SAMPLES = [rutile(), bcc_iron(), triclinic(), hcp_magnesium(), sodium_chloride()]


class TestCache:
    EDGES = np.array([[0, 1, 1, 0], [0, 0, 1, 1]])
    SHIFTS = np.array([[0, 0, 1], [-1, 0, 0], [0, 2, 0], [0, 0, 0]], dtype=np.int32)

    def test_what_is_put_in_comes_out(self) -> None:
        cache = NeighbourCache()
        cache.put(5, EdgeList(self.EDGES, self.SHIFTS))
        assert 5 in cache
        assert 4 not in cache
        edges, shifts, _ = join_edges([cache[5]], np.array([0]))
        assert edges.dtype == np.int64
        assert edges.tolist() == self.EDGES.tolist()
        assert shifts.tolist() == self.SHIFTS.tolist()

    def test_crystals_are_renumbered_and_joined(self) -> None:
        cache = NeighbourCache()
        cache.put(5, EdgeList(self.EDGES, self.SHIFTS))
        cache.put(2, EdgeList(self.EDGES[:, :1], self.SHIFTS[:1]))
        edges, shifts, _ = join_edges(
            [cache[2], cache[5], cache[2]],
            np.array([0, 1, 3]),
        )
        assert edges.tolist() == [[0, 1, 2, 2, 1, 3], [0, 1, 1, 2, 2, 3]]
        assert shifts.tolist() == [[0, 0, 1], *self.SHIFTS.tolist(), [0, 0, 1]]

    @pytest.mark.parametrize("largest", [1, 127, 128, 40_000, 2**40])
    def test_numbers_of_any_size_survive(self, largest: int) -> None:
        cache = NeighbourCache()
        edges = np.array([[0, largest], [largest, 0]])
        shifts = np.array([[0, 0, -300], [0, min(largest, 2**30), 0]], dtype=np.int32)
        cache.put(0, EdgeList(edges, shifts))
        cache.put(1, EdgeList(self.EDGES, self.SHIFTS))
        found, images, _ = join_edges(
            [cache[0], cache[1]],
            np.array([0, 7]),
        )
        assert found.tolist() == np.concatenate([edges, self.EDGES + 7], axis=1).tolist()
        assert images.tolist() == [*shifts.tolist(), *self.SHIFTS.tolist()]

    def test_small_crystals_take_few_bytes(self) -> None:
        """Ten atoms with fifty neighbours each: five bytes an edge."""
        cache = NeighbourCache()
        cache.put(0, EdgeList(np.ones((2, 500), dtype=np.int64), np.ones((500, 3), dtype=np.int32)))
        assert cache.size == 2500

    def test_later_changes_of_the_arrays_do_not_reach_it(self) -> None:
        cache = NeighbourCache()
        edges, shifts = np.zeros((2, 3), dtype=np.int8), np.zeros((3, 3), dtype=np.int8)
        cache.put(0, EdgeList(edges, shifts))
        found, images, _ = join_edges([cache[0]], np.array([0]))
        for array in (edges, shifts, found, images):
            array += 1
        again, _, _ = join_edges([cache[0]], np.array([0]))
        assert not again.any()
        assert not join_edges([cache[0]], np.array([0]))[1].any()

    def test_the_limit_is_respected(self) -> None:
        cache = NeighbourCache(limit=50)
        for index in range(9):
            cache.put(index, EdgeList(self.EDGES, self.SHIFTS))  # 20 bytes each
        assert cache.size == 40
        assert [index for index in range(9) if index in cache] == [0, 1]
        cache.put(20, EdgeList(self.EDGES[:, :2], self.SHIFTS[:2]))  # 10 bytes still fit
        assert 20 in cache
        assert cache.size == 50

    def test_a_crystal_seen_twice_counts_once(self) -> None:
        cache = NeighbourCache()
        cache.put(0, EdgeList(self.EDGES, self.SHIFTS))
        cache.put(0, EdgeList(self.EDGES, self.SHIFTS))
        assert cache.size == 20

    def test_a_crystal_without_edges(self) -> None:
        cache = NeighbourCache()
        cache.put(3, EdgeList(np.empty((2, 0), dtype=np.int64), np.empty((0, 3), dtype=np.int32)))
        edges, shifts, _ = join_edges(
            [cache[3], cache[3]],
            np.array([0, 1]),
        )
        assert edges.shape == (2, 0)
        assert shifts.shape == (0, 3)


class TestGroupEqual:
    def test_equal_lengths_from_one_atom_are_one(self) -> None:
        groups = group_equal(
            np.array([0, 0, 0, 0, 1, 1]),
            np.array([1, 0, 1, 1, 0, 0]),
            np.array([2.0, 2.0, 2.0, 3.0, 2.0, 2.0]),
        )
        assert groups.tolist() == [1, 0, 1, 2, 3, 3]

    def test_rounding_of_files_does_not_count(self) -> None:
        groups = group_equal(np.zeros(3), np.zeros(3), np.array([2.000001, 2.001, 2.0]))
        assert groups.tolist() == [0, 1, 0]

    def test_no_edges(self) -> None:
        empty = np.zeros(0, dtype=np.int64)
        assert not len(group_equal(empty, empty, empty.astype(float)))


def source(uses: str, *, cached: bool = False) -> EdgeSource:
    near = Neighbourhood(cutoff=5.0, uses=uses)  # type: ignore[arg-type]
    return EdgeSource(near, NeighbourCache() if cached else None)


def find(uses: str, crystals: list[Crystal]) -> EdgeList:
    batch = attach_asymmetric_unit(CrystalBatch.from_crystals(crystals))
    return source(uses).find(batch, range(len(crystals)))


def reduced_batch(uses: str, crystals: list[Crystal]) -> CrystalBatch:
    batch = attach_asymmetric_unit(CrystalBatch.from_crystals(crystals))
    return attach(batch, source(uses).find(batch, range(len(crystals))))


def cubic_with_a_coincidence() -> Crystal:
    """A simple cubic cell with room: images at (3, 0, 0) and (2, 2, 1) are equally far away."""
    return replace(simple_cubic(1.6), id="coincidence")


class TestReduction:
    def test_iron_has_one_edge_per_shell(self) -> None:
        """Body-centred cubic within 5 Å: 8, 6, 12, 24 and 8 neighbours at five distances."""
        for uses in ("lengths", "vectors"):
            assert sorted(find(uses, [bcc_iron()]).multiplicity.tolist()) == [6, 8, 8, 12, 24]

    def test_equal_lengths_that_symmetry_does_not_connect(self) -> None:
        """Without site symmetry along the edge, directions tell edges of one length apart."""
        crystal = rutile()
        lengths, vectors = (len(find(uses, [crystal]).shifts) for uses in ("lengths", "vectors"))
        assert lengths <= vectors < len(find("edges", [crystal]).shifts)

    def test_coincidences_are_harmless_where_nothing_can_move(self) -> None:
        """An atom on a cubic site has no allowed displacement, so length is all there is."""
        crystal = cubic_with_a_coincidence()
        assert len(find("vectors", [crystal]).shifts) == len(find("lengths", [crystal]).shifts)

    @pytest.mark.parametrize("uses", ["lengths", "vectors"])
    def test_every_edge_is_counted(self, uses: str) -> None:
        merged, all_edges = (reduced_batch(choice, SAMPLES) for choice in (uses, "edges"))
        counts = MessageGraph.of(merged).incoming.counts(torch.float64)
        assert torch.equal(counts, MessageGraph.of(all_edges).incoming.counts(torch.float64))
        assert merged.num_edges < 0.7 * all_edges.num_edges

    def test_a_crystal_without_symmetry_keeps_its_edges(self) -> None:
        """Lengths alone make one of each pair of opposite images of an atom itself."""
        all_edges = find("edges", [triclinic()])
        own = all_edges.ends[0] == all_edges.ends[1]
        assert len(find("lengths", [triclinic()]).shifts) == len(all_edges.shifts) - own.sum() // 2
        assert len(find("vectors", [triclinic()]).shifts) == len(all_edges.shifts)

    def test_whole_crystals_are_left_alone(self) -> None:
        batch = CrystalBatch.from_crystals(SAMPLES)
        merged = source("lengths").find(batch, range(len(SAMPLES)))
        assert merged.multiplicity is None
        assert merged.ends.shape == source("edges").find(batch, range(5)).ends.shape

    @pytest.mark.parametrize("uses", ["lengths", "vectors", "edges"])
    @pytest.mark.parametrize("chosen", [[0], [2, 0], [4, 3, 2, 1, 0]])
    def test_from_the_cache_they_are_the_same(self, chosen: list[int], uses: str) -> None:
        cached = source(uses, cached=True)
        cached.find(attach_asymmetric_unit(CrystalBatch.from_crystals(SAMPLES[:3])), range(3))
        batch = attach_asymmetric_unit(CrystalBatch.from_crystals([SAMPLES[k] for k in chosen]))
        for _ in range(2):
            found = cached.find(batch, chosen)
            expected = source(uses).find(batch, chosen)
            for one, other in zip(found, expected, strict=True):
                assert np.array_equal(one, other)

    def test_the_multiplicity_has_the_type_of_the_batch(self) -> None:
        batch = reduced_batch("lengths", SAMPLES)
        assert batch.asymmetric_unit.edge_multiplicity.dtype == torch.float64
        single = batch.to(dtype=torch.float32).asymmetric_unit
        assert single.edge_multiplicity.dtype == torch.float32
