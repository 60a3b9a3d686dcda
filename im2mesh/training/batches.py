"""Batches of one process, in an order that follows from the iteration alone."""

from collections.abc import Iterator

from torch.utils.data import DataLoader

from im2mesh.config import TrainingConfig
from im2mesh.data.batch import Batch, collate
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.sequences import DataError
from im2mesh.ranks import Ranks
from im2mesh.training.stopping import outlive_signals


def training_batches(
    data: WindowDataset, settings: TrainingConfig, ranks: Ranks, iteration: int, *, pin_memory: bool
) -> Iterator[Batch]:
    """A process's parts of the batches from an iteration on.

    Batch k has the samples k B to (k + 1) B - 1 of the training, B being training.batch_size; of
    n processes, the r-th has the r-th of n equal runs of these. So a batch is the same whatever
    the number of processes, of workers, and of interruptions.

    Raises:
        DataError: In one line, if a sample cannot be read.
        UserError: If a batch cannot be shared out evenly.
    """
    draws = ShareOfDraws(settings, ranks, iteration)
    loader = DataLoader(
        data,
        batch_size=draws.per_batch,
        sampler=draws,
        num_workers=settings.num_workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=outlive_signals,
    )
    try:
        yield from loader
    except DataError as error:
        # from a worker, the message is a whole traceback, whose last line is ours
        raise DataError(str(error).strip().rsplit("DataError: ", 1)[-1]) from None


class ShareOfDraws:
    """The numbers of the samples that one process reads, from an iteration to the last."""

    def __init__(self, settings: TrainingConfig, ranks: Ranks, iteration: int) -> None:
        self.settings = settings
        self.ranks = ranks
        self.iteration = iteration
        self.per_batch = ranks.share_of(settings.batch_size, "training.batch_size")

    def __len__(self) -> int:
        return max(0, self.settings.max_iterations - self.iteration) * self.per_batch

    def __iter__(self) -> Iterator[int]:
        for iteration in range(self.iteration, self.settings.max_iterations):
            first = iteration * self.settings.batch_size + self.ranks.rank * self.per_batch
            yield from range(first, first + self.per_batch)


def validation_batches(data: WindowDataset, batch_size: int, ranks: Ranks) -> DataLoader:
    """A process's share of the batches of one pass: of n processes, the r-th has r, r + n, ..."""
    windows = range(len(data))
    batches = [list(windows[first : first + batch_size]) for first in windows[::batch_size]]
    return DataLoader(
        data, batch_sampler=batches[ranks.rank :: ranks.world_size], collate_fn=collate
    )
