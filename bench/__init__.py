"""Measurements of this console beside their peers: bin/bench NAME (see bench.__main__)."""
