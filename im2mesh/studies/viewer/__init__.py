"""What the live viewer shows: data sets, runs, scans, and answers of a model."""
