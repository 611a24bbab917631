/* Files under tests/vectors. Whatever goes wrong fails the test. */
#ifndef TCCP_TESTS_SUPPORT_VECTORS_H
#define TCCP_TESTS_SUPPORT_VECTORS_H

#include "lib/base/bytes.h"

/* "evidence/good/ima.bin" and so on; the caller frees it. */
struct bytes vector_load(const char *path);

#endif
