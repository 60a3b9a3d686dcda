"""bf16 on this machine, whatever it has."""

import time

import torch

from im2mesh.machine.bf16 import bf16_speedup, has_bf16_units

CPU = torch.device("cpu")


def test_a_build_without_onednn_has_no_units(monkeypatch):
    def missing() -> bool:
        raise AttributeError("no such operation")

    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", missing)
    assert has_bf16_units(CPU) is False


def test_only_gpus_from_ampere_on_have_units(monkeypatch):
    for capability, expected in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert has_bf16_units(torch.device("cuda")) is expected


def test_the_measurement_is_short_and_draws_no_number():
    state, started = torch.get_rng_state(), time.monotonic()
    speedup = bf16_speedup(CPU)
    assert torch.equal(state, torch.get_rng_state())
    assert time.monotonic() - started < 30 and 0.001 < speedup < 1000


def test_emulated_bf16_is_measured_as_slower():
    if not has_bf16_units(CPU):
        assert bf16_speedup(CPU) < 0.8
