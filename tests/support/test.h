/* What every unit test includes: cmocka in the order it wants, and checks for our own types. */
#ifndef TCCP_TESTS_SUPPORT_TEST_H
#define TCCP_TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include "lib/base/refusal.h"
#include "lib/base/status.h"

#define assert_ok(call) assert_int_equal((call), STATUS_OK)
#define assert_status(call, status) assert_int_equal((call), (status))
/* The call refuses, and for this reason: `assert_refused(quote_verify(..., &refusal), refusal,
 * REFUSAL_QUOTE_BANK)` */
#define assert_refused(call, refusal, expected)                                                    \
    do {                                                                                           \
        assert_int_equal((call), STATUS_REFUSED);                                                  \
        assert_string_equal(refusal_name((refusal).code), refusal_name(expected));                 \
    } while (0)

#endif
