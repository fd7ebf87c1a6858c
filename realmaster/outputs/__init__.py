"""Files that `render` makes."""
