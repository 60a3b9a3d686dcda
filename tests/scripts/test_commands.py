"""Scripts of several commands: they are listed, and each gets its own arguments."""

import json
from pathlib import Path

import pytest

from im2mesh.build import write_schema
from im2mesh.command_line import EXIT_USER_ERROR, exit_status
from scripts import draw, latent, measure, weights

MOST_ENTRIES = 19
LATENT = ("encode", "prior", "interpolate", "transfer", "sample", "measure")
COMMANDS = [
    *((latent.main, name) for name in LATENT),
    *((draw.main, name) for name in ("sheet", "errors", "training", "report", "video")),
    *((measure.main, name) for name in ("robustness", "motion", "scans")),
    *((weights.main, name) for name in ("list", "export")),
]
PROGRAMS = [
    (latent.main, "latent.py"),
    (draw.main, "draw.py"),
    (measure.main, "measure.py"),
    (weights.main, "weights.py"),
]


def test_the_folder_of_scripts_can_be_held_in_the_head():
    entries = [path for path in Path("scripts").iterdir() if path.name[0] not in "_."]
    assert len(entries) <= MOST_ENTRIES


@pytest.mark.parametrize(("main", "program"), PROGRAMS, ids=[name for _, name in PROGRAMS])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands_in_a_line_each(main, program, option, capsys):
    assert exit_status(main, [option]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"usage: {program} COMMAND ...") and not told.err
    lines = told.out.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    names = [name for owner, name in COMMANDS if owner is main]
    assert [line.split()[0] for line in lines] == names
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "latent.py needs a command"),
        (["transfr", "small.yaml"], "latent.py has no command transfr"),
        (["--device", "cpu", "encode"], "latent.py has no command --device"),
    ],
)
def test_without_a_known_command_they_are_listed(arguments, problem, capsys):
    assert exit_status(latent.main, arguments) == EXIT_USER_ERROR
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {problem}; choose one of:\n  encode  ") and not told.out
    assert len(told.err.splitlines()) == 1 + len(LATENT)


@pytest.mark.parametrize(("main", "name"), COMMANDS, ids=[name for _, name in COMMANDS])
def test_every_command_has_a_help_of_its_own(main, name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    told = capsys.readouterr().out
    (program,) = [program for owner, program in PROGRAMS if owner is main]
    assert told.startswith(f"usage: {program} {name} ")
    assert f"Example: python scripts/{program} {name}" in told


@pytest.mark.parametrize("command", ["encode", "sample"])
def test_overrides_and_options_may_alternate(command, config_path, capsys):
    latent.main(
        [
            command,
            str(config_path),
            "training.batch_size=3",
            "--device",
            "cpu",
            "--print-config",
            "data.stride=2",
        ]
    )
    printed = capsys.readouterr().out
    assert "batch_size: 3" in printed and "stride: 2" in printed


def test_the_schema_for_editors_is_written(tmp_path):
    write_schema(tmp_path / "schema.json")
    schema = json.loads((tmp_path / "schema.json").read_text())
    assert "inherit_from" in schema["properties"] and "model" in schema["properties"]
