"""Images: read frame by frame and view by view; encoders of one or many."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from im2mesh.data.frames import StoredWindow
from im2mesh.data.images import choose_view, choose_views, list_views, read_images
from im2mesh.data.layout import DataError, Window
from im2mesh.errors import ConfigError
from im2mesh.models.encoders.images import IMAGENET_MEAN, IMAGENET_STD, Conv3D, Resnet18
from tests.ball import CATEGORY, ball_motion, draw_ball, write_ball_dataset, write_ball_images

WINDOW = Window(CATEGORY, "ball_b", start=2, num_frames=5)  # files 9 to 13


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_ball_dataset(tmp_path, num_frames=8)
    write_ball_images(tmp_path)
    return tmp_path


def clip(root: Path) -> Path:
    return root / CATEGORY / "ball_b"


def pixels(image: Image.Image) -> np.ndarray:
    """[3, H, W] in [0, 1]."""
    return np.moveaxis(np.asarray(image, np.float32) / 255, -1, 0)


def test_images_are_those_of_the_frames_asked_for(root: Path) -> None:
    images = read_images(StoredWindow(root, WINDOW), "1", [0, 4, 3], 32)
    assert images.shape == (3, 3, 32, 32) and images.dtype == np.float32
    for image, frame in zip(images, (2, 6, 5), strict=True):
        drawn = draw_ball(ball_motion("ball_b"), frame, np.pi / 2, 32)
        assert np.abs(image - pixels(drawn)).mean() < 0.02  # JPEG
    assert images.max() > 0.99 and images.min() >= 0
    front, back = (read_images(StoredWindow(root, WINDOW), view, [4], 32) for view in "02")
    assert np.abs(front - back).max() > 0.1
    assert read_images(StoredWindow(root, WINDOW), "0", [], 32).shape == (0, 3, 32, 32)


def test_any_format_mode_and_padding_of_the_number(root: Path) -> None:
    folder = clip(root) / "img" / "0"
    (folder / "00009.jpg").unlink()
    Image.new("L", (32, 32), 51).save(folder / "9.png")
    (folder / "00010.jpg").unlink()
    Image.new("RGBA", (32, 32), (255, 0, 0, 255)).save(folder / "0000010.png")
    grey, red = read_images(StoredWindow(root, WINDOW), "0", [0, 1], 32)
    np.testing.assert_allclose(grey, 0.2)
    np.testing.assert_allclose(red.mean((1, 2)), [1, 0, 0])


def test_shrinking_averages(root: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(clip(root) / "img" / "0" / "00009.jpg", format="PNG")
    image = read_images(StoredWindow(root, WINDOW), "0", [0], 16)[0]
    np.testing.assert_allclose(image[:, :, 1:-1], 0.5, atol=0.05)


def test_views_are_sorted_by_number_or_by_name(root: Path) -> None:
    assert (
        list_views(StoredWindow(root, WINDOW))
        == choose_views(StoredWindow(root, WINDOW), 4)
        == ("0", "1", "2", "3")
    )
    assert choose_views(StoredWindow(root, WINDOW), 2) == ("0", "1")
    folder = clip(root) / "img"
    (folder / "10").mkdir()
    (folder / "notes.txt").touch()
    assert list_views(StoredWindow(root, WINDOW))[-1] == "10"
    for name, place in zip(
        ("3", "2", "1", "0", "10"), ("a", "back", "front", "c", "e"), strict=True
    ):
        (folder / name).rename(folder / place)
    assert choose_views(StoredWindow(root, WINDOW), 3) == ("a", "back", "c")
    with pytest.raises(DataError, match="has views a, back, c, e, front, expected 6; 1 missing"):
        choose_views(StoredWindow(root, WINDOW), 6)


def test_random_view_or_the_first(root: Path) -> None:
    rng = np.random.default_rng(0)
    assert {choose_view(StoredWindow(root, WINDOW), 4, None) for _ in range(5)} == {"0"}
    assert {choose_view(StoredWindow(root, WINDOW), 4, rng) for _ in range(50)} == {
        "0",
        "1",
        "2",
        "3",
    }
    assert {choose_view(StoredWindow(root, WINDOW), 2, rng) for _ in range(50)} == {"0", "1"}


def remove(path: Path) -> None:
    if path.is_dir():
        for inner in path.iterdir():
            remove(inner)
        path.rmdir()
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("img", r"clip ball_b: no folder .*img; make the data with make_bodies.py --views 4, or"),
        ("img/2", "clip ball_b: img has views 0, 1, 3, expected 4; view 2 is missing.*num_views"),
        ("img/3", "clip ball_b: img has views 0, 1, 2, expected 4; view 3 is missing"),
        ("img/1/00010.jpg", "clip ball_b: .*img/1 has no file for frame 10"),
    ],
)
def test_what_is_missing_is_named(root: Path, broken: str, message: str) -> None:
    remove(clip(root) / broken)
    with pytest.raises(DataError, match=message):
        [
            read_images(StoredWindow(root, WINDOW), view, [0], 32)
            for view in choose_views(StoredWindow(root, WINDOW), 4)
        ]


def test_view_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"clip ball_b: no folder .*img/7"):
        read_images(StoredWindow(root, WINDOW), "7", [0], 32)
    for view in "0123":
        remove(clip(root) / "img" / view)
    with pytest.raises(DataError, match="holds no folder of a view; make the data"):
        list_views(StoredWindow(root, WINDOW))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("kept", [0, 20, 0.7])
def test_damaged_image_is_named(root: Path, suffix: str, kept: float) -> None:
    path = clip(root) / "img" / "0" / "00009.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(path, format={"jpg": "JPEG"}.get(suffix, suffix))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])
    with pytest.raises(DataError, match=r"clip ball_b: .*00009.jpg is not an intact image"):
        read_images(StoredWindow(root, WINDOW), "0", [0], 32)


def test_images_that_are_not_square_are_refused(root: Path) -> None:
    Image.new("RGB", (40, 30)).save(clip(root) / "img" / "0" / "00009.jpg")
    with pytest.raises(DataError, match=r"00009.jpg has 40 x 30 pixels, expected a square"):
        read_images(StoredWindow(root, WINDOW), "0", [0], 32)


def torchvision_names() -> dict[str, tuple[int, ...]]:
    """Name -> shape in the state dict of torchvision's resnet18, by the rule it is built with."""
    names: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **norm_names("bn1", 64)}
    before = 64
    for layer, width in enumerate((64, 128, 256, 512), 1):
        for block in (0, 1):
            name = f"layer{layer}.{block}"
            names[f"{name}.conv1.weight"] = (width, before, 3, 3)
            names[f"{name}.conv2.weight"] = (width, width, 3, 3)
            names |= norm_names(f"{name}.bn1", width) | norm_names(f"{name}.bn2", width)
            if before != width:
                names[f"{name}.downsample.0.weight"] = (width, before, 1, 1)
                names |= norm_names(f"{name}.downsample.1", width)
            before = width
    return names | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


def norm_names(name: str, width: int) -> dict[str, tuple[int, ...]]:
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{key}": (width,) for key in vectors} | {f"{name}.num_batches_tracked": ()}


def pretrained(path: Path) -> Resnet18:
    encoder = Resnet18(1, 8, weights=str(path))
    encoder.load_pretrained()
    return encoder


def random_weights() -> dict[str, torch.Tensor]:
    return {
        name: torch.rand(shape) if shape else torch.tensor(7)
        for name, shape in torchvision_names().items()
    }


def test_resnet18_has_the_names_and_shapes_of_torchvision() -> None:
    found = {key: tuple(value.shape) for key, value in Resnet18(1, 8).features.state_dict().items()}
    expected = {k: v for k, v in torchvision_names().items() if not k.startswith("fc.")}
    assert found == expected and len(expected) == 120
    assert sum(p.numel() for p in Resnet18(1, 1000).parameters()) == 11_689_512  # torchvision's


def test_resnet18_sizes() -> None:
    shapes = {}
    network = Resnet18(1, 8).eval()
    for name, module in network.features.named_children():
        module.register_forward_hook(
            lambda _m, _i, out, name=name: shapes.update({name: out.shape[1:]})
        )
    assert network(torch.rand(1, 1, 3, 224, 224), torch.zeros(1, 1)).shape == (1, 8)
    assert {name: tuple(shape) for name, shape in shapes.items()} == {
        "conv1": (64, 112, 112),
        "bn1": (64, 112, 112),
        "layer1": (64, 56, 56),
        "layer2": (128, 28, 28),
        "layer3": (256, 14, 14),
        "layer4": (512, 7, 7),
    }


def test_resnet18_sees_normalised_images() -> None:
    network, seen = Resnet18(1, 8).eval(), []
    network.features.conv1.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    network((mean + 2 * std).expand(2, 1, 3, 32, 32), torch.zeros(2, 1))
    torch.testing.assert_close(seen[0], torch.full((2, 3, 32, 32), 2.0))
    assert {key.split(".")[0] for key in network.state_dict()} == {"features", "fc"}


def test_random_start_keeps_the_scale_of_activations() -> None:
    torch.manual_seed(0)
    conv = Resnet18(1, 8).features.layer3[1].conv1  # variance 2 / (9 * 256): He et al., ICCV 2015
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)


def test_conv3d_sizes() -> None:
    """Widths and strides as in the paper's code; time is halved four times, space six."""
    network, shapes = Conv3D(17, 8), []
    for conv in network.convs:
        conv.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    assert network(torch.rand(1, 17, 3, 64, 64), torch.zeros(1, 17)).shape == (1, 8)
    assert shapes == [
        (32, 17, 32, 32),
        (64, 9, 16, 16),
        (128, 9, 8, 8),
        (256, 5, 4, 4),
        (512, 3, 2, 2),
        (512, 2, 1, 1),
    ]
    assert all(conv.kernel_size == (3, 3, 3) for conv in network.convs)


@pytest.mark.parametrize("num_frames", [1, 2, 5, 30])
def test_conv3d_takes_any_number_of_frames(num_frames: int) -> None:
    code = Conv3D(17, 8)(torch.rand(2, num_frames, 3, 64, 64), torch.zeros(2, num_frames))
    assert code.shape == (2, 8)


@pytest.mark.parametrize(("network", "num_frames"), [(Resnet18, 1), (Conv3D, 5)])
def test_images_matter_and_every_weight_gets_a_gradient(network: type, num_frames: int) -> None:
    encoder = network(num_frames, 8)
    images, times = torch.rand(2, num_frames, 3, 64, 64), torch.zeros(2, num_frames)
    codes = encoder(images, times)
    assert not torch.allclose(codes[0], codes[1])
    codes.square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert encoder.input_kind == "images"
    assert not encoder.needs_corresponding_points and not encoder.sees_times


def test_resnet18_takes_over_weights(tmp_path: Path) -> None:
    weights = random_weights()
    torch.save(weights, tmp_path / "resnet18.pth")
    features = pretrained(tmp_path / "resnet18.pth").features.state_dict()
    for name, value in features.items():
        torch.testing.assert_close(value, weights[name])


def test_weights_older_than_the_counters_are_taken(tmp_path: Path) -> None:
    weights = {k: v for k, v in random_weights().items() if "num_batches" not in k}
    torch.save(weights, tmp_path / "old.pth")
    features = pretrained(tmp_path / "old.pth").features
    torch.testing.assert_close(features.bn1.running_var, weights["bn1.running_var"])
    assert features.bn1.num_batches_tracked == 0


def test_other_weights_are_refused_name_by_name(tmp_path: Path) -> None:
    weights = random_weights()
    del weights["layer2.0.bn1.running_mean"], weights["conv1.weight"]
    weights["layer5.conv"] = torch.zeros(1)
    weights["bn1.weight"] = torch.zeros(32)
    torch.save(weights, tmp_path / "wrong.pth")
    with pytest.raises(ConfigError) as error:
        pretrained(tmp_path / "wrong.pth")
    for part in (
        "conv1.weight is missing",
        "layer2.0.bn1.running_mean is missing",
        "layer5.conv is unknown",
        "bn1.weight has shape [32], expected [64]",
    ):
        assert part in str(error.value)
    assert str(error.value).count(";") == 3


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*absent.pth .*set weights to null"):
        pretrained(tmp_path / "absent.pth")
    for content in (b"", b"no weights", b"PK\x03\x04 cut short"):
        (tmp_path / "bad.pth").write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad\.pth is damaged or was not written by torch"):
            pretrained(tmp_path / "bad.pth")
    for content in ([1, 2], {"state_dict": {}}):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(ConfigError, match="must hold one tensor per name"):
            pretrained(tmp_path / "other.pth")


@pytest.mark.usefixtures("without_shape_checks")
def test_wrong_shapes_are_explained() -> None:
    with pytest.raises(ValueError, match=r"one image, got 17 frames; use it as model.encoder, and"):
        Resnet18(17, 8)
    with pytest.raises(ValueError, match="one image, got 2 frames"):
        Resnet18(1, 8)(torch.rand(1, 2, 3, 32, 32), torch.zeros(1, 2))
    for encoder in (Resnet18(1, 8), Conv3D(1, 8)):
        for shape in ((1, 3, 32, 32), (1, 1, 32, 32, 3)):
            with pytest.raises(ValueError, match=r"must have shape \[B, T, 3, H, W\], got"):
                encoder(torch.rand(shape), torch.zeros(1, 1))
