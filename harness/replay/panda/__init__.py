"""The car-side safety kernel over a log: opendbc's own C headers, compiled here, fed what the buses carried."""
