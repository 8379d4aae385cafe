/* The policy's logic, natively: cc -Isdk -o policy_test policy_test.c && ./policy_test */
#include "policy.c"

#include <assert.h>

int main(void) {
    assert(flume_test_configure((const char *[]){NULL}) == 1);
    assert(flume_test_configure((const char *[]){"header=h", NULL}) == 0);
    assert(flume_made.header_count == 1 && strcmp(flume_made.headers[0], "h") == 0);

    flume_batch batch = flume_test_batch((const char *[]){"small 1", NULL, ""}, 3);
    flume_intercept(1, &batch);
    assert(batch.edit_count == 1 && batch.edits[0].count == 2);
    assert(batch.edits[0].events[0] == 0 && batch.edits[0].events[1] == 2);
    flume_bytes value = flume_row(&batch.edits[0].values, 0);
    assert(value.length == 7 && memcmp(value.at, "SMALL 1", 7) == 0);
    puts("all well");
    return 0;
}
