"""Where data comes from: public buckets, InvenioRDM, figshare, paged interfaces, archives."""

__version__ = "0.1.0"
