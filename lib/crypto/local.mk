# SANS-IO: time and entropy are arguments (a few functions that say so draw from OpenSSL's generator). The only door to
# OpenSSL's EVP for the rest.
noinst_LIBRARIES += lib/crypto/libcrypto.a
lib_crypto_libcrypto_a_SOURCES = \
	%D%/aead.h \
	%D%/entropy.c %D%/entropy.h \
	%D%/hpke.h \
	%D%/kdf.h \
	%D%/keys.h \
	%D%/sign.h \
	%D%/x509.h
