/*
 * Status codes, and the few macros that every file uses.
 *
 * A function that can fail returns `enum status`. A status says what kind of thing went wrong;
 * where a person has to act on it, the function also fills a `struct refusal` (refusal.h), which
 * says what exactly and what to do.
 */
#ifndef TCCP_BASE_STATUS_H
#define TCCP_BASE_STATUS_H

/* name, what it means to a reader of a log line */
#define STATUS_LIST(X)                                                                             \
    X(OK, "ok")                                                                                    \
    X(MALFORMED, "malformed input")                                                                \
    X(TOO_LARGE, "larger than the limit")                                                          \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(IO, "input/output error")                                                                    \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(DENIED, "not permitted")                                                                     \
    X(REFUSED, "refused")                                                                          \
    X(UNTRUSTED, "proof or signature does not hold")                                               \
    X(EXPIRED, "expired")                                                                          \
    X(CONFLICT, "the state has moved")                                                             \
    X(NOT_LEADER, "not the leader")                                                                \
    X(NOT_READY, "not ready")                                                                      \
    X(UNKNOWN, "outcome unknown")                                                                  \
    X(TIMEOUT, "timed out")                                                                        \
    X(CLOSED, "connection closed")                                                                 \
    X(BUSY, "busy")                                                                                \
    X(CRYPTO, "cryptographic library failed")                                                      \
    X(TPM, "TPM command failed")                                                                   \
    X(UNSUPPORTED, "not supported")

enum status {
#define X(name, text) STATUS_##name,
    STATUS_LIST(X)
#undef X
        STATUS_COUNT
};

/* Short lower-case text of a status, static. */
const char *status_text(enum status status);

#define WARN_UNUSED __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))
#define PRINTF_LIKE(format_index, first_index)                                                     \
    __attribute__((format(printf, format_index, first_index)))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Returns the status of `call` from the calling function unless it is STATUS_OK. The only
 * flow-control macro. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (call);                                                          \
        if (try_status_ != STATUS_OK) {                                                            \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

/*
 * OWN(type) declares a variable that cleans up after itself at the end of its scope through
 * `type_cleanup`. DEFINE_OWN_POINTER(type, free_function) makes that function for `struct type *`;
 * DEFINE_OWN_VALUE(type, function) makes it for `struct type` held by value.
 */
#define OWN(type) __attribute__((cleanup(type##_cleanup)))
#define DEFINE_OWN_POINTER(type, free_function)                                                    \
    static inline void type##_cleanup(struct type **pointer)                                       \
    {                                                                                              \
        if (*pointer) {                                                                            \
            free_function(*pointer);                                                               \
        }                                                                                          \
    }
#define DEFINE_OWN_VALUE(type, function)                                                           \
    static inline void type##_cleanup(struct type *value)                                          \
    {                                                                                              \
        function(value);                                                                           \
    }

/* Hands ownership on: yields the value of an OWN variable and leaves zero behind. */
#define TAKE(variable)                                                                             \
    ({                                                                                             \
        __typeof__(variable) take_value_ = (variable);                                             \
        (variable) = (__typeof__(variable)){0};                                                    \
        take_value_;                                                                               \
    })

/* Always on, unlike assert(): catches our own mistakes, never the world's. Aborts with file and
 * line. */
#define ASSERT(condition) ((condition) ? (void)0 : assertion_failed(#condition, __FILE__, __LINE__))
_Noreturn void assertion_failed(const char *condition, const char *file, int line);

#endif
