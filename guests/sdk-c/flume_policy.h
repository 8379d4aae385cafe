/* Policies for flume-host in C. Define what the policy is, include this once, and write two
 * functions:
 *
 *     #define FLUME_SELECTOR
 *     #include "flume_policy.h"
 *
 *     void flume_configure(flume_setup *setup) { ... }
 *     size_t flume_order(const flume_ask *ask, uint32_t *order) { ... }
 *
 * or, with FLUME_INTERCEPTOR, flume_configure and flume_intercept. With FLUME_STATE, also
 * flume_export_state and flume_import_state.
 *
 *     zig cc -target wasm32-wasi -mexec-model=reactor -O2 -s -Wl,-z,stack-size=262144 \
 *         -o policy.wasm policy.c
 *
 * (or a clang with a wasi-sdk; without a size Zig takes 16 MiB for the stack). Compiled natively,
 * the same file has a stand-in for the host in place of the exports: see the end, `flume_test_*`.
 *
 * Text is NUL-terminated and lives as long as the policy. The data of a batch, and what is passed to
 * the flume_set_ functions, lives until the call ends; memory of a call is reused by the next. */
#ifndef FLUME_POLICY_H
#define FLUME_POLICY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What authors use ---- */

/* Keys and values as they were written, asked for one by one. A bad value is noted and the default
 * is used; keys that were never read are noted too, so a misspelt key never goes unnoticed. */
typedef struct {
    const char *key, *value;
    bool asked;
} flume_property;

enum { FLUME_MISSING_KEY, FLUME_BAD_VALUE, FLUME_UNKNOWN_KEY, FLUME_OTHER };

/* One problem; for FLUME_OTHER, `key` is its text. */
typedef struct {
    uint32_t kind;
    const char *key, *expected;
} flume_problem_entry;

typedef struct {
    flume_property *list;
    size_t count;
    flume_problem_entry *problems;
    size_t problem_count;
} flume_properties;

/* One sink of the group. Its own properties are ignored unless asked for. */
typedef struct {
    const char *name, *kind;
    flume_properties properties;
} flume_sink;

enum { FLUME_NO_BODY, FLUME_BODY_LENGTH, FLUME_BODY_PREFIX, FLUME_WHOLE_BODY };

/* What a policy is made from; an interceptor has no sinks. The last fields are the policy's answer:
 * see flume_show_header, and FLUME_…_BODY for an interceptor. */
typedef struct {
    flume_properties properties;
    flume_sink *sinks;
    size_t sink_count;
    uint64_t seed;
    uint32_t bodies, prefix;
    const char **headers;
    size_t header_count;
} flume_setup;

/* The state of a sink: everything reported about it so far. */
typedef struct {
    uint32_t in_flight;     /* batches in flight now */
    uint32_t failures;      /* since the last delivery */
    uint64_t failed_at;     /* meaningful where failures is not 0 */
    uint64_t batches;       /* delivered so far */
    uint64_t events;        /* in them */
    uint64_t latency;       /* nanoseconds for a batch, the mean of the last news */
} flume_standing;

/* Bytes that the policy does not own. `at` is NULL if there is no value. */
typedef struct {
    const uint8_t *at;
    size_t length;
} flume_bytes;

/* One value for each row, joined; see the contract's `column`. */
typedef struct {
    uint8_t *bytes;
    size_t length, room;
    uint32_t *ends;
    size_t count, ends_room;
} flume_column;

/* New values of some events. No events means all. */
typedef struct {
    const char *name;
    uint32_t *events;
    size_t count, room;
    flume_column values;
} flume_edit;

/* Some events, by their place from 0 to count - 1, with the parts that the policy asked for. */
typedef struct {
    uint32_t count;
    size_t header_count;
    flume_column *headers, bodies;
    const uint32_t *lengths;
    size_t length_count;
    uint8_t *verdicts;
    flume_edit *edits, body_edit;
    size_t edit_count;
} flume_batch;

/* The question: in which order? Times are nanoseconds on a clock that never goes back. */
typedef struct {
    uint64_t now, unix_ms;
    const flume_standing *sinks;
    size_t sink_count;
    uint64_t depth;             /* events in the channel */
    const flume_batch *events;  /* those about to be routed, if headers were asked for */
} flume_ask;

/* Written by the author. flume_order puts sinks' numbers into `order`, which has room for one of
 * each, and returns how many. */
void flume_configure(flume_setup *setup);
size_t flume_order(const flume_ask *ask, uint32_t *order);
void flume_intercept(uint64_t now, flume_batch *batch);
/* With FLUME_STATE: writes the state to memory of flume_alloc; returns whether it understood one. */
flume_bytes flume_export_state(uint32_t *format);
bool flume_import_state(uint32_t format, flume_bytes state);

enum { FLUME_DEBUG, FLUME_INFO, FLUME_WARN, FLUME_ERROR };

#define FLUME_UNUSED __attribute__((unused))
#define FLUME_API static FLUME_UNUSED
#ifdef __GNUC__
#define FLUME_PRINTF(at) __attribute__((format(printf, at, at + 1), unused))
#endif

/* Memory until the end of the call. Blocks are kept for the next call, so it does not grow. */
typedef struct flume_block {
    struct flume_block *before;
    size_t used, room;
} flume_block;

static flume_block *flume_blocks;

FLUME_API void *flume_alloc(size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (!flume_blocks || flume_blocks->room - flume_blocks->used < size) {
        size_t room = flume_blocks ? flume_blocks->room * 2 : 4096;
        while (room < size) room *= 2;
        flume_block *block = malloc(sizeof *block + 8 + room);
        if (!block) abort();
        *block = (flume_block){flume_blocks, 0, room};
        flume_blocks = block;
    }
    uint8_t *start = (uint8_t *)(((uintptr_t)(flume_blocks + 1) + 7) & ~(uintptr_t)7);
    void *at = start + flume_blocks->used;
    flume_blocks->used += size;
    return memset(at, 0, size);
}

/* The largest block is the newest one, and larger than all before it together. */
FLUME_API void flume_reset(void) {
    if (!flume_blocks) return;
    while (flume_blocks->before) {
        flume_block *before = flume_blocks->before;
        flume_blocks->before = before->before;
        free(before);
    }
    flume_blocks->used = 0;
}

/* A list with room for one more element. */
FLUME_API void *flume_grown(void *list, size_t count, size_t *room, size_t more, size_t size) {
    if (list && count + more <= *room) return list;
    size_t wanted = *room ? *room * 2 : 16;
    while (wanted < count + more) wanted *= 2;
    void *grown = flume_alloc(wanted * size);
    if (count) memcpy(grown, list, count * size);
    *room = wanted;
    return grown;
}

/* Memory as long as the policy. */
FLUME_API void *flume_keep(size_t size) {
    void *at = calloc(1, size ? size : 1);
    if (!at) abort();
    return at;
}

FLUME_API char *flume_text(const void *at, size_t length) {
    char *text = flume_keep(length + 1);
    if (length) memcpy(text, at, length);
    return text;
}

FLUME_API char *flume_vformat(const char *format, va_list values) {
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) abort();
    char *text = flume_keep((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, values);
    return text;
}

FLUME_PRINTF(1) static char *flume_format(const char *format, ...) {
    va_list values;
    va_start(values, format);
    char *text = flume_vformat(format, values);
    va_end(values);
    return text;
}

static void flume_write(uint32_t level, const char *line, size_t length);

/* Logs a line: flume_log(FLUME_INFO, "%zu sinks", count). */
FLUME_PRINTF(2) static void flume_log(uint32_t level, const char *format, ...) {
    va_list values;
    va_start(values, format);
    char *line = flume_vformat(format, values);
    va_end(values);
    flume_write(level, line, strlen(line));
    free(line);
}

/* ---- Properties ---- */

FLUME_API void flume_note(flume_properties *of, uint32_t kind, const char *key, const char *what) {
    size_t size = sizeof *of->problems;
    flume_problem_entry *more = realloc(of->problems, (of->problem_count + 1) * size);
    if (!more) abort();
    more[of->problem_count++] = (flume_problem_entry){kind, key, what ? what : ""};
    of->problems = more;
}

/* Text, or the default (which may be NULL). */
FLUME_API const char *flume_string(flume_properties *of, const char *key, const char *otherwise) {
    for (size_t at = 0; at < of->count; at++) {
        if (strcmp(of->list[at].key, key) == 0) {
            of->list[at].asked = true;
            return of->list[at].value;
        }
    }
    return otherwise;
}

/* Required text; empty, with a problem noted, if it is missing. */
FLUME_API const char *flume_required(flume_properties *of, const char *key) {
    const char *value = flume_string(of, key, NULL);
    if (!value) flume_note(of, FLUME_MISSING_KEY, key, NULL);
    return value ? value : "";
}

/* Notes that a value is not valid. */
FLUME_API void flume_bad(flume_properties *of, const char *key, const char *expected) {
    flume_note(of, FLUME_BAD_VALUE, key, expected);
}

/* Notes any other problem: lower case, no full stop. */
FLUME_API void flume_problem(flume_properties *of, const char *words) {
    flume_note(of, FLUME_OTHER, words, NULL);
}

/* A whole number within bounds; otherwise notes a problem and returns the default. */
FLUME_API int64_t flume_number(flume_properties *of, const char *key, int64_t otherwise,
                               int64_t least, int64_t most) {
    const char *text = flume_string(of, key, NULL);
    if (!text) return otherwise;
    bool negative = *text == '-', good;
    const char *digits = text + (*text == '-' || *text == '+');
    int64_t number = 0;
    good = *digits != 0;
    for (; good && *digits; digits++) {
        int digit = *digits - '0';
        good = digit >= 0 && digit <= 9 && !__builtin_mul_overflow(number, 10, &number) &&
               !__builtin_add_overflow(number, negative ? -digit : digit, &number);
    }
    if (good && number >= least && number <= most) return number;
    flume_bad(of, key, flume_format("a number from %lld to %lld", (long long)least,
                                    (long long)most));
    return otherwise;
}

/* `true` or `false`. */
FLUME_API bool flume_flag(flume_properties *of, const char *key, bool otherwise) {
    const char *text = flume_string(of, key, NULL);
    if (!text) return otherwise;
    if (strcmp(text, "true") == 0) return true;
    if (strcmp(text, "false") == 0) return false;
    flume_bad(of, key, "`true` or `false`");
    return otherwise;
}

/* Asks to see a header of each event; returns its column in a batch. */
FLUME_API size_t flume_show_header(flume_setup *setup, const char *name) {
    size_t size = sizeof *setup->headers;
    const char **more = realloc(setup->headers, (setup->header_count + 1) * size);
    if (!more) abort();
    more[setup->header_count] = name;
    setup->headers = more;
    return setup->header_count++;
}

/* ---- Batches ---- */

#define FLUME_ABSENT 0x80000000u

FLUME_API flume_bytes flume_row(const flume_column *column, uint32_t row) {
    if (row >= column->count || column->ends[row] & FLUME_ABSENT) return (flume_bytes){NULL, 0};
    uint32_t start = row ? column->ends[row - 1] & ~FLUME_ABSENT : 0;
    const uint8_t *bytes = column->bytes ? column->bytes : (const uint8_t *)"";
    return (flume_bytes){bytes + start, column->ends[row] - start};
}

FLUME_API void flume_push(flume_column *column, flume_bytes value) {
    column->bytes = flume_grown(column->bytes, column->length, &column->room, value.length, 1);
    if (value.length) memcpy(column->bytes + column->length, value.at, value.length);
    column->length += value.length;
    column->ends = flume_grown(column->ends, column->count, &column->ends_room, 1, 4);
    column->ends[column->count++] = (uint32_t)column->length | (value.at ? 0 : FLUME_ABSENT);
}

/* A header of an event, by the number from flume_show_header. */
FLUME_API flume_bytes flume_header(const flume_batch *batch, uint32_t event, size_t column) {
    if (column >= batch->header_count) return (flume_bytes){NULL, 0};
    return flume_row(&batch->headers[column], event);
}

/* The requested part of the body; and the length of the whole body. */
FLUME_API flume_bytes flume_body(const flume_batch *batch, uint32_t event) {
    return flume_row(&batch->bodies, event);
}

FLUME_API size_t flume_body_length(const flume_batch *batch, uint32_t event) {
    return event < batch->length_count ? batch->lengths[event] : flume_body(batch, event).length;
}

FLUME_API void flume_edit_row(flume_edit *edit, uint32_t event, flume_bytes value) {
    edit->events = flume_grown(edit->events, edit->count, &edit->room, 1, 4);
    edit->events[edit->count++] = event;
    flume_push(&edit->values, value);
}

/* Sets a header; a value whose `at` is NULL removes it. */
FLUME_API void flume_set_header(flume_batch *batch, uint32_t event, const char *name,
                                flume_bytes value) {
    flume_edit *edit = NULL;
    for (size_t at = 0; at < batch->edit_count && !edit; at++) {
        if (strcmp(batch->edits[at].name, name) == 0) edit = &batch->edits[at];
    }
    if (!edit) {
        flume_edit *more = flume_alloc((batch->edit_count + 1) * sizeof *more);
        if (batch->edit_count) memcpy(more, batch->edits, batch->edit_count * sizeof *more);
        batch->edits = more;
        edit = &more[batch->edit_count++];
        edit->name = name;
    }
    flume_edit_row(edit, event, value);
}

/* Replaces the body. */
FLUME_API void flume_set_body(flume_batch *batch, uint32_t event, flume_bytes body) {
    if (!body.at) body = (flume_bytes){(const uint8_t *)"", 0};
    flume_edit_row(&batch->body_edit, event, body);
}

FLUME_API void flume_judge(flume_batch *batch, uint32_t event, uint8_t verdict) {
    if (!batch->verdicts) {
        batch->verdicts = flume_alloc(batch->count);
        memset(batch->verdicts, 1, batch->count);
    }
    if (event < batch->count) batch->verdicts[event] = verdict;
}

/* Drops the event. */
FLUME_API void flume_drop(flume_batch *batch, uint32_t event) { flume_judge(batch, event, 0); }

/* Says that the event cannot be handled: it goes where the configuration says. */
FLUME_API void flume_reject(flume_batch *batch, uint32_t event) { flume_judge(batch, event, 2); }

/* Puts rows in the order of the events, the last of an event's rows only, and leaves out the list
 * of events if it names all of them. */
FLUME_API void flume_finish(flume_edit *edit, uint32_t count) {
    bool ascends = true;
    for (size_t at = 1; at < edit->count; at++) {
        ascends = ascends && edit->events[at - 1] < edit->events[at];
    }
    if (!ascends) {
        size_t *last = flume_alloc((size_t)count * sizeof *last);
        for (size_t row = 0; row < edit->count; row++) {
            if (edit->events[row] < count) last[edit->events[row]] = row + 1;
        }
        flume_edit sorted = {.name = edit->name};
        for (uint32_t event = 0; event < count; event++) {
            if (!last[event]) continue;
            uint32_t row = (uint32_t)(last[event] - 1);
            flume_edit_row(&sorted, event, flume_row(&edit->values, row));
        }
        *edit = sorted;
    }
    if (edit->count == count) edit->count = 0;
}

/* ---- Glue ---- */

/* The contract's `feedback`, in its layout. */
typedef struct {
    uint32_t sink, in_flight, batches, pad;
    uint64_t events, latency, delivered_at;
    uint32_t failures, pad2;
    uint64_t failed_at;
} flume_feedback;

static flume_setup flume_made;
static flume_standing *flume_standings;

/* Problems with the sinks' own properties are reported with the sinks' names. */
FLUME_API flume_properties *flume_ready(void) {
    flume_configure(&flume_made);
    flume_properties *own = &flume_made.properties;
    for (size_t at = 0; at < own->count; at++) {
        if (!own->list[at].asked) flume_note(own, FLUME_UNKNOWN_KEY, own->list[at].key, NULL);
    }
    for (size_t sink = 0; sink < flume_made.sink_count; sink++) {
        const char *name = flume_made.sinks[sink].name;
        flume_properties *of = &flume_made.sinks[sink].properties;
        for (size_t at = 0; at < of->problem_count; at++) {
            flume_problem_entry *found = &of->problems[at];
            const char *words =
                found->kind == FLUME_MISSING_KEY
                    ? flume_format("sink `%s` needs the key `%s`", name, found->key)
                : found->kind == FLUME_BAD_VALUE
                    ? flume_format("`%s` of sink `%s` must be %s", found->key, name, found->expected)
                    : flume_format("sink `%s`: %s", name, found->key);
            flume_problem(own, words);
        }
    }
    flume_standings = flume_keep(flume_made.sink_count * sizeof *flume_standings);
    return own;
}

FLUME_API void flume_hear(const flume_feedback *news) {
    flume_standing *sink = &flume_standings[news->sink];
    bool failed_last =
        news->failures && (!news->batches || news->failed_at >= news->delivered_at);
    sink->in_flight = news->in_flight;
    sink->batches += news->batches;
    sink->events += news->events;
    if (news->batches) {
        sink->latency = news->latency / news->batches;
        sink->failures = 0;
    }
    if (news->failures) sink->failed_at = news->failed_at;
    if (failed_last) sink->failures += news->failures;
}

#ifdef __wasm__

#define FLUME_EXPORT(name) __attribute__((export_name(name), used))

__attribute__((import_module("flume:policy/log@0.1.0"), import_name("write")))
void flume_host_write(uint32_t level, const char *line, size_t length);

static void flume_write(uint32_t level, const char *line, size_t length) {
    flume_host_write(level, line, length);
}

/* Set when an answer was returned: the host reads it before it calls again. */
static bool flume_answered;

static void flume_begin(void) {
    if (flume_answered) flume_reset();
    flume_answered = false;
}

FLUME_EXPORT("cabi_realloc")
void *flume_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)align;
    flume_begin();
    void *at = flume_alloc(size);
    if (old_size) memcpy(at, old, old_size < size ? old_size : size);
    return at;
}

typedef struct { const uint8_t *at; size_t length; } flume_list;
typedef struct { flume_list key, value; } flume_wire_property;
typedef struct { flume_list name, kind, properties; } flume_wire_sink;
typedef struct { flume_list bytes, ends; } flume_wire_column;
typedef struct { uint32_t kind; flume_list key, expected; } flume_wire_error;

static flume_list flume_lower(const char *text) {
    return (flume_list){(const uint8_t *)text, strlen(text)};
}

static flume_properties flume_lift(flume_list from) {
    const flume_wire_property *list = (const void *)from.at;
    flume_properties to = {flume_keep(from.length * sizeof *to.list), from.length, NULL, 0};
    for (size_t at = 0; at < from.length; at++) {
        to.list[at].key = flume_text(list[at].key.at, list[at].key.length);
        to.list[at].value = flume_text(list[at].value.at, list[at].value.length);
    }
    return to;
}

static flume_column flume_lift_column(flume_wire_column from) {
    return (flume_column){(uint8_t *)from.bytes.at, from.bytes.length, from.bytes.length,
                          (uint32_t *)from.ends.at, from.ends.length, from.ends.length};
}

static flume_column *flume_lift_columns(const flume_wire_column *list, size_t count) {
    flume_column *columns = flume_alloc(count * sizeof *columns);
    for (size_t at = 0; at < count; at++) columns[at] = flume_lift_column(list[at]);
    return columns;
}

/* `result<…, list<config-error>>`; a success begins with the headers. */
typedef struct { uint32_t is_error; flume_list list; uint32_t bodies, prefix; } flume_wire_result;

static flume_wire_result *flume_configured(void) {
    flume_properties *own = flume_ready();
    flume_wire_result *result = flume_alloc(sizeof *result);
    flume_wire_error *errors = flume_alloc(own->problem_count * sizeof *errors);
    flume_list *headers = flume_alloc(flume_made.header_count * sizeof *headers);
    for (size_t at = 0; at < own->problem_count; at++) {
        flume_problem_entry *found = &own->problems[at];
        errors[at] = (flume_wire_error){found->kind, flume_lower(found->key),
                                        flume_lower(found->expected)};
    }
    for (size_t at = 0; at < flume_made.header_count; at++) {
        headers[at] = flume_lower(flume_made.headers[at]);
    }
    result->is_error = own->problem_count > 0;
    result->list = result->is_error
                       ? (flume_list){(const void *)errors, own->problem_count}
                       : (flume_list){(const void *)headers, flume_made.header_count};
    result->bodies = flume_made.bodies;
    result->prefix = flume_made.prefix;
    flume_answered = true;
    return result;
}

#ifdef FLUME_SELECTOR

FLUME_EXPORT("flume:policy/sink-selector@0.1.0#configure")
flume_wire_result *flume_export_configure(flume_wire_property *properties, size_t count,
                                          flume_wire_sink *sinks, size_t sink_count,
                                          uint64_t seed) {
    flume_made.properties = flume_lift((flume_list){(const void *)properties, count});
    flume_made.sinks = flume_keep(sink_count * sizeof *flume_made.sinks);
    flume_made.sink_count = sink_count;
    flume_made.seed = seed;
    for (size_t at = 0; at < sink_count; at++) {
        flume_made.sinks[at].name = flume_text(sinks[at].name.at, sinks[at].name.length);
        flume_made.sinks[at].kind = flume_text(sinks[at].kind.at, sinks[at].kind.length);
        flume_made.sinks[at].properties = flume_lift(sinks[at].properties);
    }
    return flume_configured();
}

FLUME_EXPORT("flume:policy/sink-selector@0.1.0#order")
flume_list *flume_export_order(uint64_t now, uint64_t unix_ms, const flume_feedback *news,
                               size_t news_count, uint64_t depth, uint32_t events,
                               const flume_wire_column *headers, size_t header_count) {
    flume_begin();
    for (size_t at = 0; at < news_count; at++) flume_hear(&news[at]);
    flume_batch batch = {.count = events, .header_count = header_count};
    batch.headers = flume_lift_columns(headers, header_count);
    flume_ask ask = {now, unix_ms, flume_standings, flume_made.sink_count, depth, &batch};
    uint32_t *order = flume_alloc(flume_made.sink_count * sizeof *order);
    flume_list *answer = flume_alloc(sizeof *answer);
    answer->length = flume_order(&ask, order);
    answer->at = (const void *)order;
    flume_answered = true;
    return answer;
}

#endif
#ifdef FLUME_INTERCEPTOR

typedef struct { flume_list name, events; flume_wire_column values; } flume_wire_edit;
typedef struct {
    flume_list verdicts, headers;
    uint32_t has_bodies;
    flume_list events;
    flume_wire_column bodies;
} flume_wire_edits;

static flume_wire_column flume_lower_column(const flume_column *column) {
    return (flume_wire_column){{column->bytes, column->length},
                               {(const void *)column->ends, column->count}};
}

FLUME_EXPORT("flume:policy/interceptor@0.1.0#configure")
flume_wire_result *flume_export_configure(flume_wire_property *properties, size_t count,
                                          uint64_t seed) {
    flume_made.properties = flume_lift((flume_list){(const void *)properties, count});
    flume_made.seed = seed;
    return flume_configured();
}

FLUME_EXPORT("flume:policy/interceptor@0.1.0#intercept")
flume_wire_edits *flume_export_intercept(uint64_t now, uint64_t unix_ms, uint32_t events,
                                         const flume_wire_column *headers, size_t header_count,
                                         const uint8_t *bodies, size_t bodies_length,
                                         const uint8_t *ends, size_t end_count,
                                         const uint32_t *lengths, size_t length_count) {
    (void)unix_ms;
    flume_begin();
    flume_batch batch = {.count = events, .header_count = header_count};
    batch.headers = flume_lift_columns(headers, header_count);
    batch.bodies = flume_lift_column((flume_wire_column){{bodies, bodies_length}, {ends, end_count}});
    batch.lengths = lengths;
    batch.length_count = length_count;
    flume_intercept(now, &batch);
    flume_wire_edits *answer = flume_alloc(sizeof *answer);
    flume_wire_edit *edits = flume_alloc(batch.edit_count * sizeof *edits);
    for (size_t at = 0; at < batch.edit_count; at++) {
        flume_edit *edit = &batch.edits[at];
        flume_finish(edit, events);
        edits[at] = (flume_wire_edit){flume_lower(edit->name),
                                      {(const void *)edit->events, edit->count},
                                      flume_lower_column(&edit->values)};
    }
    answer->verdicts = (flume_list){batch.verdicts, batch.verdicts ? events : 0};
    answer->headers = (flume_list){(const void *)edits, batch.edit_count};
    answer->has_bodies = batch.body_edit.count > 0;
    flume_finish(&batch.body_edit, events);
    answer->events = (flume_list){(const void *)batch.body_edit.events, batch.body_edit.count};
    answer->bodies = flume_lower_column(&batch.body_edit.values);
    flume_answered = true;
    return answer;
}

#endif
#ifdef FLUME_STATE

FLUME_EXPORT("flume:policy/state@0.1.0#export-state")
void *flume_export_snapshot(void) {
    struct { uint32_t format; flume_list bytes; } *answer;
    flume_begin();
    answer = flume_alloc(sizeof *answer);
    flume_bytes bytes = flume_export_state(&answer->format);
    answer->bytes = (flume_list){bytes.at, bytes.length};
    flume_answered = true;
    return answer;
}

FLUME_EXPORT("flume:policy/state@0.1.0#import-state")
void *flume_import_snapshot(uint32_t format, const uint8_t *at, size_t length) {
    struct { uint32_t is_error; flume_list words; } *answer;
    flume_begin();
    answer = flume_alloc(sizeof *answer);
    answer->is_error = !flume_import_state(format, (flume_bytes){at, length});
    answer->words = flume_lower("no state of this policy");
    flume_answered = true;
    return answer;
}

#endif
#else

/* ---- Natively: a stand-in for the host, for unit tests ---- */

static void flume_write(uint32_t level, const char *line, size_t length) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    fprintf(stderr, "%s: %.*s\n", names[level], (int)length, line);
}

/* Configures with properties and sinks; `text` is "key=value" for the policy and
 * "sink" or "sink:key=value" for sinks, up to a NULL. Returns the number of problems; they are in
 * flume_made.properties. */
FLUME_API size_t flume_test_configure(const char *const *text) {
    size_t most = 0;
    while (text[most]) most++;
    memset(&flume_made, 0, sizeof flume_made);
    flume_made.properties.list = flume_keep(most * sizeof(flume_property));
    flume_made.sinks = flume_keep(most * sizeof(flume_sink));
    for (; *text; text++) {
        char *entry = flume_text(*text, strlen(*text)), *equals = strchr(entry, '=');
        char *colon = strchr(entry, ':');
        flume_properties *of = &flume_made.properties;
        if (equals) *equals = 0;
        if (!equals || colon) {
            flume_sink *sink = &flume_made.sinks[flume_made.sink_count++];
            if (colon) *colon = 0;
            *sink = (flume_sink){.name = entry, .kind = "null"};
            sink->properties.list = flume_keep(sizeof(flume_property));
            of = &sink->properties;
            entry = colon ? colon + 1 : NULL;
        }
        if (equals) of->list[of->count++] = (flume_property){entry, equals + 1, false};
    }
    return flume_ready()->problem_count;
}

#ifdef FLUME_SELECTOR
/* Asks for an order after some news; returns how many sinks it has. */
FLUME_API size_t flume_test_order(const flume_feedback *news, size_t count, uint32_t *order) {
    for (size_t at = 0; at < count; at++) flume_hear(&news[at]);
    flume_batch none = {0};
    flume_ask ask = {1, 0, flume_standings, flume_made.sink_count, 0, &none};
    return flume_order(&ask, order);
}
#endif
#ifdef FLUME_INTERCEPTOR
/* The text of a row as bytes; NULL is an absent value. */
FLUME_API flume_bytes flume_test_text(const char *text) {
    return (flume_bytes){(const uint8_t *)text, text ? strlen(text) : 0};
}

/* A batch with one visible header and its values, one for each event. Free it with flume_reset. */
FLUME_API flume_batch flume_test_batch(const char *const *values, uint32_t count) {
    flume_batch batch = {.count = count, .header_count = 1};
    batch.headers = flume_alloc(sizeof *batch.headers);
    for (uint32_t at = 0; at < count; at++) {
        flume_push(batch.headers, flume_test_text(values[at]));
        flume_push(&batch.bodies, flume_test_text(""));
    }
    return batch;
}
#endif
#endif
#endif
