"""The pool of devices: moves blobs and runs one argument list under a deadline. Does not know what a replay is."""
