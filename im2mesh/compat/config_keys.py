"""The keys of the authors' configs: their defaults and types, and what each means here."""

from typing import Any

Values = dict[str, Any]

METHODS = {"oflow": "occupancy_flow", "onet4d": "onet4d", "psgn4d": "psgn4d"}
INPUTS = {"pcl_seq": "pointcloud", "end_pointclouds": "pointcloud", "img_seq": "images", None: None}

SAME_MEANING = {
    "data.path": ("data.root", "data/Humans"),
    "data.classes": ("data.categories", ["D-FAUST"]),
    "data.train_split": ("data.train_split", "train"),
    "data.val_split": ("data.val_split", "val"),
    "data.test_split": ("data.test_split", "test"),
    "data.n_training_points": ("data.num_points", 512),
    "data.n_training_pcl_points": ("data.num_correspondence_points", 100),
    "data.input_pointcloud_n": ("data.num_input_points", 300),
    "data.input_pointcloud_noise": ("data.input_noise", 0.001),
    "data.input_pointcloud_corresponding": ("data.input_pointcloud_corresponding", True),
    "data.img_size": ("data.image_size", 224),
    "data.length_sequence": ("data.num_frames", 17),
    "data.offset_sequence": ("data.skip_frames", 15),
    "model.ode_solver": ("ode.method", "dopri5"),
    "model.ode_step_size": ("ode.step_size", None),
    "model.rtol": ("ode.rtol", 1e-3),
    "model.atol": ("ode.atol", 1e-5),
    "training.out_dir": ("output_dir", "out/00"),
    "training.n_eval_points": ("validation.num_points", 5000),
    "training.batch_size": ("training.batch_size", 16),
    "training.print_every": ("training.print_every", 5),
    "training.checkpoint_every": ("training.save_every", 200),
    "training.validate_every": ("training.validate_every", 2000),
    "training.learning_rate": ("training.learning_rate", 1e-4),
    "test.threshold": ("generation.threshold", 0.3),
    "test.project_to_final_mesh": ("evaluation.project_to_final_mesh", False),
    "generation.resolution_0": ("generation.resolution", 32),
    "generation.upsampling_steps": ("generation.upsampling_steps", 2),
    "generation.refinement_step": ("generation.refinement_steps", 0),
    "generation.simplify_nfaces": ("generation.simplify_faces", None),
    "generation.padding": ("generation.padding", 0.1),
}
"""Key of theirs -> ours with the same meaning, and their default (configs/default.yaml there)."""

OTHER_DEFAULTS: Values = {
    "method": "oflow", "data.input_type": "pcl_seq", "data.n_files_per_sequence": -1,
    "model.encoder": "pointnet_resnet", "model.encoder_temporal": "pointnet_resnet",
    "model.decoder": "cbatchnorm", "model.velocity_field": "concat",
    "model.encoder_latent": None, "model.encoder_latent_temporal": None,
    "model.c_dim": 512, "model.z_dim": 0, "model.use_adjoint": True, "model.vae_beta": 1e-4,
    "model.loss_corr": False, "model.loss_corr_bw": False, "model.loss_recon": True,
    "test.eval_only_end_time_steps": False, "generation.n_time_steps": 17,
    "generation.interpolate": False, "generation.correspondence": False,
    "generation.only_end_time_points": False,
}  # fmt: skip
"""Keys that are translated one by one below, and their defaults."""

ONLY_VALUE: Values = {
    "data.dataset": "Humans", "data.dim": 3, "data.points_unpackbits": True,
    "data.img_with_camera": False, "data.img_augment": False, "data.mesh_seq_folder": "mesh_seq",
    "data.points_iou_seq_folder": "points_seq", "data.pointcloud_seq_folder": "pcl_seq",
    "data.img_seq_folder": "img", "model.learn_embedding": False, "model.use_camera": False,
    "model.initialize_from": None,
}  # fmt: skip
"""Keys with the only value that this project can do."""

IGNORED = {
    "data.n_views", "data.points_file", "model.initialization_file_name",
    "training.model_selection_metric", "training.model_selection_mode", "training.batch_size_vis",
    "training.batch_size_val", "training.visualize_every", "training.backup_every",
    "training.eval_sample", "test.eval_mesh", "test.eval_pointcloud",
    "test.eval_mesh_correspondences", "test.eval_mesh_iou", "test.eval_pointcloud_correspondences",
    "test.model_file", "test.mesh_color", "generation.generate_pointcloud",
    "generation.generate_mesh", "generation.vis_n_outputs", "generation.mesh_color",
    "generation.fix_z", "generation.fix_zt", "generation.shuffle_generation",
    "generation.rand_seed", "generation.batch_size", "generation.generation_dir",
    "generation.use_sampling", "generation.copy_input",
}  # fmt: skip
"""Keys that change no trained model and no mesh here; those that a file sets are named."""

NETWORKS = {
    "encoder": "encoder", "encoder_temporal": "encoder_temporal", "decoder": "decoder",
    "velocity_field": "velocity_field", "encoder_latent": "posterior",
    "encoder_latent_temporal": "posterior_temporal",
}  # fmt: skip
SIZES = {
    "pointnet_resnet": 512, "pointnet_2stream": 512, "pointnet": 128, "cbatchnorm": 256,
    "simple": 128, "concat": 512,
}  # fmt: skip
"""Network -> its hidden size where their file names none."""
OPTIONS = {"hidden_dim": "hidden_size", "hidden_size": "hidden_size", "n_blocks": "num_blocks"}
WITHOUT_EFFECT = {"dim", "legacy", "leaky"}
"""Options of networks that follow from others, or that have one meaning here (leaky: false)."""


MAY_BE_NONE = {
    "data.input_type", "data.classes", "data.train_split", "data.val_split", "data.test_split",
    *(f"model.{network}" for network in NETWORKS),
}  # fmt: skip
"""Keys that may be null, though their default is not."""
TYPE_WHERE_DEFAULT_IS_NONE = {"model.ode_step_size": float, "generation.simplify_nfaces": int}
"""The type of other keys without a default is text."""
TYPE_NAMES = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list",
    dict: "keys and values",
}  # fmt: skip
