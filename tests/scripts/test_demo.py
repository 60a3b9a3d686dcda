"""What the demo says at its end."""

import json
from dataclasses import replace

import pytest

from im2mesh.errors import UserError
from scripts.experiments import demo


def summary(**ious: float) -> dict:
    return {"splits": {name: {"what": name, "iou": iou} for name, iou in ious.items()}}


def test_bodies_without_limbs_are_an_error():
    demo.refuse_rough_bodies(summary(seen=0.61, unseen=0.6))
    with pytest.raises(UserError, match=r"its bodies are rough: the IoU is 0\.43 for unseen, "):
        demo.refuse_rough_bodies(summary(seen=0.61, unseen=0.43))


def test_a_finished_demo_that_was_rough_stays_an_error(tmp_path, monkeypatch):
    rough = replace(demo.TRAINED, out=tmp_path)
    monkeypatch.setattr(demo, "TRAINED", rough)
    (tmp_path / demo.TABLE).write_text("table")
    rough.summary.write_text(json.dumps(summary(seen=0.2)))
    with pytest.raises(UserError, match=r"0\.20 for seen"):
        demo.main(["--train"])
