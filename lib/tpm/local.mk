# lib/tpm
