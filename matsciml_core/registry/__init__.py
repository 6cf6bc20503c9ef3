"""Registry: which plugins exist, what they offer, and what is wrong with the broken ones."""
