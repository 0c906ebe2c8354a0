"""Work that threads do ahead of whoever needs it: reading, scaling and cutting pictures."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Iterable, Iterator

MAX_THREADS = 8


def ahead(function: Callable, items: Iterable, depth: int) -> Iterator[Any]:
    """Yield what `map` would, computed by threads that are up to `depth` results ahead."""
    waiting: Deque[Future] = deque()
    with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as pool:
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
