"""The batches of one process. Their order follows from the iteration alone."""

from collections.abc import Iterator

from torch.utils.data import DataLoader

from im2mesh.config.schema import TrainingConfig
from im2mesh.data.batch import Batch, SampleDataset, collate
from im2mesh.data.layout import DataError
from im2mesh.machine.ranks import Ranks
from im2mesh.training.stopping import outlive_signals


def training_batches(
    data: SampleDataset,
    settings: TrainingConfig,
    ranks: Ranks | None = None,
    iteration: int = 0,
    *,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """This process's part of every batch, from an iteration on.

    Batch k has the samples k B to (k + 1) B - 1 of the training, where B is training.batch_size.
    With n processes, they are cut into n equal runs, and process r gets run r. So batches do not
    depend on the number of processes, workers and interruptions.

    Args:
        ranks: Which process of how many this is; None if it is the only one.

    Raises:
        DataError: If a sample cannot be read; the message is one line.
        UserError: If the processes cannot share a batch evenly.
    """
    draws = ShareOfDraws(settings, Ranks() if ranks is None else ranks, iteration)
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
        # a worker puts its whole traceback into the message; only the last line is for users
        raise DataError(str(error).strip().rsplit("DataError: ", 1)[-1]) from None


class ShareOfDraws:
    """Sampler of the sample numbers that one process reads, from an iteration to the last."""

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


def validation_batches(data: SampleDataset, batch_size: int, ranks: Ranks) -> DataLoader:
    """This process's batches of one pass: with n processes, process r gets r, r + n, ..."""
    windows = range(len(data))
    batches = [list(windows[first : first + batch_size]) for first in windows[::batch_size]]
    return DataLoader(
        data, batch_sampler=batches[ranks.rank :: ranks.world_size], collate_fn=collate
    )
