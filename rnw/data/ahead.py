"""Work that threads do in advance: reading, scaling and cropping pictures."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Deque, Iterable, Iterator, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_THREADS = 8


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    depth: int,
    threads: int = MAX_THREADS,
) -> Iterator[Result]:
    """Yield what `map` would, computed by threads that are up to `depth` results ahead.

    threads: at most so many, and no more than there are cores.
    """
    waiting: Deque[Future[Result]] = deque()
    with ThreadPoolExecutor(min(threads, os.cpu_count() or 1)) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
