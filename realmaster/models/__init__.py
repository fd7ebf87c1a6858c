"""Video diffusion backbones and their in-context conditioning. Imports torch; the live path does not."""
