"""Maps of images become vectors that say what is where."""

import pytest
import torch
import torch.nn.functional as F

from im2mesh.models.encoders.image_resnet import ImageResnet
from im2mesh.models.encoders.pooling import CELLS, GRID, means_of_cells
from im2mesh.runs.checkpoints import CheckpointError
from im2mesh.runs.weights import load_weights


@pytest.mark.parametrize("size", [4, 8, 12])
def test_cells_that_hold_whole_pixels_have_their_means(size):
    maps = torch.rand(2, 3, size, size)
    expected = F.avg_pool2d(maps, size // GRID).flatten(1)
    torch.testing.assert_close(means_of_cells(maps), expected)


@pytest.mark.parametrize("size", [2, 5, 7])
def test_other_pixels_count_in_parts(size):
    """Nothing is lost and nothing counted twice: the mean of all cells is that of all pixels."""
    maps = torch.rand(2, 3, size, size)
    cells = means_of_cells(maps).view(2, 3, GRID, GRID)
    torch.testing.assert_close(cells.mean((2, 3)), maps.mean((2, 3)))
    constant = means_of_cells(torch.ones(1, 1, size, size))
    torch.testing.assert_close(constant, torch.ones(1, GRID**2))
    left = torch.zeros(1, 1, size, size)
    left[..., 0] = 1
    cells = means_of_cells(left).view(GRID, GRID)
    assert cells[0, 0] > cells[0, 1] or cells[0, 0] == 1
    assert (cells[:, GRID // 2 :] == 0).all()


def test_a_code_knows_where_things_are():
    maps = torch.zeros(2, 1, 4, 4)
    maps[0, 0, 1, 0] = maps[1, 0, 1, 3] = 1
    left, right = means_of_cells(maps)
    assert not torch.equal(left, right)
    assert len(left) == CELLS


@pytest.mark.parametrize("size", [32, 64, 112])
def test_an_encoder_takes_images_of_any_size(size):
    encoder = ImageResnet(1, 6, width=8, hidden_size=16)
    images = torch.rand(2, 1, 3, size, size)
    assert encoder(images, torch.zeros(2, 1)).shape == (2, 6)


def test_weights_that_pooled_over_all_are_refused():
    encoder = ImageResnet(1, 6, width=8, hidden_size=16)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    state["mixer.fc_in.weight"] = torch.zeros(16, 2 * 64)
    with pytest.raises(CheckpointError, match=r"different shape for mixer\.fc_in\.weight"):
        load_weights(encoder, state, "old.pt")
