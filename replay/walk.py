"""All files below a directory."""

from collections.abc import Iterator
from pathlib import Path


def files_below(directory: Path) -> Iterator[Path]:
    """What is no directory, at any depth; links to directories are followed, and each directory is read once.

    Raises OSError for one that can't be read: what is in it would be missing in silence.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [directory]
    while waiting:
        here = waiting.pop()
        about = here.stat()
        if (about.st_dev, about.st_ino) in seen:  # by another way, or a cycle of links
            continue
        seen.add((about.st_dev, about.st_ino))
        for path in sorted(here.iterdir()):
            if path.is_dir():
                waiting.append(path)
            else:
                yield path
