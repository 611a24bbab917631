/*
 * DER (X.690), as much of it as our certificates need: definite lengths in their shortest form, low
 * tags. Reading keeps to the rules of struct reader: one bad step makes the whole bad.
 * Not for use outside lib/crypto.
 */
#ifndef TCCP_CRYPTO_DER_H
#define TCCP_CRYPTO_DER_H

#include "lib/base/bytes.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTF8_STRING = 0x0c,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT_0 = 0xa0,
    DER_CONTEXT_3 = 0xa3,
};

/* The contents of the next element, which must have this tag. */
struct view der_value(struct reader *reader, enum der_tag tag);
/* The same, to read on inside. A bad reader gives a bad reader: ask reader_done() of both. */
struct reader der_enter(struct reader *reader, enum der_tag tag);
/* The next element whole, tag and length included. */
struct view der_element(struct reader *reader, enum der_tag tag);
/* A number of up to 64 bits that is not negative. */
uint64_t der_number(struct reader *reader, enum der_tag tag);
/* Whether something is left and begins with this tag. */
bool der_next_is(const struct reader *reader, enum der_tag tag);

/* `mark = der_begin(&writer, tag); ...contents...; der_end(&writer, mark);` */
size_t der_begin(struct writer *writer, enum der_tag tag);
void der_end(struct writer *writer, size_t mark);
void der_put(struct writer *writer, enum der_tag tag, struct view contents);
void der_put_number(struct writer *writer, enum der_tag tag, uint64_t number);

#endif
