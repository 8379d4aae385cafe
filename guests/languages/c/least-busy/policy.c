/* Orders sinks by batches in flight, then by failures. A sink with `cap` batches comes last. */
#define FLUME_SELECTOR
#include "flume_policy.h"

static uint32_t *caps;

void flume_configure(flume_setup *setup) {
    caps = flume_keep(setup->sink_count * sizeof *caps);
    for (size_t sink = 0; sink < setup->sink_count; sink++) {
        flume_properties *own = &setup->sinks[sink].properties;
        caps[sink] = (uint32_t)flume_number(own, "cap", 0, 0, 1000000);
    }
    flume_log(FLUME_INFO, "least-busy has %zu sinks", setup->sink_count);
}

/* Whether sink `a` comes before sink `b`, which has the smaller number. */
static bool comes_before(const flume_standing *sinks, uint32_t a, uint32_t b) {
    bool a_full = caps[a] && sinks[a].in_flight >= caps[a];
    bool b_full = caps[b] && sinks[b].in_flight >= caps[b];
    if (a_full != b_full) return b_full;
    if (sinks[a].in_flight != sinks[b].in_flight) return sinks[a].in_flight < sinks[b].in_flight;
    return sinks[a].failures < sinks[b].failures;
}

size_t flume_order(const flume_ask *ask, uint32_t *order) {
    for (uint32_t sink = 0; sink < ask->sink_count; sink++) {
        uint32_t at = sink;
        for (; at && comes_before(ask->sinks, sink, order[at - 1]); at--) order[at] = order[at - 1];
        order[at] = sink;
    }
    return ask->sink_count;
}
