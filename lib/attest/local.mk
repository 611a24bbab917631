# lib/attest
