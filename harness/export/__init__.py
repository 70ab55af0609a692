"""A segment with both traces for other tools: MCAP for Foxglove, `.rrd` for Rerun, Parquet for tables.

Each needs a library of its own, which is an extra of the distribution and is loaded only when asked for. Files are
written as they come, in bounded memory, and are there whole or not at all.
"""

from harness.export.formats import FORMATS, ExportFormat, export_segment
from harness.export.segment import Camera, Pictures, Segment

__all__ = ["FORMATS", "Camera", "ExportFormat", "Pictures", "Segment", "export_segment"]
