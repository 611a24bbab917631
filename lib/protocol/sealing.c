#include "lib/protocol/sealing.h"

static const char *sealing_tag(enum sealing sealing)
{
    switch (sealing) {
    case SEALING_TICKET:
        return "tccp-launch";
    case SEALING_SEED:
        return "tccp-seed";
    case SEALING_ORDER:
        return "tccp-order";
    }
    ASSERT(!"a kind of sealing");
}

enum status sealing_info(enum sealing sealing, const struct scope *scope, struct bytes *ret_info)
{
    struct canonical canonical = canonical_begin(sealing_tag(sealing), scope);

    return canonical_take(&canonical, ret_info);
}
