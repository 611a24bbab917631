# tests of lib/crypto
UNIT_CRYPTO = \
	%D%/test_aead \
	%D%/test_der \
	%D%/test_hpke \
	%D%/test_kdf \
	%D%/test_keys \
	%D%/test_key_file \
	%D%/test_luks1 \
	%D%/test_sign \
	%D%/test_x509
check_PROGRAMS += $(UNIT_CRYPTO)
TESTS += $(UNIT_CRYPTO)
EXTRA_DIST += tests/vectors/hpke_vectors.h tests/support/hex.h

tests_unit_lib_crypto_test_aead_SOURCES = %D%/test_aead.c
tests_unit_lib_crypto_test_aead_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_der_SOURCES = %D%/test_der.c
tests_unit_lib_crypto_test_der_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_hpke_SOURCES = %D%/test_hpke.c
tests_unit_lib_crypto_test_hpke_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_kdf_SOURCES = %D%/test_kdf.c
tests_unit_lib_crypto_test_kdf_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_keys_SOURCES = %D%/test_keys.c
tests_unit_lib_crypto_test_keys_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_key_file_SOURCES = %D%/test_key_file.c
tests_unit_lib_crypto_test_key_file_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_luks1_SOURCES = %D%/test_luks1.c
tests_unit_lib_crypto_test_luks1_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_sign_SOURCES = %D%/test_sign.c
tests_unit_lib_crypto_test_sign_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
tests_unit_lib_crypto_test_x509_SOURCES = %D%/test_x509.c
tests_unit_lib_crypto_test_x509_LDADD = $(LINK_CRYPTO) $(LINK_TEST)
