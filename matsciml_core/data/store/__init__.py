"""The store: crystals in LMDB without pickle, written so that a kill loses nothing."""
