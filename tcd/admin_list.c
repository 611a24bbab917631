#include "tcd/admin_list.h"

#include <stdlib.h>

void admin_list_free(struct admin_list *list)
{
    free(list->items);
    free(list->pointers);
}

bool admin_list_make(struct admin_call *call, size_t capacity, size_t item_size,
                     struct admin_list *ret_list)
{
    struct admin_list list = {.capacity = capacity};

    list.items = calloc(capacity + 1, item_size);
    list.pointers = calloc(capacity + 1, sizeof *list.pointers);
    if (!list.items || !list.pointers) {
        admin_list_free(&list);
        admin_fail(call, STATUS_NO_MEMORY);
        return false;
    }
    for (size_t i = 0; i < capacity; i++) {
        list.pointers[i] = (char *)list.items + i * item_size;
    }
    *ret_list = list;
    return true;
}
