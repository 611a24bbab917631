# lib/daemon
