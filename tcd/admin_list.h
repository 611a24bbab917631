/* Lists in answers: protobuf-c wants pointers to messages; the messages themselves lie in one
 * array. */
#ifndef TCCP_TCD_ADMIN_LIST_H
#define TCCP_TCD_ADMIN_LIST_H

#include "tcd/admin_call.h"

struct admin_list {
    size_t capacity;
    void *items;     /* `capacity` of them, zeroed: to be initialised by the filler */
    void **pointers; /* to each item, in order */
};
void admin_list_free(struct admin_list *list);
DEFINE_OWN_VALUE(admin_list, admin_list_free)

/* False when memory ran out: the call is answered then. */
bool admin_list_make(struct admin_call *call, size_t capacity, size_t item_size,
                     struct admin_list *ret_list);

#endif
