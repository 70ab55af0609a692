"""The documentation held against the program: what it shows runs, its lists are complete, its links lead somewhere."""
