"""Somebody's pictures: found, read, and the body cut out by a stated rule."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from im2mesh.data.cut_out import cut_out
from im2mesh.data.pictures import Picture, find_pictures
from im2mesh.errors import Advice, UserError
from im2mesh.meshing.rendering import MARGIN
from im2mesh.visualization.video.encoding import write_video

WALL, SHIRT = (120, 140, 160), (200, 40, 40)


def scene(left: int = 40, wall: tuple[int, ...] = WALL, noise: int = 0) -> np.ndarray:
    """Somebody 30 pixels wide and 60 tall, before a wall of 160 x 100 pixels."""
    pixels = np.empty((100, 160, 3), np.uint8)
    pixels[:] = wall
    pixels[20:80, left : left + 30] = SHIRT
    if noise:
        rng = np.random.default_rng(0)
        pixels = (pixels + rng.integers(-noise, noise + 1, pixels.shape)).clip(0, 255)
    return pixels.astype(np.uint8)


def pictures(*arrays: np.ndarray) -> list[Picture]:
    return [Picture(f"picture {k}", pixels) for k, pixels in enumerate(arrays)]


class TestCutOut:
    def test_the_body_fills_the_square_in_all_pictures_alike(self) -> None:
        body = cut_out(pictures(scene(40), scene(60)), 66)
        assert body.images.shape == (2, 3, 66, 66) and body.images.dtype == np.float32
        np.testing.assert_allclose(body.images[:, :, 0, 0], np.array([[250, 250, 248]] * 2) / 255)
        # 60 pixels tall, and 50 wide over both pictures; the square has a side of 1.05 x 60
        half = 1 / MARGIN
        shift = 20 / (MARGIN * 30)
        np.testing.assert_allclose(body.boxes[0], [-25 / 31.5, -half, 5 / 31.5, half], atol=1e-6)
        np.testing.assert_allclose(body.boxes[1] - body.boxes[0], [shift, 0, shift, 0], atol=1e-6)
        red = body.images[0, 0] > body.images[0, 1] + 0.3
        rows, columns = np.nonzero(red)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose((body.boxes[0] + 1) / 2 * 66, seen, atol=1)

    def test_noise_of_a_camera_is_no_body(self) -> None:
        noisy, clean = (cut_out(pictures(scene(noise=n)), 64) for n in (15, 0))
        np.testing.assert_allclose(noisy.boxes, clean.boxes, atol=0.04)

    def test_transparent_pixels_say_what_is_the_body(self) -> None:
        pixels = np.dstack([scene(wall=(0, 0, 0)), np.zeros((100, 160), np.uint8)])
        pixels[30:70, 50:60, 3] = 255  # a part of the shirt only
        body = cut_out(pictures(pixels), 40)
        np.testing.assert_allclose(body.boxes[0], np.array([-5, -20, 5, 20]) / 21, atol=1e-6)

    def test_an_alpha_channel_without_transparency_says_nothing(self) -> None:
        opaque = np.dstack([scene(), np.full((100, 160), 255, np.uint8)])
        np.testing.assert_array_equal(
            cut_out(pictures(opaque), 32).images, cut_out(pictures(scene()), 32).images
        )

    def test_specks_are_left_out_and_hands_are_not(self) -> None:
        pixels = scene()
        pixels[5:8, 5:8] = (0, 0, 0)  # a fly on the wall
        pixels[40:60, 74:84] = SHIRT  # a hand, apart from the arm
        body = cut_out(pictures(pixels), 64)
        expected = np.array([40, 20, 84, 80]) - np.tile([62, 50], 2)
        np.testing.assert_allclose(body.boxes[0], expected / 31.5, atol=1e-6)

    def test_a_body_at_the_edge_is_told(self) -> None:
        cut_off = scene()
        cut_off[80:, 45:55] = SHIRT
        with pytest.warns(Advice, match="picture 0: the body reaches the edge") as told:
            cut_out(pictures(cut_off), 32)
        assert len(told) == 1
        with pytest.warns(Advice, match="picture 1 and 1 more: the body reaches") as told:
            cut_out(pictures(scene(), cut_off, cut_off), 32)
        assert len(told) == 1

    def test_dots_everywhere_are_no_body(self) -> None:
        dots = np.full((100, 160, 3), 90, np.uint8)
        dots[10:90:40, 10:150:40] = 0
        with pytest.raises(UserError, match="nothing is seen before the background"):
            cut_out(pictures(dots), 32)

    def test_large_pictures_are_made_smaller_first(self) -> None:
        large = np.asarray(Image.fromarray(scene()).resize((1600, 1000), Image.Resampling.NEAREST))
        np.testing.assert_allclose(
            cut_out(pictures(large), 64).boxes, cut_out(pictures(scene()), 64).boxes, atol=0.02
        )

    @pytest.mark.parametrize(
        ("second", "message"),
        [
            (np.random.default_rng(0).integers(0, 255, (100, 160, 3), np.uint8),
             r"picture 1: the background is not plain; .*transparent PNG"),
            (np.full((100, 160, 3), 90, np.uint8), "picture 1: nothing is seen before the backgr"),
            (scene()[:90], "picture 1 has 160 x 90 pixels, and those before have 160 x 100"),
            (np.zeros((100, 160, 4), np.uint8), "picture 1: nothing is seen"),
        ],
    )  # fmt: skip
    def test_other_pictures_are_refused(self, second: np.ndarray, message: str) -> None:
        with pytest.raises(UserError, match=message):
            cut_out(pictures(scene(), second), 32)

    def test_no_picture_is_refused(self) -> None:
        with pytest.raises(UserError, match="no picture"):
            cut_out([], 32)


class TestFiles:
    def write(self, folder: Path, *names: str) -> Path:
        for k, name in enumerate(names):
            Image.fromarray(scene(40 + k)).save(folder / name)
        return folder

    def test_a_folder_is_read_in_the_order_of_its_numbers(self, tmp_path: Path) -> None:
        found = find_pictures([self.write(tmp_path, "IMG_9.png", "IMG_10.png", "IMG_11.png")])
        assert [Path(p.name).name for p in found] == ["IMG_9.png", "IMG_10.png", "IMG_11.png"]
        assert [int(np.argmax(p.pixels[50, :, 0])) for p in found] == [40, 41, 42]
        assert (found.count, found.rate) == (3, None)

    def test_files_are_read_in_the_order_given(self, tmp_path: Path) -> None:
        self.write(tmp_path, "b.png", "a.jpg")
        found = find_pictures([tmp_path / "b.png", tmp_path / "a.jpg"])
        assert [Path(p.name).name for p in found] == ["b.png", "a.jpg"]

    def test_other_files_of_a_folder_are_told(self, tmp_path: Path) -> None:
        self.write(tmp_path, "0.png", "1.png")
        (tmp_path / "notes.txt").write_text("a day in May")
        with pytest.warns(Advice, match=r"also holds notes\.txt"):
            assert find_pictures([tmp_path]).count == 2

    def test_pictures_are_turned_as_the_camera_was(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(scene()).save(tmp_path / "0.jpg", exif=exif)
        (picture,) = find_pictures([tmp_path])
        assert picture.pixels.shape == (160, 100, 3)

    @pytest.mark.parametrize("bits", ["RGBA", "P", "L"])
    def test_transparency_is_kept_where_there_is_some(self, tmp_path: Path, bits: str) -> None:
        image = Image.fromarray(scene()).convert(bits)
        image.save(tmp_path / "0.png", **({"transparency": 0} if bits == "P" else {}))
        (picture,) = find_pictures([tmp_path])
        assert picture.pixels.shape[2] == (3 if bits == "L" else 4)

    @pytest.fixture
    def video(self, tmp_path: Path) -> Iterator[Path]:
        pytest.importorskip("imageio_ffmpeg")
        write_video(tmp_path / "film.mp4", [scene(40 + 4 * k) for k in range(9)], 30)
        yield tmp_path / "film.mp4"

    def test_a_video_tells_its_rate(self, video: Path) -> None:
        found = find_pictures([video])
        assert found.rate == pytest.approx(30) and found.count == 9
        shown = list(found)
        assert len(shown) == 9 and shown[0].pixels.shape == (100, 160, 3)
        body = cut_out(shown, 64)
        steps = np.diff(body.boxes[:, 0])
        np.testing.assert_allclose(steps, steps.mean(), atol=0.04)
        assert shown[3].name == f"{video}, frame 3"

    def test_gif_is_a_video(self, tmp_path: Path) -> None:
        pytest.importorskip("imageio_ffmpeg")
        write_video(tmp_path / "film.gif", [scene(40 + 4 * k) for k in range(4)], 20)
        assert len(list(find_pictures([tmp_path / "film.gif"]))) == 4

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        self.write(tmp_path, "0.png", "2.png", "3.png")
        with pytest.raises(UserError, match="no frame 1"):
            find_pictures([tmp_path])
        with pytest.raises(UserError, match=r"5\.png does not exist"):
            find_pictures([tmp_path / "0.png", tmp_path / "5.png"])
        with pytest.raises(UserError, match="is a folder; give one folder, or files"):
            find_pictures([tmp_path, tmp_path])
        with pytest.raises(UserError, match=r"film\.mov does not exist"):
            find_pictures([tmp_path / "film.mov"])
        (tmp_path / "none").mkdir()
        with pytest.raises(UserError, match=r"holds no numbered \.jpg, \.jpeg, \.png file, but"):
            find_pictures([tmp_path / "none"])
        (tmp_path / "0.png").write_bytes(b"no picture")
        with pytest.raises(UserError, match=r"0\.png is no intact JPEG or PNG picture"):
            list(find_pictures([tmp_path / "0.png"]))

    def test_a_damaged_video_is_named(self, tmp_path: Path) -> None:
        pytest.importorskip("imageio_ffmpeg")
        (tmp_path / "film.mp4").write_bytes(b"no video" * 100)
        with pytest.raises(UserError, match=r"film\.mp4 is no video that ffmpeg can read"):
            find_pictures([tmp_path / "film.mp4"])
