"""Work on many files by several processes: the libraries that read them are not all safe with threads."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

FEW = 24
"""Tasks for each further process: one takes a second to load its libraries."""
_PRELOADED = ["terrafair.data.describe", "rasterio", "xarray", "netCDF4", "pyproj"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(work: Callable[[Task], Result], tasks: Sequence[Task], *, heavy: bool = False) -> Iterator[Result]:
    """The results in the order of the tasks; `heavy` tasks are worth a process each.

    A process that a file brings down takes none of the other files with it.
    """
    processes = min(os.cpu_count() or 1, len(tasks) // (1 if heavy else FEW))
    if processes < 2:
        yield from map(work, tasks)
        return
    # Not forked from here: GDAL's and HDF5's threads would be missing in the copy.
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    done = 0
    try:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            for result in pool.map(work, tasks, chunksize=max(1, min(8, len(tasks) // (processes * 4)))):
                yield result
                done += 1
    except BrokenProcessPool:
        # The rest in this process: the file that is to blame shows itself here, or the caller's sandbox tells.
        yield from map(work, tasks[done:])
