"""Training of the tiny model: autoencoder, base transformer, in-context LoRA, few-step model. Imports torch."""
