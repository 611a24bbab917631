# SANS-IO: time and entropy are arguments (a few functions that say so draw from OpenSSL's generator). The only door to
# OpenSSL's EVP for the rest.
noinst_LIBRARIES += lib/crypto/libcrypto.a
lib_crypto_libcrypto_a_SOURCES = \
	%D%/aead.c %D%/aead.h \
	%D%/der.c %D%/der.h \
	%D%/entropy.c %D%/entropy.h \
	%D%/gcm.c %D%/gcm.h \
	%D%/hpke.c %D%/hpke.h %D%/hpke_kdf.h \
	%D%/kdf.c %D%/kdf.h \
	%D%/keys.c %D%/keys.h %D%/key_file.c %D%/key_material.h \
	%D%/luks1.c %D%/luks1.h \
	%D%/openssl_own.h \
	%D%/sign.c %D%/sign.h \
	%D%/x509.h %D%/x509_profile.c %D%/x509_profile.h \
	%D%/x509_make.c %D%/x509_check.c
