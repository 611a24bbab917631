# tcd
