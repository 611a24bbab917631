# tests of lib/protocol
