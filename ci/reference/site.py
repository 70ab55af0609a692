"""What the site has that no page of docs/ is: the changes, which stand at the top of the repository."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The repository's CHANGELOG as the page changes.md."""
    changes = Path(config["config_file_path"]).parent / "CHANGELOG.md"
    files.append(File.generated(config, "changes.md", content=changes.read_text()))
    return files
