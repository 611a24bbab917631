#include "nodeagent/launcher/witness.h"

#define RESUME_TEXT "\"event\": \"RESUME\""

unsigned witness_read(struct witness *witness, struct view data)
{
    static const char text[] = RESUME_TEXT;
    unsigned count = 0;

    for (size_t i = 0; i < data.size; i++) {
        char letter = (char)data.data[i];

        if (letter != text[witness->matched]) {
            /* Begins again at a quotation mark. In JSON no letter follows one that closes a string,
             * so a match never begins in the middle of another. */
            witness->matched = letter == text[0] ? 1 : 0;
            continue;
        }
        if (++witness->matched == sizeof text - 1) {
            witness->matched = 0;
            count++;
        }
    }
    return count;
}
