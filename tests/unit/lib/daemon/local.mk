# tests of lib/daemon
