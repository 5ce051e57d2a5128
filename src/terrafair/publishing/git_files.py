"""The files of a catalogue at one state of a git repository, as a mapping; read when they are asked for."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from terrafair.repositories import Repository


class GitFiles(Mapping[str, bytes]):
    """Path -> content at a commit or tree; all JSON documents come through one process at the first that is asked."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._ids = repository.files(commit)
        self._contents: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> bytes:
        identifier = self._ids[path]
        if identifier not in self._contents:
            wanted = (
                {self._ids[name] for name in self._ids if name.endswith(".json")} if path.endswith(".json") else set()
            )
            self._contents |= dict(self._repository.read_blobs({identifier, *wanted} - set(self._contents)))
        return self._contents[identifier]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, path: object) -> bool:
        return path in self._ids


class FolderFiles(Mapping[str, bytes]):
    """Path -> content of a plain folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink() and ".git" not in path.relative_to(folder).parts
        }

    def __getitem__(self, path: str) -> bytes:
        return self._paths[path].read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
