"""Keeps cwltool to the job's own folders: it follows links and addresses that other people's code chose."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from cwltool.errors import WorkflowException
from cwltool.pathmapper import PathMapper
from cwltool.stdfsaccess import StdFsAccess, abspath


class Roots:
    """The folders that a run may read; travels to other machines with what it gives."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(os.path.realpath(folder) for folder in folders)

    def check(self, path: str) -> str:
        """Give the path back; raises for one that leads elsewhere, links included."""
        real = os.path.realpath(path)
        if not any(real == folder or real.startswith(folder + os.sep) for folder in self._folders):
            raise WorkflowException(f"{path} lies outside the job's folders and is not read.")
        return path

    def file_access(self) -> type[StdFsAccess]:
        """Give cwltool's view of files."""
        return cast("type[StdFsAccess]", functools.partial(_Access, self))

    def path_mapper(self) -> type[PathMapper]:
        """Give cwltool's way to place files, without its own downloads."""
        return cast("type[PathMapper]", functools.partial(_Mapper, self))


class _Access(StdFsAccess):
    def __init__(self, roots: Roots, basedir: str) -> None:
        self._roots = roots
        super().__init__(basedir)

    def _abs(self, p: str) -> str:
        return self._roots.check(abspath(p, self.basedir))


class _Mapper(PathMapper):
    def __init__(self, roots: Roots, *arguments: Any, **options: Any) -> None:
        self._roots = roots
        super().__init__(*arguments, **options)

    def visit(self, obj: Any, stagedir: str, basedir: str, copy: bool = False, staged: bool = False) -> None:
        location = str(obj.get("location", ""))
        if not location.startswith("_:"):
            if location.startswith(("http:", "https:", "ftp:", "s3:")):
                raise WorkflowException(f"{location} was not staged before the run.")
            self._roots.check(abspath(location, basedir))
        super().visit(obj, stagedir, basedir, copy, staged)
