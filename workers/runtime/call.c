/* How a call is refused. */
#include <stdarg.h>
#include <stdio.h>

#include "lib/clock.h"
#include "workers/runtime/worker.h"

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

static Florin__V1__Status status_of(int code)
{
    switch (code) {
    case FLORIN_ERROR_INVALID:
    case FLORIN_ERROR_NOT_FOUND:
        return FLORIN__V1__STATUS__STATUS_BAD_REQUEST;
    case FLORIN_ERROR_TOO_LARGE:
        return FLORIN__V1__STATUS__STATUS_TOO_LARGE;
    case FLORIN_ERROR_UNAVAILABLE:
    case FLORIN_ERROR_TIMEOUT:
    case FLORIN_ERROR_CONFLICT:
        return FLORIN__V1__STATUS__STATUS_UNAVAILABLE;
    default:
        return FLORIN__V1__STATUS__STATUS_INTERNAL;
    }
}

void florin_call_fail_error(florin_call_t *call, florin_arena_t *arena, const florin_error_t *error)
{
    florin_call_fail(call, arena, status_of(error->code), "%s", error->message);
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
