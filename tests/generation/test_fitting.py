"""A surface follows clouds whose points do not correspond; the truth is a motion written down."""

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import KDTree

from im2mesh.config.schema import GenerationConfig
from im2mesh.data.batch import Observation
from im2mesh.errors import Advice
from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.clip_fit import fit_clip, num_steps
from im2mesh.generation.fitting.evidence import ROUNDS
from im2mesh.generation.fitting.fitted_clip import FittedClip
from im2mesh.generation.fitting.graph import build_graph
from im2mesh.generation.fitting.guess import guess_motion
from im2mesh.generation.fitting.node_motion import carry_points
from im2mesh.generation.fitting.refit import refit
from im2mesh.generation.fitting.residuals import measure_residuals, vertex_residuals
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.reconstruction import Reconstructor
from tests.limb import NUM_POINTS, TIMES, bent, errors, limb, observe

ITERATIONS = 100


@pytest.fixture(scope="module")
def body() -> Mesh:
    return limb()


def test_a_surface_follows_clouds_of_other_points(body):
    fitted = fit_clip(body, ObservedClip(observe(body, TIMES), TIMES), iterations=ITERATIONS)
    found = errors(fitted.vertices(TIMES), body, TIMES)
    still = errors(np.repeat(body.vertices[None], 9, 0), body, TIMES)
    assert still[-1] > 0.08
    assert found.mean() < 0.012 and found[-1] < 0.025, found


def test_numbers_of_points_may_differ_and_a_frame_may_be_empty(body):
    clouds = [observe(body, TIMES[[k]], k, [900, 100, 500][k % 3])[0] for k in range(9)]
    clouds[4] = clouds[4][:0]
    clip = ObservedClip(clouds, TIMES)
    fitted = fit_clip(body, clip, iterations=ITERATIONS)
    assert errors(fitted.vertices(TIMES), body, TIMES).mean() < 0.015
    assert np.isnan(measure_residuals(fitted, clip).median[4])


def test_outliers_count_little(body):
    clouds = observe(body, TIMES)
    rng = np.random.default_rng(1)
    for cloud in clouds:
        cloud[:30] = rng.uniform(-0.5, 0.5, (30, 3))
    fitted = fit_clip(body, ObservedClip(clouds, TIMES), iterations=ITERATIONS)
    assert errors(fitted.vertices(TIMES), body, TIMES).mean() < 0.015


def test_tracked_points_are_followed_exactly(body):
    rows = np.random.default_rng(0).choice(len(body.vertices), NUM_POINTS, replace=False)
    clouds = [bent(body.vertices[rows], t).astype(np.float32) for t in TIMES]
    clip = ObservedClip(clouds, TIMES, corresponding=True)
    fitted = fit_clip(body, clip, iterations=ITERATIONS)
    assert errors(fitted.vertices(TIMES), body, TIMES).mean() < 0.004
    np.testing.assert_array_equal(fitted.surface.vertices, body.vertices)


def test_a_guessed_surface_is_moved_to_where_all_clouds_say_it_is(body):
    thick = Mesh((1.1 * body.vertices).astype(np.float32), body.faces)
    gathered = []

    def extract(cloud: np.ndarray) -> Mesh:
        gathered.append(cloud)
        return thick

    clip = ObservedClip(observe(body, TIMES), TIMES)
    steps = []
    fitted = fit_clip(thick, clip, iterations=50, extract=extract, progress=lambda: steps.append(1))
    before = errors(thick.vertices[None], body, TIMES[:1])[0]
    assert errors(fitted.surface.vertices[None], body, TIMES[:1])[0] < 0.6 * before
    assert len(steps) == num_steps(clip, settles=True) == ROUNDS + 1
    assert len(gathered) == ROUNDS - 1
    assert 0.99 * 9 * NUM_POINTS < len(gathered[-1]) <= 9 * NUM_POINTS  # all but a few
    true = trimesh.Trimesh(body.vertices, body.faces, process=False)
    tree = KDTree(trimesh.sample.sample_surface(true, 20_000, seed=0)[0])
    away = tree.query(gathered[-1])[0].mean()
    assert away < 0.006, f"points of later frames are {away} from the surface they come back to"


def cloud_at_first(body: Mesh, clouds: list) -> np.ndarray:
    """What a network is shown last, of clouds carried back; distances to the true surface."""
    gathered = []

    def extract(cloud: np.ndarray) -> Mesh:
        gathered.append(cloud)
        return body

    fit_clip(body, ObservedClip(clouds, TIMES), iterations=30, extract=extract)
    true = trimesh.Trimesh(body.vertices, body.faces, process=False)
    return KDTree(trimesh.sample.sample_surface(true, 20_000, seed=0)[0]).query(gathered[-1])[0]


def test_points_that_belong_to_no_surface_are_left_out(body):
    rng = np.random.default_rng(0)
    clouds = [
        np.concatenate([cloud, rng.uniform(-0.6, 0.6, (30, 3)).astype(np.float32)])
        for cloud in observe(body, TIMES)
    ]
    away = cloud_at_first(body, clouds)
    assert (away > 0.06).mean() < 0.002, "of the outliers, a tenth of the points, some are left"
    assert len(away) > 0.98 * 9 * NUM_POINTS


def test_a_key_frame_at_the_end_settles_with_the_frames_before_it(body):
    clouds = observe(body, TIMES)
    final = Mesh(bent(body.vertices, 1).astype(np.float32), body.faces)
    gathered = []

    def extract(cloud: np.ndarray) -> Mesh:
        gathered.append(cloud)
        return final

    fitted = fit_clip(final, ObservedClip(clouds, TIMES, key=8), iterations=30, extract=extract)
    assert len(gathered) == ROUNDS - 1 and not fitted.later
    assert errors(fitted.vertices(TIMES), body, TIMES)[0] < 0.03


def test_large_clouds_are_shown_in_part(body):
    """A network has seen at most 3000 points."""
    clouds = observe(body, TIMES[:1]) + observe(body, TIMES[1:2], count=4000)
    gathered = []

    def extract(cloud: np.ndarray) -> Mesh:
        gathered.append(len(cloud))
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))  # nothing found

    with pytest.warns(Advice, match="a surface of 0% of the size of the one before"):
        fitted = fit_clip(body, ObservedClip(clouds, TIMES[:2]), iterations=3, extract=extract)
    assert all(abs(count - 3000) <= 1 for count in gathered) and len(gathered) == ROUNDS - 1
    assert len(fitted.surface.vertices) == len(body.vertices)


def test_a_bit_of_a_surface_does_not_take_the_place_of_the_body(body):
    near = body.vertices[body.faces].max(1)[:, 1] < -0.4
    bit = Mesh(body.vertices, body.faces[near])
    used = np.unique(bit.faces)
    bit = Mesh(body.vertices[used], np.searchsorted(used, bit.faces).astype(np.int32))
    with pytest.warns(Advice, match=r"a surface of \d+% of the size of the one before"):
        fitted = fit_clip(
            body, ObservedClip(observe(body, TIMES), TIMES), iterations=3, extract=lambda cloud: bit
        )
    assert len(bit.vertices) > 20 and len(fitted.surface.vertices) == len(body.vertices)


def test_the_surface_of_a_dense_cloud_is_kept(body):
    def extract(cloud: np.ndarray) -> Mesh:
        raise AssertionError("a surface of many points is only moved")

    clip = ObservedClip(observe(body, TIMES[:2], count=1000), TIMES[:2])
    fit_clip(body, clip, iterations=3, extract=extract)
    assert num_steps(clip, settles=True) == 2


def test_a_long_clip_has_one_surface_and_a_key_frame_anywhere(body):
    """It bends forth, and back again: at the end it must be where it was at the start."""
    count, key = 40, 20
    phases = np.abs(np.linspace(-1, 1, count))
    times = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.5, count))
    clouds = observe(body, phases)
    start = Mesh(bent(body.vertices, phases[key]).astype(np.float32), body.faces)
    windows = []
    clip = ObservedClip(clouds, times, key)
    fitted = fit_clip(start, clip, iterations=30, progress=lambda: windows.append(1))
    assert len(windows) == num_steps(clip, settles=False) == 4
    vertices = fitted.vertices(times)
    assert vertices.shape == (count, len(body.vertices), 3)
    steps = np.linalg.norm(np.diff(vertices, axis=0), axis=-1).mean(1)
    true = [bent(body.vertices, t) for t in phases]
    true_steps = np.linalg.norm(np.diff(true, axis=0), axis=-1).mean(1)
    assert steps.max() < 3 * true_steps.max(), "windows do not join"
    found = errors(vertices, body, phases)
    assert found.mean() < 0.02 and max(found[0], found[-1]) < 0.04, found


def test_a_guess_turns_nodes_with_their_surroundings(body):
    graph = build_graph(body)
    angles = np.linspace(0, 1.2, 9)
    turns = [trimesh.transformations.rotation_matrix(a, [1, 2, 3])[:3, :3] for a in angles]
    paths = np.stack([graph.positions.numpy() @ turn.T for turn in turns])
    pose = guess_motion(graph, paths, TIMES).pose(TIMES)
    vertices = torch.from_numpy(body.vertices)
    carried = carry_points(graph, pose, vertices, graph.shares).numpy()
    expected = np.stack([body.vertices @ turn.T for turn in turns])
    np.testing.assert_allclose(carried, expected, atol=2e-3)


def test_residuals_say_where_not_to_trust_the_surface(body):
    clip = ObservedClip(observe(body, TIMES), TIMES)
    fitted = fit_clip(body, clip, iterations=ITERATIONS)
    clouds = list(clip.clouds)
    clouds[5] = clouds[5] + np.float32([0, 0, 0.3])  # another subject
    clouds[6] = clouds[6][clouds[6][:, 1] < 0]  # the upper half is not seen
    residuals = measure_residuals(fitted, ObservedClip(clouds, TIMES))
    assert residuals.median[1] < 0.01 and residuals.foreign[1] == 0
    assert residuals.foreign[5] > 0.5
    of_vertices = vertex_residuals(fitted, residuals)
    assert of_vertices.shape == (9, len(body.vertices))
    top = body.vertices[:, 1] > 0.4
    assert np.isnan(of_vertices[6, top]).all() and not np.isnan(of_vertices[1]).any()


def test_a_point_beyond_an_edge_is_far_from_the_surface():
    """A sheet in the plane y = 0: beside it, the distance along the normal is 0."""
    x, z = (part.ravel() for part in np.meshgrid(*2 * [np.linspace(-0.5, 0.5, 101)]))
    sheet = Mesh(np.stack([x, 0 * x, z], 1).astype(np.float32), np.zeros((0, 3), np.int32))
    over = np.stack([x, 0 * x + 0.01, z], 1).astype(np.float32)[::10]
    still = [over, over]
    fitted = fit_clip(sheet, ObservedClip(still, TIMES[:2]), iterations=1)
    at_rest = FittedClip(sheet, fitted.graph, 0.0, [], [])
    beside = np.stack([0 * z + 0.53, 0 * z, z], 1).astype(np.float32)
    residuals = measure_residuals(at_rest, ObservedClip([over, beside], TIMES[:2]))
    np.testing.assert_allclose(residuals.median, [0.01, 0.03], atol=0.003)


def test_the_answer_of_a_model_is_where_a_fit_begins(body):
    clouds = np.stack(observe(body, TIMES))
    vertices = np.stack([bent(body.vertices, 0.8 * t) for t in TIMES]).astype(np.float32)
    answer = MeshSequence(body.faces, vertices, TIMES)
    observation = Observation(clouds, TIMES.astype(np.float32))
    config = GenerationConfig(fit_iterations=ITERATIONS)
    fitted = refit(answer, observation, config, corresponding=False)
    assert errors(fitted.vertices, body, TIMES)[-1] < 0.5 * errors(vertices, body, TIMES)[-1]
    images = Observation(np.zeros((9, 3, 8, 8), np.float32), observation.times)
    with pytest.raises(ValueError, match="is for clouds, and images are observed"):
        refit(answer, images, config, corresponding=False)


def test_a_fit_without_anything_to_fit_is_refused(body):
    with pytest.raises(ValueError, match="no frame but the first has points"):
        fit_clip(
            body,
            ObservedClip([*observe(body, TIMES[:1]), np.zeros((0, 3))], TIMES[:2]),
            iterations=1,
        )
    with pytest.raises(ValueError, match="the surface has 3 vertices, and a fit needs more than 6"):
        build_graph(Mesh.of_points(np.zeros((3, 3), np.float32)))


@pytest.mark.parametrize(
    ("weights", "corresponding"), [("local", True), ("local_unordered", False)]
)
def test_a_fit_takes_rows_for_particles_only_where_the_data_say_so(weights, corresponding):
    """What encodes a single frame may need corresponding rows elsewhere; that says nothing here."""
    observation = Observation(np.zeros((2, 40, 3), np.float32), np.float32([0, 1]))
    start = MeshSequence(np.zeros((0, 3), np.int32), np.zeros((2, 7, 3)), np.array([0.0, 1.0]))
    seen = []

    def note(surface: Mesh, clip: ObservedClip, **rest: object) -> None:
        seen.append(clip.corresponding)
        raise InterruptedError

    fit = Reconstructor.pretrained(weights, "cpu").generator.fit
    assert fit is not None
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr("im2mesh.generation.fitting.refit.fit_clip", note)
        fit(start, observation, GenerationConfig(fit_iterations=1), None)
    assert seen == [corresponding]
