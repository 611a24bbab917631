# tests of lib/attest
