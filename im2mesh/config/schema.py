"""The keys of a configuration: type, default and meaning of each, written once.

Defaults are those of the paper's point cloud experiment (Niemeyer et al., ICCV 2019, and the
authors' released configuration); a YAML file says only what differs. Networks are named here but
described where they live: their options are the keyword-only arguments of their classes. The keys
of generation, the longest section, stand in `generation`.

Every key declares what it affects (see `Affects`). From that follow the keys that enter hashes,
that must not change during a run, and that compared runs must share.
"""

from typing import Annotated, Literal

from pydantic import Field

from im2mesh.config.effects import Affects, refuse_unclassified
from im2mesh.config.generation import GenerationConfig
from im2mesh.config.sections import ComponentConfig, Section
from im2mesh.config.values import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Split,
)

(
    NOTHING, WINDOWS, MODEL, OBSERVATION, LEARNING, BUDGET, SELECTION, MESHES, METRICS, COVERAGE,
) = Affects  # fmt: skip


class DataConfig(Section):
    root: Annotated[str, NOTHING] = "data/D-FAUST"
    """Data folder, which holds one folder per category; docs/data.md describes the layout."""
    categories: Annotated[list[str] | None, WINDOWS, LEARNING] = None
    """Names of the category folders to use; null for all that have the split."""
    num_frames: Annotated[int, Field(ge=2), MODEL, OBSERVATION, METRICS] = 17
    """Number T of frames in a window."""
    frame_step: Annotated[PositiveInt, MODEL, OBSERVATION, METRICS] = 1
    """Distance between two frames of a window, in frames of the clip; 2 doubles the motion."""
    skip_frames: Annotated[NonNegativeInt, WINDOWS, LEARNING] = 15
    """Number of frames that are left out at the start of every clip."""
    stride: Annotated[PositiveInt, WINDOWS, LEARNING] = 1
    """Frames from the start of one training window to the start of the next."""
    eval_stride: Annotated[PositiveInt, WINDOWS] = 1
    """Frames from the start of one test window to the start of the next; see validation.stride."""
    train_split: Annotated[Split, WINDOWS, LEARNING] = "train"
    """Name of the split to train on; <category>/<split>.lst lists its clips; all needs no file."""
    val_split: Annotated[Split, WINDOWS] = "val"
    """Name of the split for validation during training."""
    test_split: Annotated[Split, WINDOWS] = "test"
    """Name of the split that generate.py and eval.py use, unless --split names another."""
    input: Annotated[Literal["pointcloud", "images"] | None, MODEL, OBSERVATION] = "pointcloud"
    """What the model observes; null for nothing, in a model of a single window."""
    num_input_frames: Annotated[PositiveInt | None, MODEL, OBSERVATION] = None
    """Number of observed frames of a window, the first among them; null for all frames."""
    input_frames: Annotated[Literal["even", "random"], MODEL, OBSERVATION] = "even"
    """Observe evenly spaced frames (2 are the first and the last), or draw them for each sample."""
    input_folder: Annotated[Literal["pcl_seq", "depth_seq"], OBSERVATION, LEARNING] = "pcl_seq"
    """Folder of a clip whose clouds are observed: the surface from all around, or the sides of it
    that depth cameras saw (make_bodies.py --depth-views), whose rows do not correspond."""
    num_input_points: Annotated[PositiveInt, OBSERVATION, LEARNING, BUDGET] = 300
    """Number of points in each observed cloud."""
    input_pointcloud_corresponding: Annotated[bool, MODEL, OBSERVATION] = True
    """Observe the same particles in all frames; false draws each cloud anew, as scanners do."""
    input_noise: Annotated[NonNegativeFloat, OBSERVATION, LEARNING] = 0.001
    """Standard deviation of the noise on observed points, in units of the first frame."""
    input_outliers: Annotated[Fraction, OBSERVATION, LEARNING] = 0.0
    """Share of observed points replaced by uniform ones in the bounding box, enlarged by 10 %."""
    input_hole: Annotated[NonNegativeFloat, OBSERVATION, LEARNING] = 0.0
    """Radius, in units of the first frame, of a ball in which nothing is observed, like a missing
    body part. It is centred at a random surface point and moves along; 0 for none."""
    input_cameras: Annotated[NonNegativeInt, OBSERVATION, LEARNING] = 0
    """Observe what so many distant depth cameras see, in random directions; 0 sees all around. Of
    depth_seq, what so many of a clip's cameras saw: training takes random ones, validation and test
    the first; 0 takes all."""
    input_uneven: Annotated[float, Field(ge=1), OBSERVATION, LEARNING] = 1.0
    """How many times as densely one end of the body is observed as the other; 1 for evenly."""
    input_variety: Annotated[Fraction, LEARNING] = 0.0
    """Share of the training batches whose clouds vary: 100 to 3000 points, and at random noise,
    outliers, holes, uneven density, or one depth camera (of depth_seq one or all of them, or the
    surface from all around). The others are observed as set above."""
    num_views: Annotated[PositiveInt, OBSERVATION, LEARNING] = 4
    """Number of views of a clip: training sees a random one, validation and test the first."""
    view_cameras: Annotated[bool, MODEL, OBSERVATION] = False
    """Read <view>/cameras.npz, too: networks then see positions in the axes of the first camera."""
    image_size: Annotated[PositiveInt, OBSERVATION, LEARNING] = 224
    """Height and width of the observed images, in pixels; other images are resized."""
    augment: Annotated[bool, LEARNING] = False
    """Turn training windows by quarter turns and mirror them, at random; mirror and crop images."""
    num_points: Annotated[NonNegativeInt, LEARNING] = 512
    """Labelled points that a training sample has at t = 0, and again at one random frame."""
    near_surface_fraction: Annotated[Fraction, LEARNING] = 0.0
    """Share of labelled points that lie near the surface (points_near_seq); others are uniform."""
    num_correspondence_points: Annotated[NonNegativeInt, LEARNING] = 100
    """Surface points that losses follow over time; 0 for clips whose rows do not correspond."""

    @property
    def observed_frames(self) -> int:
        """Number of frames that the model sees."""
        if self.input is None:
            return 0
        return self.num_frames if self.num_input_frames is None else self.num_input_frames


class ModelConfig(Section):
    method: Annotated[str, MODEL] = "occupancy_flow"
    """How the networks below are combined; those that a method does not use must be null."""
    code_size: Annotated[PositiveInt, MODEL, BUDGET] = 128
    """Width C of the shape code and of the motion code."""
    encoder: Annotated[ComponentConfig | None, MODEL] = ComponentConfig(name="pointnet_resnet")
    """Network that encodes the shape in the first observed frame; null for no shape code."""
    evidence_frames: Annotated[PositiveInt, MODEL] = 1
    """Number of observed clouds that show the shape. 1 is the first alone; more are spread evenly,
    carried to t = 0 along the inferred motion, and joined with the first."""
    encoder_temporal: Annotated[ComponentConfig | None, MODEL] = ComponentConfig(
        name="pointnet_resnet"
    )
    """Network that encodes the motion in all observed frames; null for no motion code."""
    latent_size: Annotated[PositiveInt, MODEL] = 128
    """Width Z of the latent codes of a model with a posterior."""
    posterior: Annotated[ComponentConfig | None, MODEL] = None
    """Network that infers the distribution of the latent shape code; null for no such code."""
    posterior_temporal: Annotated[ComponentConfig | None, MODEL] = None
    """Network that infers the distribution of the latent motion code; null for no such code."""
    decoder: Annotated[ComponentConfig | None, MODEL] = ComponentConfig(name="cbatchnorm")
    """Occupancy network of the body at t = 0; null if the surface at t = 0 is given."""
    velocity_field: Annotated[ComponentConfig | None, MODEL] = ComponentConfig(name="concat")
    """Network that gives the velocity of the flow; null if model.deformation carries the points."""
    deformation: Annotated[ComponentConfig | None, MODEL] = None
    """Moves points in place of a velocity field and a solver: not at all (static), with the nearest
    input trajectories (carried), with anchors (anchored), by a network (displacement, coupling)."""
    trajectory_decoder: Annotated[ComponentConfig | None, MODEL] = None
    """Network of method psgn4d that predicts trajectories of surface points."""


class OdeConfig(Section):
    method: Annotated[str, LEARNING, MESHES] = "dopri5"
    """Name of a solver in torchdiffeq: adaptive, such as dopri5, or of fixed steps, such as rk4."""
    rtol: Annotated[PositiveFloat, LEARNING, MESHES] = 1e-3
    """Relative tolerance of an adaptive solver."""
    atol: Annotated[PositiveFloat, LEARNING, MESHES] = 1e-5
    """Absolute tolerance of an adaptive solver."""
    max_steps: Annotated[PositiveInt, LEARNING, MESHES] = 1000
    """Most steps of an adaptive solver from one time to the next; a solve that needs more fails."""
    step_size: Annotated[PositiveFloat | None, LEARNING, MESHES, BUDGET] = None
    """Longest step of a fixed-step solver, in window lengths (null: 1/16). Null if adaptive."""
    interpolate: Annotated[bool, LEARNING, MESHES] = False
    """Let rk4 interpolate between its steps to the times asked for, instead of ending a step at
    each: as accurate, with fewer evaluations. Needs ode.gradient direct."""
    gradient: Annotated[Literal["adjoint", "direct"], LEARNING, MESHES] = "adjoint"
    """Solve the adjoint equation backward (constant memory), or backpropagate through the steps."""


class LossConfig(Section):
    reconstruction: Annotated[NonNegativeFloat, LEARNING] = 1.0
    """Weight of the cross-entropy of the occupancy, at t = 0 and at one random frame."""
    correspondence: Annotated[NonNegativeFloat, LEARNING] = 0.0
    """Weight of the distance between carried and true surface points, forward from t = 0."""
    correspondence_backward: Annotated[NonNegativeFloat, LEARNING] = 0.0
    """Weight of the distance between carried and true surface points, backward from t = 1."""
    correspondence_frames: Annotated[PositiveInt | Literal["last"] | None, LEARNING] = None
    """Frames of the forward correspondence loss: a number of frames, drawn anew in every step;
    "last" for the last frame alone; null for all frames."""
    motion_share: Annotated[float, Field(gt=0, le=1), LEARNING] = 1.0
    """Share of the steps, drawn at random, that train everything, as the paper's do. The others are
    cheaper: they train the shape at t = 0, from what shows it without model.evidence_frames."""
    kl: Annotated[NonNegativeFloat, LEARNING] = 0.0
    """Weight of the KL divergence of the distribution of each latent code from N(0, I)."""
    chamfer: Annotated[NonNegativeFloat, LEARNING] = 0.0
    """Weight of the squared Chamfer distance of predicted to true points, frame by frame."""
    chamfer_trajectories: Annotated[NonNegativeFloat, LEARNING] = 0.0
    """Weight of the squared Chamfer distance of whole predicted to whole true trajectories."""


class TrainingConfig(Section):
    batch_size: Annotated[PositiveInt, LEARNING, BUDGET] = 16
    """Number of windows in one step, over all processes together."""
    max_iterations: Annotated[PositiveInt, BUDGET] = 1_000_000
    """Number of steps after which training ends."""
    max_seconds: Annotated[PositiveFloat | None, BUDGET] = None
    """Seconds of training, over all resumed runs, after which it ends; null for no such limit."""
    learning_rate: Annotated[PositiveFloat, LEARNING] = 1e-4
    weight_decay: Annotated[NonNegativeFloat, LEARNING] = 0.0
    """Decoupled weight decay, as in AdamW; 0 is plain Adam."""
    schedule: Annotated[Literal["constant", "cosine"], LEARNING] = "constant"
    """Learning rate over the budget: iterations or seconds, whichever is further used up."""
    warmup_iterations: Annotated[NonNegativeInt, LEARNING] = 0
    """Number of first steps in which the learning rate rises linearly."""
    gradient_clip: Annotated[PositiveFloat | None, LEARNING] = None
    """Norm to which a larger gradient is scaled down; null for no clipping."""
    precision: Annotated[Literal["auto", "fp32", "tf32", "bf16"], LEARNING] = "fp32"
    """Precision of the networks; positions stay in fp32. auto: bf16 where the device has units for
    it and a measurement at the start finds it faster, else fp32; kept when training resumes."""
    seed: Annotated[NonNegativeInt, LEARNING] = 0
    """Seed of the first weights, the order of the windows, and all random draws of training."""
    start_from: Annotated[str | None, LEARNING] = None
    """Weights to start from: the name of shipped ones, or a file (.safetensors, .pt)."""
    deterministic: Annotated[bool, LEARNING] = False
    """Give the same weights in every run, by refusing operations whose rounding may vary."""
    compile: Annotated[bool, LEARNING] = False
    """Compile velocity field and decoder, and let a GPU record whole steps: docs/performance.md."""
    max_skipped_batches: Annotated[NonNegativeInt, BUDGET] = 0
    """Batches that a run may skip as their loss or gradient is not finite; one more stops it."""
    sync_batch_norm: Annotated[bool, LEARNING] = False
    """With several processes, compute the statistics of batch norm over all their batches."""
    num_workers: Annotated[NonNegativeInt, NOTHING] = 2
    """Number of processes that read data; 0 reads in the main process."""
    print_every: Annotated[PositiveInt, NOTHING] = 50
    """Number of iterations between two entries in the log."""
    save_every: Annotated[PositiveInt, NOTHING] = 1000
    """Number of iterations between two checkpoints."""
    validate_every: Annotated[PositiveInt, SELECTION] = 2000
    """Number of iterations between two validations."""
    tracker: Annotated[str, NOTHING] = "tensorboard"
    """What is told how training goes on. Event files of TensorBoard are always written; wandb also
    tells Weights & Biases (extra wandb; WANDB_MODE=offline keeps it on the disk)."""
    visualize_every: Annotated[NonNegativeInt, NOTHING] = 0
    """Number of iterations between two pictures of validation windows, still and moving, with
    histograms of how far points move (extra viz); 0 for none."""


class ValidationConfig(Section):
    threshold: Annotated[Probability, SELECTION] = 0.3
    """Occupancy probability from which a point counts as inside."""
    max_windows: Annotated[PositiveInt | None, SELECTION] = None
    """Number of windows of the validation split to use, evenly spread; null for all."""
    stride: Annotated[PositiveInt | None, SELECTION] = None
    """Frames from the start of one validation window to the start of the next; null for
    data.eval_stride. More windows tell more surely which checkpoint is the best one."""
    num_points: Annotated[NonNegativeInt, SELECTION] = 2048
    """Labelled points that a validation window has at t = 0, and again at one other frame."""


class EvaluationConfig(Section):
    num_samples: Annotated[PositiveInt, METRICS] = 100_000
    """Number of points sampled on each predicted mesh for the surface distances."""
    project_to_final_mesh: Annotated[bool, COVERAGE] = False
    """Move the last frame's vertices to the nearest true points before measuring correspondence."""
    correspondence: Annotated[bool, COVERAGE] = True
    """Measure the correspondence error; false is for clips whose rows do not correspond."""
    frames: Annotated[Literal["all", "between", "last"], COVERAGE] = "all"
    """Frames to measure: all; those between the first and the last; or the last alone."""
    seed: Annotated[NonNegativeInt, METRICS] = 0
    """Seed of the points that are sampled on the meshes."""


class Config(Section):
    output_dir: Annotated[str, NOTHING]
    """Folder of the run: checkpoints, logs, generated meshes, evaluation. One per config."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    ode: OdeConfig = OdeConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    generation: GenerationConfig = GenerationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


refuse_unclassified(Config)
