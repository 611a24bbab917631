# tests of lib/crypto
