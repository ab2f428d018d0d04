"""Texts from a folder of real corpora."""

from pathlib import Path

from stillwatch.lab.texts.library import Library


class FolderLibrary(Library):
    """..."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
