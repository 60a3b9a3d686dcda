"""The sample shows held-out clips of the benchmark."""

from im2mesh.synthesis.benchmark import BenchmarkSample, BenchmarkSettings


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
