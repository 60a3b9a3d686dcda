"""Checkpoints of the authors' released code -> ours: `names` translates names and shapes, `reading`
reads files, `matching` fits them to our model, `advice` says what to change if they do not fit."""
