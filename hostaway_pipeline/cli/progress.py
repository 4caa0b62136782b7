"""Shows the progress of a sync on a terminal: rows, conversations, speed, time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hostaway_pipeline.cli.output import stderr
from hostaway_pipeline.sync.pull.progress import Progress as Watcher
from hostaway_pipeline.sync.pull.progress import Silent

_LABELS = {"messages": "messages (conversations read)", "calendar": "calendar (listings read)"}


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.0f}/s", style="dim")


class TerminalProgress:
    """One bar per entity. For messages, a step is one conversation, which is about one call; for days, one listing."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def expect(self, what: str, total: int | None) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(_LABELS.get(what, what), total=total)
        else:
            self._bars.update(self._tasks[what], total=total)

    def advance(self, what: str, steps: int) -> None:
        self._bars.advance(self._tasks[what], steps)


@contextmanager
def watched(*, silent: bool) -> Iterator[Watcher]:
    """Show bars if stderr is a terminal and `silent` is false."""
    if silent or not stderr.is_terminal:
        yield Silent()
        return
    columns = (
        TextColumn("{task.description:<30}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=stderr, transient=False) as bars:
        yield TerminalProgress(bars)
