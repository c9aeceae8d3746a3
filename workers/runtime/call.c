/* How a call is refused. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "workers/runtime/worker.h"

#define LOG_PAUSE_MS 1000

static char no_room[] = "no room for a message";

void florin_call_fail(florin_call_t *call, florin_arena_t *arena, Florin__V1__Status status,
                      const char *format, ...)
{
    char text[FLORIN_ERROR_MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    char *message = length < 0 ? NULL : florin_arena_printf(arena, "%s", text);
    call->reply->status = status;
    call->reply->message = message ? message : no_room;
    call->reply->result_case = FLORIN__V1__REPLY__RESULT__NOT_SET;
}

/* The detail of what failed is for the operator: it may name hosts, paths and tables. A shard that
 * is away fails each request that touches it, so of each status about one is logged a second, of
 * all lanes together. */
static void log_detail(Florin__V1__Status status, const florin_error_t *error)
{
    static _Atomic uint64_t quiet_until_ms[FLORIN__V1__STATUS__STATUS_INTERNAL + 1];
    uint64_t now_ms = florin_clock_ms();
    if (now_ms < quiet_until_ms[status])
        return;
    quiet_until_ms[status] = now_ms + LOG_PAUSE_MS;
    bool defect = status == FLORIN__V1__STATUS__STATUS_INTERNAL;
    florin_log(defect ? FLORIN_LOG_ERROR : FLORIN_LOG_WARN, "call_failed", "%s: %s",
               florin_error_name(error->code), error->message);
}

static void fail_quietly(florin_call_t *call, florin_arena_t *arena, Florin__V1__Status status,
                         const florin_error_t *error, const char *message)
{
    log_detail(status, error);
    florin_call_fail(call, arena, status, "%s", message);
}

void florin_call_fail_error(florin_call_t *call, florin_arena_t *arena, const florin_error_t *error)
{
    switch (error->code) {
    case FLORIN_ERROR_INVALID:
    case FLORIN_ERROR_NOT_FOUND:
        florin_call_fail(call, arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST, "%s", error->message);
        break;
    case FLORIN_ERROR_TOO_LARGE:
        florin_call_fail(call, arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE, "%s", error->message);
        break;
    case FLORIN_ERROR_UNAVAILABLE:
    case FLORIN_ERROR_TIMEOUT:
        fail_quietly(call, arena, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, error,
                     "a database is away or did not confirm in time; ask again with the same ids");
        break;
    case FLORIN_ERROR_CONFLICT:
        fail_quietly(call, arena, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, error,
                     "another transaction keeps what this one needs; ask again with the same ids");
        break;
    case FLORIN_ERROR_CONFIG:
        fail_quietly(call, arena, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, error,
                     "this worker does not fit the databases, and others may; ask again with the "
                     "same ids");
        break;
    case FLORIN_ERROR_ASIDE:
        fail_quietly(call, arena, FLORIN__V1__STATUS__STATUS_UNAVAILABLE, error, error->message);
        break;
    default:
        fail_quietly(call, arena, FLORIN__V1__STATUS__STATUS_INTERNAL, error,
                     "this worker has a fault that its log names; ask again with the same ids");
        break;
    }
}

void florin_call_fail_operation(florin_call_t *call, florin_arena_t *arena, const char *service)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
        &florin__v1__request__descriptor, (unsigned)call->request->operation_case);
    if (field)
        florin_call_fail(call, arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "operation %s is not one of service %s", field->name, service);
    else
        florin_call_fail(call, arena, FLORIN__V1__STATUS__STATUS_BAD_REQUEST,
                         "operation: none that service %s knows", service);
}

bool florin_call_expired(florin_call_t *call, florin_arena_t *arena)
{
    if (call->deadline_ms == 0 || florin_clock_ms() < call->deadline_ms)
        return false;
    florin_call_fail(call, arena, FLORIN__V1__STATUS__STATUS_EXPIRED,
                     "not begun: it had %u ms to live, and waited longer for its turn",
                     call->context->ttl_ms);
    return true;
}

void florin_call_fail_memory(florin_call_t *call, florin_arena_t *arena)
{
    florin_call_fail(call, arena, FLORIN__V1__STATUS__STATUS_TOO_LARGE,
                     "the reply is larger than this worker can make: ask for less at once");
}
