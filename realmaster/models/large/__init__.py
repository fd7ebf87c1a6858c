"""Large video diffusion transformers, as they come, with a reference in their context."""
