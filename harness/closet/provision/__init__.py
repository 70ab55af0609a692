"""Making a device ready for jobs without breaking it: a private Python environment below its work folder, nothing else.

`survey` looks, `wheelhouse` collects what its Python needs, `installing` brings it there, `enrolment` is how a device
becomes known in the first place.
"""
