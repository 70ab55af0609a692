"""Camera files as pictures, and back. The only owner of PyAV.

Three containers, told apart by content because a stored file's name may be its digest: bare HEVC as the device writes
it (20 fps, no timestamps), MPEG-TS and MP4. A picture's index is its place in presentation order. Whatever cannot be
decoded is an error that names the file and the picture; pictures are never dropped, repeated or patched up silently.
"""

from harness.recording.video.decoder import Picture, Video, open_video
from harness.recording.video.encoder import DEVICE_GOP, encode_h264_ts, encode_hevc
from harness.recording.video.packets import DEVICE_FPS, Container, detect_container
from harness.recording.video.preview import (
    PREVIEW_VERSION,
    Film,
    can_repack,
    cut_preview,
    film_size,
    repack_preview,
)

__all__ = [
    "DEVICE_FPS",
    "DEVICE_GOP",
    "PREVIEW_VERSION",
    "Container",
    "Film",
    "Picture",
    "Video",
    "can_repack",
    "cut_preview",
    "detect_container",
    "encode_h264_ts",
    "encode_hevc",
    "film_size",
    "open_video",
    "repack_preview",
]
