# lib/protocol
