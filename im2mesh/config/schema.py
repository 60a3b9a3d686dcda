"""What can be configured: every key, its type, its default and its meaning, each written once.

Defaults are those of the paper's point cloud experiment (Niemeyer et al., ICCV 2019, and the
authors' released configuration); a YAML file says only what differs. Networks are named here but
described where they live: their options are the keyword-only arguments of their classes.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _increasing(times: list[float]) -> list[float]:
    if not times or times[0] != 0 or any(b <= a for a, b in pairwise(times)):
        raise ValueError("times must start at 0 and increase strictly")
    return times


Times = Annotated[list[Fraction], AfterValidator(_increasing)]
MeshFormat = Literal["ply", "off", "obj", "glb"]


class Section(BaseModel):
    """Frozen, and strict: no unknown keys, no silent conversion between types, finite numbers."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class ComponentConfig(BaseModel):
    """A network chosen by name; the other keys are the keyword-only arguments of its class."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    name: str

    @property
    def options(self) -> dict[str, int | float | bool | str | None]:
        return dict(self.model_extra or {})


class DataConfig(Section):
    root: str = "data/D-FAUST"
    """Folder with one folder per category; see docs/data.md for the layout."""
    categories: list[str] | None = None
    """Category folders to use; null for all that have the split."""
    num_frames: Annotated[int, Field(ge=2)] = 17
    """Length T of a window."""
    frame_step: PositiveInt = 1
    """Frames of the clip from one frame of a window to the next; 2 doubles the motion."""
    skip_frames: NonNegativeInt = 15
    """Frames left out at the start of every clip."""
    stride: PositiveInt = 1
    """Frames between the starts of two training windows."""
    eval_stride: PositiveInt = 1
    """The same for validation and test windows."""
    train_split: str = "train"
    val_split: str = "val"
    test_split: str = "test"
    input: Literal["pointcloud", "images"] | None = "pointcloud"
    """What the model observes; null for nothing (a model of a single clip)."""
    num_input_frames: PositiveInt | None = None
    """Frames of a window that are observed, the first among them; null for all."""
    input_frames: Literal["even", "random"] = "even"
    """Which: evenly spaced (2 are the first and the last), or drawn anew for every sample."""
    num_input_points: PositiveInt = 300
    """Points per input cloud."""
    input_pointcloud_corresponding: bool = True
    """Draw the same particles in all frames; false draws each cloud on its own, as scanners do."""
    input_noise: NonNegativeFloat = 0.001
    """Standard deviation of the noise on input points, in units of the first frame."""
    input_outliers: Fraction = 0.0
    """Share of the input points replaced by uniform ones in the box of the cloud enlarged by
    10 %."""
    input_hole: NonNegativeFloat = 0.0
    """Radius of a ball around a random surface point inside which nothing is observed (a missing
    body part), in units of the first frame; 0 for none."""
    num_views: PositiveInt = 4
    """Camera views of the images: a random one in training, the first in validation and test."""
    image_size: PositiveInt = 224
    """Height and width of the images given to the model, in pixels."""
    num_points: NonNegativeInt = 512
    """Labelled points of a training sample, at t = 0 and again at a random frame."""
    near_surface_fraction: Fraction = 0.0
    """Share of them drawn near the surface (needs points_near_seq); the rest is uniform."""
    num_correspondence_points: NonNegativeInt = 100
    """Surface points, followed over all frames, that the correspondence and Chamfer losses use; 0
    for clips whose rows do not correspond."""

    @property
    def observed_frames(self) -> int:
        """Number of frames that the model sees."""
        if self.input is None:
            return 0
        return self.num_frames if self.num_input_frames is None else self.num_input_frames


class ModelConfig(Section):
    method: Literal["occupancy_flow", "onet4d", "onet_per_frame", "psgn4d", "nearest_neighbour"] = (
        "occupancy_flow"
    )
    """How the parts below are put together; parts that a method has no use for must be null."""
    code_size: PositiveInt = 128
    """Width C of the shape code and of the motion code."""
    encoder: ComponentConfig | None = ComponentConfig(name="pointnet_resnet")
    """Encoder of the first observed frame; null for no shape code."""
    evidence_frames: PositiveInt = 1
    """Observed clouds that show the shape: 1 is the first alone; others, evenly spread, are carried
    to t = 0 along the inferred motion and joined with it."""
    encoder_temporal: ComponentConfig | None = ComponentConfig(name="pointnet_resnet")
    """Encoder of all observed frames; null for no motion code."""
    latent_size: PositiveInt = 128
    """Width Z of the latent codes, of models with a posterior."""
    posterior: ComponentConfig | None = None
    """Encoder of the distribution of the latent shape code; null for no such code."""
    posterior_temporal: ComponentConfig | None = None
    """The same for the latent motion code."""
    decoder: ComponentConfig | None = ComponentConfig(name="cbatchnorm")
    """Occupancy network, of the body at t = 0; null where the surface at t = 0 is given."""
    velocity_field: ComponentConfig | None = ComponentConfig(name="concat")
    """Velocity network of the flow; null where a deformation carries the points."""
    deformation: ComponentConfig | None = None
    """What carries points without a velocity field and a solver: nothing (static), the nearest
    input trajectories (carried), anchors (anchored), or a network (displacement, coupling)."""
    trajectory_decoder: ComponentConfig | None = None
    """Network of psgn4d that draws trajectories of surface points."""


class OdeConfig(Section):
    method: str = "dopri5"
    """Any method of torchdiffeq, by its name there."""
    rtol: PositiveFloat = 1e-3
    atol: PositiveFloat = 1e-5
    max_steps: PositiveInt = 1000
    """Steps of an adaptive method from one time to the next; beyond, the solve has failed."""
    step_size: PositiveFloat | None = None
    """Longest step of a fixed-step method, in windows; null for 1/16. Null for adaptive ones."""
    interpolate: bool = False
    """Let the steps of rk4 end where they like and interpolate to the times asked for, instead of a
    step to each of these: as accurate, with fewer evaluations. Needs gradient direct."""
    gradient: Literal["adjoint", "direct"] = "adjoint"
    """Solve the adjoint equation backward (constant memory), or backpropagate through the steps."""


class LossConfig(Section):
    reconstruction: NonNegativeFloat = 1.0
    """Weight of the cross-entropy at t = 0 and at one random frame."""
    correspondence: NonNegativeFloat = 0.0
    """Weight of the distance between carried and true surface points, forward from t = 0."""
    correspondence_backward: NonNegativeFloat = 0.0
    """The same, backward from the last frame."""
    correspondence_frames: PositiveInt | Literal["last"] | None = None
    """Frames of the forward correspondence loss: that many, redrawn every step; "last" for the
    last only; null for all."""
    motion_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the steps, drawn at random, that train all; the others train the shape at t = 0,
    shown by the first frame alone (whatever model.evidence_frames is), which is cheaper. 1 trains
    all in every step, as the paper does."""
    kl: NonNegativeFloat = 0.0
    """Weight of the KL divergence of each latent code to N(0, I)."""
    chamfer: NonNegativeFloat = 0.0
    """Weight of the squared Chamfer distance between point sets, frame by frame."""
    chamfer_trajectories: NonNegativeFloat = 0.0
    """The same between whole trajectories."""


class TrainingConfig(Section):
    batch_size: PositiveInt = 16
    """Windows of a step; with several processes, of all together."""
    max_iterations: PositiveInt = 1_000_000
    max_seconds: PositiveFloat | None = None
    """Budget of training time over all resumed runs; null for none."""
    learning_rate: PositiveFloat = 1e-4
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled (AdamW); 0 is plain Adam."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate over the budget: iterations or seconds, whichever is further used up."""
    warmup_iterations: NonNegativeInt = 0
    gradient_clip: PositiveFloat | None = None
    """Largest norm of the gradient; null for no clipping."""
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    """Of the networks; positions and the ODE state stay in fp32."""
    seed: NonNegativeInt = 0
    deterministic: bool = False
    """Give the same weights in every run: refuse operations that may round in another order."""
    max_skipped_batches: NonNegativeInt = 0
    """Batches of a run that may be left out because their loss or gradient is not finite; one more
    stops it."""
    sync_batch_norm: bool = False
    """With several processes, take the statistics of batch norm over the batches of all."""
    num_workers: NonNegativeInt = 2
    """Processes that read data; 0 reads in the main process."""
    print_every: PositiveInt = 50
    """Iterations between two entries in the log."""
    save_every: PositiveInt = 1000
    validate_every: PositiveInt = 2000


class ValidationConfig(Section):
    threshold: Probability = 0.3
    """Probability from which a point counts as inside."""
    max_windows: PositiveInt | None = None
    """Windows of the validation split used, spread evenly; null for all."""
    num_points: NonNegativeInt = 2048
    """Labelled points per window, at t = 0 and again at one frame."""


class GenerationConfig(Section):
    surface: Literal["extracted", "mesh", "cloud"] = "extracted"
    """What is carried through time: the occupancy network's surface, or where the surface is given,
    the first frame's mesh (mesh_seq) or its observed cloud."""
    blend_from_end: bool = False
    """Of a given surface: carry that of the last frame back, too, and blend from first to last."""
    threshold: Probability = 0.3
    """Probability of the extracted surface."""
    resolution: PositiveInt = 32
    """Cells per axis of the coarse grid."""
    upsampling_steps: NonNegativeInt = 2
    """Doublings of the resolution near the surface: 32 and 2 give 129 points per axis."""
    padding: NonNegativeFloat = 0.1
    """The box has side 1 + padding."""
    num_steps: Annotated[int, Field(ge=2)] | None = None
    """Frames to write, evenly spaced over the window; null for all frames of the window."""
    times: Times | None = None
    """Times to write instead, increasing from 0 to at most 1."""
    simplify_faces: Annotated[int, Field(ge=4)] | None = None
    """Faces to reduce the mesh to; null to keep all."""
    refinement_steps: NonNegativeInt = 0
    """Newton steps that move the vertices at t = 0 onto the level set."""
    normals: bool = False
    """Write vertex normals for every frame."""
    batch_points: PositiveInt = 100_000
    """Points given to the networks at once."""
    mesh_format: MeshFormat | None = "ply"
    """Format of the numbered mesh files; null for the compact sequence file only."""
    write_inputs: bool = False
    """Write the observed clouds as ply, or images as png."""
    seed: NonNegativeInt = 0
    """Of the input points and their noise."""


class EvaluationConfig(Section):
    num_samples: PositiveInt = 100_000
    """Points sampled on each predicted mesh for the surface distances."""
    project_to_final_mesh: bool = False
    """Snap the last frame to the nearest target point before measuring correspondence."""
    correspondence: bool = True
    """Measure the correspondence error; false for clips whose rows do not correspond."""
    frames: Literal["all", "between", "last"] = "all"
    """Frames to measure: all; all but the first and the last, which interpolation is given; the
    last alone, for shape matching."""
    seed: NonNegativeInt = 0


class Config(Section):
    output_dir: str
    """Folder of the run: checkpoints, logs, generated meshes, evaluation. One per config."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    ode: OdeConfig = OdeConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    generation: GenerationConfig = GenerationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
