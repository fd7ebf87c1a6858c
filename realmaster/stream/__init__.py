"""The live loop: frames to windows, windows to a renderer, chunks to one stream, the stream to sinks."""
