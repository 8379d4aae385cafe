/* Prints to both streams, and then fails at its first order. */
#define FLUME_SELECTOR
#include "flume_policy.h"

void flume_configure(flume_setup *setup) {
    (void)setup;
    puts("said on standard output");
    fflush(stdout);
    fputs("said on standard error\n", stderr);
}

size_t flume_order(const flume_ask *ask, uint32_t *order) {
    (void)ask;
    (void)order;
    fputs("no order today\n", stderr);
    abort();
}
