# tests of tcd
