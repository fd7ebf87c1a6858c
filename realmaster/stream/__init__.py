"""The live loop: cuts frames into windows, has them rendered, joins the chunks and shows the result to sinks."""
