"""The ways of making pairs: each module has a function from a command's settings to a `PairPlan`."""
