"""The variational encoder: the path of the composition to the latent distribution."""

import torch

from matsciml_core import Crystal, CrystalBatch
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing.crystals import rutile, sodium_chloride
from matsciml_core.testing.transforms import supercell
from matsciml_model_cdvae.config import CDVAEConfig
from matsciml_model_cdvae.latent import CDVAEEncoder


def _means(*crystals: Crystal, **options: object) -> torch.Tensor:
    """Means of an untrained encoder, of which all messages are zero."""
    torch.manual_seed(0)
    encoder = CDVAEEncoder(CDVAEConfig.from_options(options, where="encoder")).eval().double()
    batch = attach_neighbours(CrystalBatch.from_crystals(crystals), encoder.neighbours)
    with torch.no_grad():
        return encoder(batch).mean


def test_the_composition_has_a_path_of_its_own():
    salt, oxide, larger = _means(
        sodium_chloride(), rutile(), supercell(sodium_chloride(), 2 * torch.eye(3).long())[0]
    )
    assert (salt - oxide).abs().max() > 0.01
    assert torch.allclose(salt, larger, atol=1e-12)


def test_as_published_the_messages_alone_tell_crystals_apart():
    salt, oxide = _means(sodium_chloride(), rutile(), preset="published")
    assert torch.equal(salt, oxide)
