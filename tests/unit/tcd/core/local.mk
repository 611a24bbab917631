# tests of tcd/core
