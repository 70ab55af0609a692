"""What a drive looks like on disk: names, logs, video, and the ways files of a segment lie in a folder."""
