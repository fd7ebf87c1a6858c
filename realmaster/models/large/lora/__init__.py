"""LoRA files: what they say in whichever dialect (`read`, `dialects`, `strength`, `recipe`), whether they fit a model
(`names`, `fit`), and putting them on it (`apply`).

One rule: every tensor of a file is used, or it is named with the reason.
"""
