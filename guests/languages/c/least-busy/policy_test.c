/* The policy's logic, natively: cc -Isdk -o policy_test policy_test.c && ./policy_test */
#include "policy.c"

#include <assert.h>

int main(void) {
    uint32_t order[3];
    assert(flume_test_configure((const char *[]){"k1:cap=1", "k2", "k3", NULL}) == 0);

    assert(flume_test_order(NULL, 0, order) == 3);
    assert(order[0] == 0 && order[1] == 1 && order[2] == 2);

    flume_feedback failed = {.sink = 1, .failures = 1, .failed_at = 1};
    flume_test_order(&failed, 1, order);
    assert(order[0] == 0 && order[1] == 2 && order[2] == 1);

    flume_feedback busy[] = {{.sink = 0, .in_flight = 1}, {.sink = 1, .in_flight = 1},
                             {.sink = 2, .in_flight = 2}};
    flume_test_order(busy, 3, order);
    assert(order[0] == 1 && order[1] == 2 && order[2] == 0);

    assert(flume_test_configure((const char *[]){"cpa=1", "k1:cap=many", NULL}) == 2);
    assert(strcmp(flume_made.properties.problems[0].key, "cpa") == 0);
    puts("all well");
    return 0;
}
