"""Bodies made from codes -> a folder of moving meshes and one picture of all."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.config.validation import refuse_own_config, write_config
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.files.atomic import write_json
from im2mesh.files.hashes import hash_text
from im2mesh.files.results import states_origin
from im2mesh.files.written import adopt, refuse_foreign, remove_written, replacing_files
from im2mesh.generation.earlier import adopt_frames
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.coded_body import CodedBody
from im2mesh.meshing.animated_saving import refuse_missing_library
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.io import MESH_FORMATS, is_numbered_mesh
from im2mesh.meshing.mesh_sequence import is_written_mesh, refuse_other_npz
from im2mesh.runs.folder import CONFIG_FILE, WindowFolder
from im2mesh.runs.origins import RunOrigin

Draw = Callable[..., None]
CONTENTS_FILE = "bodies.json"
SHEET_FILE = "sheet.png"


def result_name(*parts: object) -> str:
    """Name of a result folder, from words and windows.

    Example:
        >>> result_name("interpolate", "shape", "01_hips/00000", "02_arms/00015")
        'interpolate_shape_01_hips-00000_02_arms-00015'
    """
    return "_".join(map(str, parts)).replace("/", "-")


def transfer_name(motions_of: Sequence[Window], bodies_of: Sequence[Window]) -> str:
    """Name of the result folder of transfers: with the windows if it is one, else their hash."""
    if len(motions_of) == len(bodies_of) == 1:
        return result_name("transfer", motions_of[0], "to", bodies_of[0])
    return result_name("transfers", hash_text(*map(str, [*motions_of, "to", *bodies_of])))


def write_bodies(
    generator: Generator,
    bodies: Sequence[CodedBody],
    config: Config,
    folder: Path,
    title: str,
    origin: RunOrigin,
    draw: Draw,
) -> str:
    """Generate bodies and write for each <folder>/<name>/sequence.npz and meshes/00000.ply ...

    Files are in the normalised coordinates of each body's first frame; loc and scale in
    sequence.npz tell its place in the world. <folder>/bodies.json says what the bodies are and what
    made them, <folder>/sheet.png shows them. An earlier result is removed first.

    Args:
        draw: Function that draws the sheet: title, label -> meshes, file, and `origin` in words.

    Returns:
        Text for the user: what was written, and which bodies are empty.

    Raises:
        UserError: If the folder holds anything but an earlier result, or a
            library that pictures or the format of the meshes need is missing.
    """
    refuse_missing_library(config.generation.mesh_format)
    replaced = _clear(folder)
    labels = {body.name: body.label for body in bodies}
    contents = {"title": title, "bodies": labels, "made_by": origin.as_dict()}
    with replacing_files(folder, [CONTENTS_FILE, CONFIG_FILE]) as place:
        write_json(place / CONTENTS_FILE, contents)
        write_config(place / CONFIG_FILE, config)
    motions: dict[str, Reconstruction] = {}
    for body in bodies:
        meshes = generator.generate_from_codes(body.codes, frame=body.frame, given=body.given)
        files = WindowFolder(folder / body.name)
        with replacing_files(files.path, [files.sequence.name]) as place:
            meshes.save(place / files.sequence.name)
        if config.generation.mesh_format is not None:
            meshes.save(files.meshes, config.generation.mesh_format)
        motions[body.label] = meshes
    empty = [label for label, meshes in motions.items() if meshes.is_empty]
    told = ", in place of an earlier result" if replaced else ""
    lines = [f"{title}: {len(bodies)} moving meshes -> {folder}{told}"]
    lines += [f"empty: {name}; no probability reaches generation.threshold there" for name in empty]
    if len(empty) < len(bodies):
        with replacing_files(folder, [SHEET_FILE]) as place:
            draw(title, motions, place / SHEET_FILE, origin=str(origin))
        lines.append(f"picture: {folder / SHEET_FILE}")
    else:
        lines.append("no picture, as there is nothing to see")
    return "\n".join(lines)


def _clear(folder: Path) -> bool:
    """Remove the files of an earlier result; all others stay. Returns whether there was one.

    Raises:
        UserError: If there is no earlier result, but something else; or if files of somebody else
            have the names of its files.
    """
    if not (folder / CONTENTS_FILE).is_file():
        visible = [p.name for p in folder.iterdir() if p.name[0] != "."] if folder.is_dir() else []
        if visible or folder.is_file():
            raise UserError(
                f"{folder} holds files that are no earlier result; choose another --output"
            )
        return False
    bodies = [WindowFolder(folder / name) for name in _earlier_bodies(folder)]
    _adopt_earlier(folder, bodies)
    refuse_foreign(folder, (CONTENTS_FILE, CONFIG_FILE, SHEET_FILE).__contains__)
    for files in bodies:
        refuse_foreign(files.path, lambda name: name == "sequence.npz" or is_numbered_mesh(name))
        refuse_foreign(files.meshes, is_written_mesh)
    for files in bodies:
        remove_written(files.meshes)
        remove_written(files.path)
    remove_written(folder)
    return True


def _adopt_earlier(folder: Path, bodies: Sequence[WindowFolder]) -> None:
    """Count the files of a result of version 0.1.0 as ours, if their content is what we write."""
    refuse_own_config(folder / CONFIG_FILE)
    sheet = [SHEET_FILE] if states_origin(folder / SHEET_FILE) else []
    adopt(folder, [CONTENTS_FILE, CONFIG_FILE, *sheet])
    for files in bodies:
        refuse_other_npz(files.sequence)
        adopt(files.path, [files.sequence.name])
        adopt_frames(files.meshes, MESH_FORMATS)


def _earlier_bodies(folder: Path) -> list[str]:
    """Names of the bodies of an earlier result in the folder.

    Raises:
        UserError: If bodies.json is not what `write_bodies` writes.
    """
    file = folder / CONTENTS_FILE
    try:
        contents = json.loads(file.read_text("utf-8"))
        names = list(contents["bodies"]) if "made_by" in contents else None
    except (ValueError, LookupError, TypeError):
        names = None
    if names is None or any(Path(name).name != name for name in names):
        raise UserError(f"{file} is no list of bodies of this program; choose another --output")
    return names
