"""Named, so that no package of the same name that a library left in site-packages is meant."""
