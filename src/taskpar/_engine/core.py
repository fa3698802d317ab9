"""What an executor shares with its views: an engine, and the jobs that their calls become.

Imported with the first executor: whoever only imports taskpar does not wait for it.
"""

import weakref
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from taskpar._engine.backend import Backend
from taskpar._engine.engine import Engine
from taskpar._engine.mapping import Mapping
from taskpar._engine.source import source_of
from taskpar._engine.submissions import Submissions
from taskpar._engine.treatment import check_capable
from taskpar._model.options import Options

if TYPE_CHECKING:
    from taskpar._engine.async_mapping import AsyncMapping
    from taskpar._engine.wire import Shape


class Core:
    """When nobody holds it any more, its workers may go.

    Args:
        backend: The kind of worker to run calls on.
        job: What a ``map`` becomes; None: a `Mapping`.
    """

    def __init__(self, backend: Backend, job: type[Mapping] | None = None) -> None:
        self.engine = Engine(backend)
        self._job = job or Mapping
        self._jobs: weakref.WeakSet[Mapping] = weakref.WeakSet()
        self._numbers = count()
        self._submissions: dict[Options, Submissions] = {}
        weakref.finalize(self, self.engine.abandon).atexit = False

    def check(self, options: Options, who: str) -> None:
        """Check that the workers can do what options ask for.

        Raises:
            CapabilityError: They cannot.
        """
        check_capable(options, self.engine.backend, who)

    def submissions(self, options: Options) -> Submissions:
        """Return the job of the submits with these options."""
        options = options.updated(name=None, chunksize=None, buffersize=None)
        made = self._submissions.get(options)
        if made is None:  # two threads at once may make two: the one that is kept is used by both
            made = Submissions(self.engine, options, self._numbers)
            made = self._submissions.setdefault(options, made)
        return made

    def mapping(
        self,
        fn: Callable[..., Any],
        iterables: tuple[Iterable[Any], ...],
        options: Options,
        *,
        rows: bool,
        ordered: bool,
    ) -> Mapping:
        """Start the job of a ``map``, or with ``rows`` of a ``starmap``."""
        shape = _shape(iterables, rows=rows)
        source = source_of(iterables, rows=rows)
        made = self._job(self.engine, fn, shape, source, options, ordered=ordered)
        self._jobs.add(made)
        return made

    def async_mapping(
        self,
        fn: Callable[..., Any],
        iterables: tuple[Any, ...],
        options: Options,
        *,
        rows: bool,
        ordered: bool,
    ) -> "AsyncMapping":
        """Start the job of an ``amap``, or with ``rows`` of an ``astarmap``."""
        from taskpar._engine.async_mapping import AsyncMapping  # here, as asyncio is slow to import
        from taskpar._engine.async_source import async_source_of

        shape = _shape(iterables, rows=rows)
        source = async_source_of(iterables, rows=rows)
        made = AsyncMapping(self.engine, fn, shape, source, options, ordered=ordered)
        self._jobs.add(made)
        return made

    def shutdown(self, wait: bool, *, cancel_futures: bool, kill: bool = False) -> None:
        """Take no more jobs, and let the workers go when all calls are home."""
        for job in list(self._jobs):
            job.finish_elsewhere()
        self.engine.shutdown(wait, cancel_futures=cancel_futures, kill=kill)


def _shape(iterables: tuple[Any, ...], *, rows: bool) -> "Shape":
    """Say how a function takes what comes of these iterables."""
    return "star" if rows or len(iterables) > 1 else "one"
