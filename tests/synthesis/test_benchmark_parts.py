"""A sample shows held-out clips of the benchmark; for matching, bodies become others."""

from dataclasses import replace

import numpy as np

from im2mesh.synthesis.animation import BECOMING, animate
from im2mesh.synthesis.benchmark import BenchmarkSettings
from im2mesh.synthesis.benchmark_parts import BenchmarkSample, DepthSettings, MatchingSettings
from im2mesh.synthesis.splits import Clip


def test_the_sample_is_of_the_test_clips():
    whole, sample = BenchmarkSettings().splits(), BenchmarkSample().splits()
    assert {name: len(clips) for name, clips in sample.items()} == {
        "test": 3,
        "test_new_individual": 3,
    }
    for name, clips in sample.items():
        assert set(clips) <= set(whole[name])
        assert len({clip.motion for clip in clips}) == len({clip.body for clip in clips}) == 3


def test_its_clips_are_one_window_with_the_points_of_the_benchmark():
    settings = BenchmarkSample().settings_by_clip()
    whole = BenchmarkSettings()
    assert len(settings) == 6
    for clip in settings.values():
        assert (clip.frames, clip.surface_points) == (17, whole.test.surface_points)


def test_depth_cameras_see_the_clips_of_the_benchmark():
    whole, settings = BenchmarkSettings().splits(), DepthSettings()
    assert settings.splits() == {k: v for k, v in whole.items() if k != "test_ten_bodies"}
    for clip in settings.settings_by_clip().values():
        assert (clip.frames, clip.depth_views) == (17, 2)


def test_a_body_becomes_another_over_one_window():
    clip = Clip(105, "knees", becomes=102)
    moving = animate(clip, BECOMING + 3, seed=0)
    first = animate(replace(clip, becomes=None), BECOMING + 3, seed=0)
    last = animate(Clip(102, "knees", manner_of=105), BECOMING + 3, seed=0)
    half = BECOMING // 2
    np.testing.assert_array_equal(moving[0], first[0])
    np.testing.assert_allclose(moving[half], (first[half] + last[half]) / 2, atol=1e-5)
    np.testing.assert_allclose(moving[BECOMING:], last[BECOMING:], atol=1e-6)
    assert np.linalg.norm(first[-1] - last[-1], axis=-1).mean() > 0.02  # metres: two people


def test_a_window_for_matching_begins_with_one_body_and_ends_with_another():
    whole, settings = BenchmarkSettings().splits(), MatchingSettings()
    splits = settings.splits()
    people = {
        name: {clip.body for clip in whole[name]} for name in ("train", "test_new_individual")
    }
    for name, clips in splits.items():
        own = [replace(clip, becomes=None) for clip in clips]
        assert set(own) == set(whole[name]) and len(set(clips)) == len(clips)
        others = people.get(name, people["train"])
        assert all(clip.becomes in others - {clip.body} for clip in clips)
    assert len(splits["train"]) == 2 * len(whole["train"])
    assert len({(clip.body, clip.becomes) for clip in splits["train"]}) > 700
    assert {clip.frames for clip in settings.settings_by_clip().values()} == {BECOMING + 1}
    assert {settings.settings_by_clip()[clip].meshes for clip in splits["test"]} == {True}
