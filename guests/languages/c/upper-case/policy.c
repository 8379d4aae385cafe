/* Writes the value of the header `header` in capital letters (A to Z). */
#define FLUME_INTERCEPTOR
#include "flume_policy.h"

static const char *header;
static size_t column;

void flume_configure(flume_setup *setup) {
    header = flume_required(&setup->properties, "header");
    column = flume_show_header(setup, header);
    flume_log(FLUME_INFO, "upper-case edits the header %s", header);
}

void flume_intercept(uint64_t now, flume_batch *batch) {
    (void)now;
    for (uint32_t event = 0; event < batch->count; event++) {
        flume_bytes value = flume_header(batch, event, column);
        if (!value.at) continue;
        uint8_t *capitals = flume_alloc(value.length);
        for (size_t at = 0; at < value.length; at++) {
            uint8_t letter = value.at[at];
            capitals[at] = letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter;
        }
        flume_set_header(batch, event, header, (flume_bytes){capitals, value.length});
    }
}
