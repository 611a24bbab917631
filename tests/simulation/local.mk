# tests/simulation
