"""A run's page: values in, files out. `values` is what is shown, `site` the files."""
