"""The working folder of a Spark engine: tables as folders of Parquet files, on a disk or in an object store.

A table is written beside its name, moved there, and only then marked as whole by an empty file `_SUCCESS`: where a
store moves files one by one, a folder that lacks the mark is a torn one.
"""

import re
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

MARK = "_SUCCESS"


class SparkFolder:
    """A folder that Spark's driver and workers share, through Hadoop's file systems.

    Args:
        session: of the engine.
        url: an absolute path or a URL, such as hdfs://... or s3a://...
    """

    def __init__(self, session: SparkSession, url: str) -> None:
        self._context: Any = session.sparkContext
        self.url = (url if is_url(url) else "file://" + str(Path(url).absolute())).rstrip("/")

    def path(self, name: str) -> str:
        """URL of something in the folder."""
        return f"{self.url}/{name}"

    def commit(self, partial: str, name: str) -> None:
        """Put what was written to `partial` in the place of `name`, and mark it as whole."""
        files = self._files()
        source, target = self._path(self.path(partial)), self._path(self.path(name))
        files.delete(target, True)
        if not files.rename(source, target):
            raise OSError(f"{self.path(partial)} cannot be moved to {self.path(name)}")
        files.create(self._path(f"{self.path(name)}/{MARK}"), True).close()

    def is_whole(self, name: str) -> bool:
        """Whether a table of that name was written to its end."""
        return bool(self._files().exists(self._path(f"{self.path(name)}/{MARK}")))

    def upload(self, file: Path, name: str) -> str:
        """Copy a file of this machine into the folder; gives its URL there."""
        target = self._path(self.path(name))
        self._files().mkdirs(target.getParent())
        self._files().copyFromLocalFile(False, True, self._path(f"file://{file.absolute()}"), target)
        return self.path(name)

    def remove(self, name: str) -> None:
        """Remove a file or a table, if it is there."""
        self._files().delete(self._path(self.path(name)), True)

    def _path(self, url: str) -> Any:
        return self._context._jvm.org.apache.hadoop.fs.Path(url)

    def _files(self) -> Any:
        return self._path(self.url).getFileSystem(self._context._jsc.hadoopConfiguration())


def is_url(folder: str) -> bool:
    """Whether a folder is named by a URL, which this machine cannot open by itself."""
    return re.match(r"^[a-z][a-z0-9+.-]*://", folder, re.IGNORECASE) is not None


def literally(url: str) -> str:
    """A URL for Spark's readers, which take the signs of a glob for a glob."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", url)
