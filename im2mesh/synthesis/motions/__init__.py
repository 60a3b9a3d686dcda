"""Motions: what each of them does with legs, pelvis, spine and arms over time."""
