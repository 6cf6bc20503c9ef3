"""Open Catalyst 2020 as MatSciML datasets: adsorbates on surfaces, in motion and relaxed."""

__version__ = "0.1.0"
