"""What the site has that no page of docs/ is: the changes, which stand at the top of the repository."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# Pages of a tab of their own: a column with nothing but their name would only take room from what they show.
_ALONE = {"index.md", "tutorial.md", "changes.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The repository's CHANGELOG as the page changes.md."""
    changes = Path(config["config_file_path"]).parent / "CHANGELOG.md"
    files.append(File.generated(config, "changes.md", content=changes.read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """No navigation beside a page that is alone in its tab; where it is narrow it stays in the menu."""
    if page.file.src_uri in _ALONE:
        page.meta["hide"] = ["navigation"]
    return markdown


def on_post_page(output: str, **_: object) -> str:
    """The theme's search is a dialog without a name; a screen reader needs one."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )
