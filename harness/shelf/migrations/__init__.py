"""Changes of the schema, one file each, oldest first: written once, never changed after a release."""
