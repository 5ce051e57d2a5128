"""A code forge on bare git repositories that speaks the part of GitHub's REST interface that publishing uses."""
