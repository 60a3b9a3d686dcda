"""The benchmark: who does what in which split."""

from collections import Counter
from pathlib import Path

from im2mesh.synthesis.benchmark import FINGERPRINT, SPLITS, BenchmarkSettings
from im2mesh.synthesis.motions.repertoire import EVERY_MOTION
from im2mesh.synthesis.plan import DatasetSettings


def test_documentation_states_the_fingerprint() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
    assert FINGERPRINT in text


def test_splits_share_no_clip() -> None:
    splits = BenchmarkSettings().splits()
    assert tuple(splits) == SPLITS
    clips = [clip for members in splits.values() for clip in members]
    assert len(set(clips)) == len(clips) == len(BenchmarkSettings().settings_by_clip())


def test_at_least_a_hundred_people_train_all_motions_evenly() -> None:
    train = BenchmarkSettings().splits()["train"]
    assert len({clip.body for clip in train}) >= 100
    times = Counter(clip.motion for clip in train)
    assert set(times) == set(EVERY_MOTION)
    assert max(times.values()) - min(times.values()) <= 1
    assert 3 <= len(train) / len({clip.body for clip in train}) <= 4


def test_test_clips_are_unseen_motions_of_seen_people() -> None:
    splits = BenchmarkSettings().splits()
    people = {clip.body for clip in splits["train"]}
    assert {clip.body for clip in splits["test"]} <= people
    assert sorted(clip.motion for clip in splits["test"]) == sorted(EVERY_MOTION)
    assert {clip.body for clip in splits["val"]} <= people


def test_new_individuals_never_train() -> None:
    splits = BenchmarkSettings().splits()
    seen = {clip.body for name in ("train", "val", "test") for clip in splits[name]}
    unseen = {clip.body for clip in splits["test_new_individual"]}
    assert len(unseen) == 5 and not unseen & seen
    assert sorted(clip.motion for clip in splits["test_new_individual"]) == sorted(EVERY_MOTION)


def test_ten_bodies_keep_their_test_clips() -> None:
    ten = DatasetSettings().splits()
    clips = BenchmarkSettings().splits()["test_ten_bodies"]
    assert clips == ten["test"] + ten["test_new_individual"]
    settings = BenchmarkSettings().settings_by_clip()[clips[0]]
    assert (settings.frames, settings.seed) == (DatasetSettings().clip.frames, 0)


def test_test_clips_hold_forty_thousand_true_points() -> None:
    settings = BenchmarkSettings()
    by_clip = settings.settings_by_clip()
    for split in ("test", "test_new_individual", "test_ten_bodies"):
        for clip in settings.splits()[split]:
            assert by_clip[clip].surface_points == by_clip[clip].occupancy_points == 40000
            assert by_clip[clip].frames >= 50
    assert all(by_clip[clip].near_surface_points for clip in settings.splits()["train"])
