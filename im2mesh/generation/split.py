"""Every window of a split -> files; finished windows are skipped."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from im2mesh.config.schema import Config
from im2mesh.config.validation import write_config
from im2mesh.data.batch import Observation
from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.data.frame_rate import window_seconds
from im2mesh.data.layout import Window
from im2mesh.errors import Advice, UserError
from im2mesh.files.atomic import write_json
from im2mesh.files.written import refuse_foreign, remove_written
from im2mesh.generation.earlier import adopt_window
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import (
    WindowInput,
    is_observed_file,
    read_input,
    write_observation,
)
from im2mesh.generation.stage_timer import StageTimer
from im2mesh.generation.standing import place_by_top
from im2mesh.machine.ranks import Ranks
from im2mesh.machine.shared_work import for_each
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.io import is_numbered_mesh
from im2mesh.meshing.mesh_sequence import is_written_mesh, refuse_other_npz
from im2mesh.runs.advice import collected_advice, once_per_kind
from im2mesh.runs.folder import CONFIG_FILE, LOCK_FILE, RunFolder, WindowFolder
from im2mesh.runs.origins import RunOrigin
from im2mesh.runs.provenance import mesh_settings, provenance, run_hash
from im2mesh.runs.weights import weights_digest
from im2mesh.runs.window_summary import read_summary

WITH_NEIGHBOURS = ("pointnet_local", "pointnet_tracked")
"""Encoders that averaged noise over frames alone, in earlier versions."""


@dataclass(frozen=True)
class GenerationSummary:
    """Counts of the windows of a split, by what was done to them."""

    generated: int
    skipped: int
    replaced: int
    empty: tuple[Window, ...]
    stage_seconds: dict[str, float]
    """Stage -> seconds, summed over the generated windows."""

    def __str__(self) -> str:
        windows = "window" if self.generated == 1 else "windows"
        finished = "was" if self.skipped == 1 else "were"
        lines = [f"{self.generated} {windows} generated, {self.skipped} {finished} finished before"]
        if self.replaced:
            lines.append(f"{self.replaced} replaced: weights, input or settings have changed")
        if self.generated:
            means = (f"{k} {v / self.generated:.2f}" for k, v in self.stage_seconds.items())
            lines.append(f"mean seconds per window: {', '.join(means)}")
        lines += [
            f"empty: {window}; no probability reaches generation.threshold there"
            for window in self.empty
        ]
        return "\n".join(lines)


def generate_split(
    generator: Generator,
    windows: Sequence[Window],
    split: str,
    config: Config,
    folder: RunFolder,
    ranks: Ranks | None = None,
) -> GenerationSummary:
    """Generate and write all windows that are not finished yet, alone or with other processes.

    A window is finished when its summary file, written last, exists and was made from the same
    input with the same weights and settings: meshes of an older model are never taken for those of
    the present one.

    Raises:
        UserError: If files of somebody else would be replaced in a window that is not finished,
            before any work.
    """
    work = _SplitWork(generator, config, folder, split)
    work.refuse_files_of_others(windows)
    write_config(folder.generation(split) / CONFIG_FILE, config)
    with tqdm(total=len(windows), desc=f"generate {split}", unit="window") as progress:

        def finish(window: Window) -> None:
            work.finish(window)
            progress.update()

        lock = folder.generation(split) / LOCK_FILE
        try:
            for_each(windows, lock, Ranks() if ranks is None else ranks, finish)
        finally:
            work.tell_advice()
    return work.summary()


class _SplitWork:
    """Finishes windows one by one, and counts what was done to them."""

    def __init__(self, generator: Generator, config: Config, folder: RunFolder, split: str) -> None:
        self.generator = generator
        self.config = config
        self.folder = folder
        self.split = split
        self.weights = weights_digest(generator.model)
        self.run = run_hash(self.weights, config)
        self.generated = self.skipped = self.replaced = 0
        self.empty: list[Window] = []
        self.advice: dict[Window, list[str]] = {}
        self.totals = StageTimer()

    def refuse_files_of_others(self, windows: Sequence[Window]) -> None:
        for window in windows:
            files = self.folder.window(self.split, window)
            try:
                _refuse_files_of_others(files, self.config)
            except UserError:
                source = read_input(self.config, window)
                if _finished(files, self._fingerprint(source)) is None:
                    raise  # nothing is written into a finished window

    def finish(self, window: Window) -> None:
        with collected_advice() as self.advice[window]:
            self._finish(window)

    def _fingerprint(self, source: WindowInput) -> str:
        is_placed = self.generator.model.sees_pixels
        return _fingerprint(self.weights, self.config, source, is_placed=is_placed)

    def tell_advice(self) -> None:
        for text in once_per_kind(self.advice):
            warnings.warn(text, Advice, stacklevel=1)

    def _finish(self, window: Window) -> None:
        source, files = read_input(self.config, window), self.folder.window(self.split, window)
        label = {
            "source": self._fingerprint(source),
            "made_by": self._origin(window).as_dict(),
        }
        summary = _finished(files, label["source"])
        if summary is not None:
            self.skipped += 1
            if summary["made_by"]["dataset"] != label["made_by"]["dataset"]:
                # other files of the clip have changed, but not what the meshes were made from
                summary["made_by"]["dataset"] = label["made_by"]["dataset"]
                write_json(files.summary, summary)
        else:
            self.generated += 1
            self.replaced += files.summary.exists()
            summary = _generate_window(
                self.generator, window, source, self.config, files, self.totals
            )
            write_json(files.summary, {**summary, **label})
        if summary["status"] == "empty":
            self.empty.append(window)

    def summary(self) -> GenerationSummary:
        empty, seconds = tuple(self.empty), self.totals.seconds
        return GenerationSummary(self.generated, self.skipped, self.replaced, empty, seconds)

    def _origin(self, window: Window) -> RunOrigin:
        """The origin of a window's files: the run and the data of its clip."""
        clip = clip_fingerprint(self.config.data.root, window.category, window.clip)
        made_by = provenance(self.config, clip, self.config.generation.seed)
        return RunOrigin(self.run, made_by, self.generator.trained_by)


def _fingerprint(weights: str, config: Config, source: WindowInput, *, is_placed: bool) -> str:
    """A hash of all that the files depend on: weights, input, solver, mesh settings, file types,
    and what an earlier version of the program made otherwise.

    Args:
        is_placed: Whether bodies are placed by their top.
    """
    frame = f"{source.frame.loc.tolist()} {source.frame.scale}"
    kind = config.generation.mesh_format
    # earlier versions wrote one per frame, then one whose weights Blender did not read
    kind = "animated glb, weights in [0, 1]" if kind == "glb" else kind
    files = f"{kind} {config.generation.write_inputs}"
    encoders = (config.model.encoder, config.model.encoder_temporal)
    if any(encoder is not None and encoder.name in WITH_NEIGHBOURS for encoder in encoders):
        files += " noise averaged over neighbours"
    if is_placed:
        files += " placed by the top"  # as earlier versions did not
    digest = hashlib.sha256(f"{weights} {mesh_settings(config)} {files} {frame}".encode())
    digest.update(source.observation.inputs.tobytes())
    digest.update(source.observation.times.tobytes())
    digest.update(source.observation.cameras.tobytes())
    for mesh in (source.given.start, source.given.end) if source.given else ():
        digest.update(b"" if mesh is None else mesh.vertices.tobytes() + mesh.faces.tobytes())
    return digest.hexdigest()[:16]


def _finished(files: WindowFolder, source: str) -> dict[str, Any] | None:
    """The summary of a window if it is finished, else None."""
    if not files.summary.exists():
        return None
    summary = read_summary(files.summary)
    is_of_this = summary.get("source") == source and "made_by" in summary
    return summary if is_of_this else None


def _generate_window(
    generator: Generator,
    window: Window,
    source: WindowInput,
    config: Config,
    files: WindowFolder,
    totals: StageTimer,
) -> dict[str, Any]:
    """Generate and write one window; returns its summary."""
    _refuse_files_of_others(files, config)
    timer = StageTimer()
    generator.model.take_nfe()
    meshes = generator.generate(
        source.observation, frame=source.frame, given=source.given, timer=timer
    )
    if generator.model.sees_pixels:
        meshes = place_by_top(meshes, source.observation)
    nfe = generator.model.take_nfe()
    with timer.stage("write"):
        _write(meshes, source.observation, config, files, window_seconds(config.data.root, window))
    for stage, seconds in timer.seconds.items():
        totals.seconds[stage] = totals.seconds.get(stage, 0.0) + seconds
    return {
        "status": "empty" if meshes.is_empty else "ok",
        "frames": meshes.num_frames,
        "vertices": meshes.num_vertices,
        "faces": meshes.num_faces,
        "nfe": nfe,
        "seconds": {stage: round(seconds, 4) for stage, seconds in timer.seconds.items()},
    }


def _write(
    meshes: Reconstruction,
    observation: Observation,
    config: Config,
    files: WindowFolder,
    duration: float,
) -> None:
    """Write the configured files, after removing those of an earlier run."""
    files.summary.unlink(missing_ok=True)  # first: without it the window is not finished
    remove_written(files.meshes)
    remove_written(files.inputs)
    meshes.save(files.sequence)
    if config.generation.mesh_format is not None:
        meshes.save(files.meshes, config.generation.mesh_format, duration)
    if config.generation.write_inputs:
        write_observation(files.inputs, observation)


def _refuse_files_of_others(files: WindowFolder, config: Config) -> None:
    """Refuse a window's folder before any work if files of somebody else would be replaced there,
    or would be hidden by ours.

    Raises:
        UserError: With the names of these files.
    """
    adopt_window(files)
    refuse_foreign(files.path, is_numbered_mesh)
    if config.generation.mesh_format is not None:
        refuse_foreign(files.meshes, is_written_mesh)
    if config.generation.write_inputs:
        refuse_foreign(files.inputs, is_observed_file)
    refuse_other_npz(files.sequence)
    if files.summary.exists() and "status" not in read_summary(files.summary):
        raise UserError(
            f"{files.summary} was not written by generate.py; move it away, or choose another "
            "output_dir"
        )
