# Disk images: encrypting them, and the digest of exactly the bytes that run. Files and child processes, no network.
noinst_LIBRARIES += lib/image/libimage.a
lib_image_libimage_a_SOURCES = \
	%D%/image_copy.c %D%/image_copy.h \
	%D%/luks_image.c %D%/luks_image.h \
	%D%/qcow2.c %D%/qcow2.h \
	%D%/qemu_img.c %D%/qemu_img.h
LINK_IMAGE = lib/image/libimage.a $(LINK_CRYPTO)
