# tests of lib/tpm
