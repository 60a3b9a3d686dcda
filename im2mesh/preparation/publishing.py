"""Write the catalogue of a packed data set, so that a web server or object store can serve it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from im2mesh.data.catalogue import CATALOGUE, STREAMED, Catalogue, StreamedClip
from im2mesh.data.clip_files import forget_files, frame_numbers
from im2mesh.data.fingerprint import fingerprint_of
from im2mesh.data.layout import DataError
from im2mesh.errors import UserError
from im2mesh.files.atomic import write_json
from im2mesh.files.remote import describe
from im2mesh.machine.clip_processes import work_on_clips
from im2mesh.preparation.pack_dataset import clips_in


def publish(root: Path, workers: int = 1) -> Path:
    """Write the catalogue beside the categories of a data set; every file is read once.

    Returns:
        Its path.

    Raises:
        UserError: If there is no clip, or a clip is not packed or damaged.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    forget_files()
    clips = list(clips_in(root))
    if not clips:
        raise DataError(f"{root} holds no clip; give the folder that holds the categories")
    tasks = [_Description(root, *clip.parts).run for clip in clips]
    with tqdm(total=len(tasks), unit="clip") as progress:
        found = dict(sorted(work_on_clips(tasks, workers, progress)))
    lists = [path for path in root.glob("[!.]*/[!.]*.lst") if path.is_file()]
    texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in sorted(lists)}
    write_json(root / CATALOGUE, Catalogue(found, texts).to_json())
    return root / CATALOGUE


@dataclass(frozen=True)
class _Description:
    """The description of one clip, which another process can write."""

    root: Path
    category: str
    clip: str

    def run(
        self, is_stopped: Callable[[], bool], on_clip: Callable[[], None]
    ) -> tuple[str, StreamedClip]:
        folder = self.root / self.category / self.clip
        files = {name: folder / name for name in STREAMED if (folder / name).is_file()}
        if STREAMED[0] not in files:
            raise UserError(
                f"clip {self.clip} has no {STREAMED[0]}, so it is not packed; pack the data set "
                "with scripts/pack_dataset.py first"
            )
        numbers = list(frame_numbers(self.root, self.category, self.clip))
        step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
        described = {name: describe(path) for name, path in files.items()}
        on_clip()
        return f"{self.category}/{self.clip}", StreamedClip(
            fingerprint_of(folder), numbers[0], step, len(numbers), described
        )
