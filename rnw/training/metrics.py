"""The figures of a run as they arise: `metrics.jsonl`, one JSON object per line, and TensorBoard.

A record has `kind` ("train" for a step, "epoch" for the mean over its steps, "val" for a
validation), `epoch` and `update` counted from 1, and figures, accuracies and IoUs in percent. What
a killed run wrote after it last saved its state is dropped when the run is resumed, since it comes
again.
"""

import contextlib
import json
import time
from typing import Any, Dict, Iterator, NamedTuple, Sequence, Union

from rnw.errors import InputError
from rnw.files import GrowingFile, atomic_write, read_json_lines, remove_parts, writing
from rnw.training.progress import Progress, Validated
from rnw.training.run_folder import RunFolder

INSTALL_TENSORBOARD = "pip install '.[tensorboard]' in the rnw checkout"

_SCALARS = ("loss", "top-1", "top-5", "accuracy", "mean-iou", "lr", "images_per_second")

Record = Dict[str, Any]


class Start(NamedTuple):
    """Where a run begins or is resumed: so many epochs are finished, so many updates done."""

    epochs: int
    updates: int

    def is_after(self, record: Record) -> bool:
        """Tell whether a record was written before this point."""
        if record.get("kind") == "train":
            return record.get("update", 0) <= self.updates
        return record.get("epoch", 0) <= self.epochs


class MetricsFile:
    """Appends the records of one run to its metrics file, which runs of other labels may share.

    Raises InputError for a file that holds something else or cannot be written.
    """

    _file: GrowingFile

    def __init__(self, folder: RunFolder):
        self._path, self._label = folder.metrics, folder.label
        self._earlier = read_json_lines(self._path) if self._path.exists() else []
        for number, record in enumerate(self._earlier, 1):
            places = (record.get("epoch", 0), record.get("update", 0))
            if record.get("label") == self._label and not all(isinstance(n, int) for n in places):
                raise InputError(
                    f"{self._path}, line {number}: is no record of a run; remove the line to go on"
                )

    def begin(self, start: Start) -> None:
        """Make the file ready; of the run's own earlier records those up to `start` stay."""
        remove_parts(self._path.parent, self._path.name)
        with atomic_write(self._path) as file:
            for record in self._earlier:
                if record.get("label") != self._label or start.is_after(record):
                    file.write(_line(record).encode())
        self._earlier = []
        self._file = GrowingFile(self._path)

    def write(self, record: Record) -> None:
        """Append a record, at once visible to readers."""
        self._file.write(_line({"label": self._label, **record}))

    def sync(self) -> None:
        """Have all that was written on the disk."""
        self._file.sync()

    def close(self) -> None:
        self._file.close()


class EventFile:
    """Writes records as TensorBoard scalars `<kind>/<figure>` over updates, a new file per session.

    `SummaryWriter` would keep the last ones in a queue, which dies with a killed run. Raises
    InputError when tensorboardX is not installed and when they cannot be written.
    """

    def __init__(self, folder: RunFolder):
        try:
            from tensorboardX import event_file_writer  # of an extra
            from tensorboardX.proto import event_pb2, summary_pb2
        except ModuleNotFoundError as error:
            raise InputError(
                f"TensorBoard needs {error.name}, which is not installed: {INSTALL_TENSORBOARD}"
            ) from None
        self._folder = folder.events
        self._open = event_file_writer.EventsWriter
        self._events, self._summary = event_pb2, summary_pb2.Summary

    def begin(self, start: Start) -> None:
        """Begin a file; TensorBoard is told to forget what came after `start` in earlier ones."""
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = self._open(str(self._folder / "events"), f".{start.updates}")
        if start.updates:
            log = self._events.SessionLog(status=self._events.SessionLog.START)
            self._add(start.updates + 1, session_log=log)

    def write(self, record: Record) -> None:
        """Write the figures of a record."""
        values = [
            self._summary.Value(tag=f"{record['kind']}/{name}", simple_value=record[name])
            for name in _SCALARS
            if name in record
        ]
        self._add(record["update"], summary=self._summary(value=values))

    def _add(self, step: int, **content: Any) -> None:
        event = self._events.Event(wall_time=time.time(), step=step, **content)
        with writing(self._folder):
            self._writer.write_event(event)

    def sync(self) -> None:
        """Have all that was written on the disk."""
        with writing(self._folder):
            self._writer.flush()

    def close(self) -> None:
        with writing(self._folder):
            self._writer.close()


class Metrics:
    """What a run reports, to all of `writers`."""

    def __init__(self, writers: Sequence[Union[MetricsFile, EventFile]]):
        self._writers = writers

    @contextlib.contextmanager
    def since(self, start: Start) -> Iterator[None]:
        """Take reports of what follows `start`, in place of earlier ones."""
        with contextlib.ExitStack() as stack:
            for writer in self._writers:
                writer.begin(start)
                stack.callback(writer.close)
            yield

    def step(self, progress: Progress) -> None:
        """Report a training step."""
        place = {"step": progress.step, "steps": progress.steps}
        self._write("train", progress.epoch, progress.update, **place, **_figures(progress))

    def epoch(self, progress: Progress) -> None:
        """Report the mean scores of the steps of an epoch."""
        self._write("epoch", progress.epoch, progress.update, **_figures(progress))

    def validation(self, validated: Validated, update: int) -> None:
        """Report the scores on the test split."""
        self._write("val", validated.epoch, update, **validated.scores)

    def _write(self, kind: str, epoch: int, update: int, **figures: float) -> None:
        for writer in self._writers:
            writer.write({"kind": kind, "epoch": epoch, "update": update, **figures})

    def sync(self) -> None:
        """Have all that was reported on the disk."""
        for writer in self._writers:
            writer.sync()


def open_metrics(folder: RunFolder, *, tensorboard: bool = False) -> Metrics:
    """Return what reports to the metrics file of a run and, where wanted, to TensorBoard.

    Raises InputError as the writers do.
    """
    kinds = (MetricsFile, EventFile) if tensorboard else (MetricsFile,)
    return Metrics([kind(folder) for kind in kinds])


def _figures(progress: Progress) -> Record:
    return {
        "lr": progress.learning_rate,
        **progress.scores,
        "images_per_second": round(progress.images_per_second, 1),
    }


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"
