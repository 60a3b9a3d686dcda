"""The models of the live viewer: loaded when they are needed, and a few kept."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from im2mesh.config.schema import Config
from im2mesh.generation.generator import Generator
from im2mesh.pretrained.shipped import find_weights, suiting_clouds
from im2mesh.runs.folder import RunFolder
from im2mesh.studies.viewer.live_model import LiveModel
from im2mesh.studies.viewer.remembering import remember
from im2mesh.studies.viewer.source import Source

KEPT_MODELS = 3
Load = Callable[[Path], tuple[Config, Generator]]
Version = tuple[Path, int, int]
"""A file, when it was changed, and its size: a training replaces its model_best.pt."""


class ModelShelf:
    """Gives the model of a thing: of the weights that were named; or else of the run that made it;
    or else of the weights that ship and suit its points.

    Args:
        load: Reads a model from a file.
        named: File of the weights for everything.
    """

    def __init__(self, load: Load, named: Path | None = None) -> None:
        self._load = load
        self._named = named
        self._models: OrderedDict[Version, LiveModel] = OrderedDict()
        self._lock = Lock()  # several browsers may ask at once

    def model_of(self, source: Source) -> LiveModel | None:
        """The model that answers for a thing, if there is one.

        Raises:
            UserError: If its file cannot be read.
        """
        if self._named is not None:
            return self.get(self._named, self._named.stem)
        best = None if source.run is None else RunFolder(source.run).best_checkpoint
        if best is not None and best.exists():
            return self.get(best, f"of {best.parent}")
        is_tracked = source.is_tracked()
        if is_tracked is None:
            return None
        name = suiting_clouds(is_tracked)
        return self.get(find_weights(name), name)

    def get(self, file: Path, name: str) -> LiveModel:
        """The model of a file, as the file is now.

        Raises:
            UserError: If it cannot be read.
        """
        with self._lock:
            version = _version(file)
            model = self._models.get(version)
            if model is None:
                model = LiveModel(name, *self._load(file))
                for old in [known for known in self._models if known[0] == file]:
                    del self._models[old]
            remember(self._models, version, model, KEPT_MODELS)
            return model


def _version(file: Path) -> Version:
    try:
        found = file.stat()
    except OSError:
        return file, 0, 0  # loading it says what is wrong
    return file, found.st_mtime_ns, found.st_size
