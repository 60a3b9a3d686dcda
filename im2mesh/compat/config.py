"""Configs of the authors' code -> ours. Every key is translated, named as ignored, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from im2mesh.compat.config_keys import (
    IGNORED,
    INPUTS,
    MAY_BE_NONE,
    METHODS,
    NETWORKS,
    ONLY_VALUE,
    OPTIONS,
    OTHER_DEFAULTS,
    SAME_MEANING,
    SIZES,
    TYPE_NAMES,
    TYPE_WHERE_DEFAULT_IS_NONE,
    WITHOUT_EFFECT,
    Values,
)
from im2mesh.config.files import INHERIT_KEY
from im2mesh.errors import ConfigError


@dataclass
class Translation:
    """A config in our keys, and the keys of theirs that have no counterpart and no effect."""

    config: Values = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def set(self, key: str, value: Any) -> None:
        section, _, name = key.rpartition(".")
        (self.config.setdefault(section, {}) if section else self.config)[name] = value


def translate_config(official: Mapping[str, Any]) -> Translation:
    """Translate a config of the authors' code, with their defaults for all that it leaves out.

    Raises:
        ConfigError: If it has a key that their code does not know, or a value that has no
            counterpart here.
    """
    given = _flat(official)
    values = {**OTHER_DEFAULTS, **{key: default for key, (_, default) in SAME_MEANING.items()}}
    _refuse_other_types(given, values)
    options = {f"model.{network}_kwargs" for network in NETWORKS}
    known = values.keys() | ONLY_VALUE.keys() | IGNORED | options
    if unknown := sorted(given.keys() - known):
        raise ConfigError(f"unknown keys {', '.join(unknown)}: no keys of the authors' code")
    for key, only in ONLY_VALUE.items():
        if given.get(key, only) != only:
            raise ConfigError(f"{key} is {given[key]!r}; only {only!r} has a counterpart here")
    values |= given
    done = Translation(ignored=sorted(given.keys() & IGNORED))
    for key, (ours, _) in SAME_MEANING.items():
        done.set(ours, values[key])
    done.set("validation.threshold", values["test.threshold"])
    done.set("ode.gradient", "adjoint" if values["model.use_adjoint"] else "direct")
    _translate_method(values, done)
    _translate_data(values, done)
    _translate_losses(values, done)
    _translate_generation(values, done)
    return done


def _refuse_other_types(given: Values, defaults: Values) -> None:
    expected = {
        key: TYPE_WHERE_DEFAULT_IS_NONE.get(key, str) if default is None else type(default)
        for key, default in defaults.items()
    }
    expected |= {f"model.{network}_kwargs": dict for network in NETWORKS}
    optional = MAY_BE_NONE | {key for key in expected if defaults.get(key) is None}
    wrong = [
        f"{key} is {given[key]!r}, expected {TYPE_NAMES[kind]}"
        for key, kind in expected.items()
        if key in given and not _has_type(given[key], kind, key in optional)
    ]
    if wrong:
        raise ConfigError("; ".join(wrong))


def _has_type(value: Any, kind: type, may_be_none: bool) -> bool:
    if value is None:
        return may_be_none
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def _flat(official: Mapping[str, Any]) -> Values:
    """Section.key -> value; the options of a network stay together."""
    found: Values = {}
    for name, value in official.items():
        if name == INHERIT_KEY:
            continue
        if name in ("data", "model", "training", "test", "generation"):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name} must be a section of keys and values, got {value!r}")
            found |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            found[name] = value
    return found


def _translate_method(values: Values, done: Translation) -> None:
    method = _choice(values, "method", METHODS)
    done.set("model.method", method)
    done.set("model.code_size", values["model.c_dim"] or 128)
    if values["model.z_dim"]:
        done.set("model.latent_size", values["model.z_dim"])
    for theirs, ours in NETWORKS.items():
        done.set(f"model.{ours}", _network(values, theirs))
    if method == "onet4d":
        done.set("model.encoder", None)
        done.set("model.velocity_field", None)
    if method == "psgn4d":
        decoder = {"name": "mlp", "num_points": 1024, "hidden_size": 512}
        done.set("model.trajectory_decoder", decoder)
        done.set("model.encoder_temporal", _network(values, "encoder"))
        for network in ("encoder", "decoder", "velocity_field"):
            done.set(f"model.{network}", None)


def _network(values: Values, theirs: str) -> Values | None:
    """A network with its options, in our words."""
    name, options = values[f"model.{theirs}"], values.get(f"model.{theirs}_kwargs") or {}
    if not isinstance(options, dict):
        raise ConfigError(f"model.{theirs}_kwargs is {options!r}, expected keys and values")
    if name is None:
        return None
    if name == "idx":
        raise ConfigError(f"model.{theirs} is idx, a table of codes, which has no counterpart here")
    unknown = sorted(options.keys() - OPTIONS.keys() - WITHOUT_EFFECT)
    if unknown or options.get("leaky"):
        raise ConfigError(
            f"model.{theirs}_kwargs sets {', '.join(unknown) or 'leaky'}, which has no counterpart "
            "here"
        )
    sizes = {"hidden_size": SIZES[name]} if name in SIZES else {}
    given = {OPTIONS[key]: value for key, value in options.items() if key in OPTIONS}
    return {"name": name, **sizes, **given}


def _translate_data(values: Values, done: Translation) -> None:
    kind = values["data.input_type"]
    done.set("data.input", _choice(values, "data.input_type", INPUTS))
    if kind == "end_pointclouds":
        done.set("data.num_input_frames", 2)
    if values["model.encoder_latent"] or values["model.encoder_latent_temporal"]:
        done.set("data.input", "pointcloud")
    files, frames = values["data.n_files_per_sequence"], values["data.length_sequence"]
    if files == frames:  # one window per clip
        done.set("data.stride", frames)
        done.set("data.eval_stride", frames)
    elif files > 0:
        raise ConfigError(
            f"data.n_files_per_sequence is {files}, which has a counterpart here only if it is "
            f"data.length_sequence, {frames}; cut the clips instead"
        )


def _translate_losses(values: Values, done: Translation) -> None:
    corresponds = float(values["model.loss_corr"])
    if values["method"] == "psgn4d":
        done.set("loss.reconstruction", 0.0)
        done.set("loss.chamfer", 1.0 - corresponds)
        done.set("loss.chamfer_trajectories", corresponds)
    else:
        done.set("loss.reconstruction", float(values["model.loss_recon"]))
        done.set("loss.correspondence", corresponds)
        done.set("loss.correspondence_backward", float(values["model.loss_corr_bw"]))
    if values["model.z_dim"]:
        done.set("loss.kl", values["model.vae_beta"])
    if not done.config["loss"]["reconstruction"]:
        done.set("data.num_points", 0)
        done.set("validation.num_points", 0)


def _translate_generation(values: Values, done: Translation) -> None:
    steps, frames = values["generation.n_time_steps"], values["data.length_sequence"]
    if steps != frames:
        done.set("generation.num_steps", steps)
    if values["generation.interpolate"] or values["generation.correspondence"]:
        done.set("generation.surface", "mesh")
    if values["generation.interpolate"]:
        done.set("generation.blend_from_end", True)
        done.set("evaluation.frames", "between")
    if values["generation.only_end_time_points"]:
        done.set("generation.num_steps", 2)
    if values["test.eval_only_end_time_steps"]:
        done.set("evaluation.frames", "last")


def _choice(values: Values, key: str, choices: Mapping[Any, Any]) -> Any:
    if values[key] not in choices:
        raise ConfigError(
            f"{key} is {values[key]!r}, which has no counterpart here; it may be one of: "
            f"{', '.join(map(str, choices))}"
        )
    return choices[values[key]]
