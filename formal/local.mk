# Models of the protocols, checked with `make check`.
TESTS += %D%/test_ownership.sh
EXTRA_DIST += %D%/ownership.pml %D%/test_ownership.sh
