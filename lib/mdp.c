#include "lib/mdp.h"

#include <string.h>

#define ROUTING_ID_BYTES_MAX 255
#define TOKEN_BYTES_MAX      255

static bool sized(florin_slice_t slice, size_t bytes_max)
{
    return slice.size >= 1 && slice.size <= bytes_max;
}

static bool header_is(florin_slice_t slice, const char *header)
{
    return slice.size == FLORIN_MDP_HEADER_BYTES && memcmp(slice.data, header, slice.size) == 0;
}

/* A frame that is there but empty keeps a pointer, so that NULL always means "there is none". */
static florin_slice_t present(florin_slice_t slice)
{
    return slice.size > 0 ? slice : (florin_slice_t){.data = (const uint8_t *)"", .size = 0};
}

/* The frames from `first` on as a body of `count` frames and `bytes` bytes; false past the bound.
 */
static bool measure_body(const florin_slice_t *frames, size_t first, size_t end, size_t *count,
                         size_t *bytes)
{
    if (first > end || end - first > FLORIN_BODY_FRAMES_MAX)
        return false;
    *count = end - first;
    *bytes = 0;
    for (size_t i = first; i < end; i++)
        *bytes += frames[i].size;
    return true;
}

/* Finds the first empty frame, from `first` on and at most a return path later. False when there is
 * none, or when not at least three frames (header, service, body) follow it. */
static bool find_delimiter(const florin_slice_t *frames, size_t first, size_t count, size_t *found)
{
    for (size_t i = first; i < count && i <= first + FLORIN_RETURN_PATH_FRAMES_MAX; i++) {
        if (frames[i].size == 0) {
            *found = i;
            return count - i > 3;
        }
    }
    return false;
}

int florin_mdp_client_request_parse(const florin_slice_t *frames, size_t count,
                                    florin_mdp_client_request_t *request)
{
    size_t delimiter = 0;
    if (count < 5 || count > FLORIN_MDP_FRAMES_MAX || !sized(frames[0], ROUTING_ID_BYTES_MAX) ||
        !find_delimiter(frames, 1, count, &delimiter) ||
        !header_is(frames[delimiter + 1], FLORIN_MDP_CLIENT) ||
        !florin_mdp_service_valid(frames[delimiter + 2]))
        return FLORIN_ERROR_INVALID;
    *request = (florin_mdp_client_request_t){
        .path_count = delimiter - 1,
        .service = frames[delimiter + 2],
        .body = delimiter + 3,
    };
    if (!measure_body(frames, request->body, count, &request->body_count, &request->body_bytes))
        return FLORIN_ERROR_INVALID;
    return request->body_bytes > FLORIN_BODY_BYTES_MAX ? FLORIN_ERROR_TOO_LARGE : FLORIN_OK;
}

static int parse_ready(const florin_slice_t *frames, size_t count, florin_mdp_worker_msg_t *msg)
{
    if (count < 5 || count > 6 || !florin_mdp_service_valid(frames[4]))
        return FLORIN_ERROR_INVALID;
    msg->service = frames[4];
    if (count == 6)
        msg->hello = present(frames[5]);
    return FLORIN_OK;
}

static int parse_reply(const florin_slice_t *frames, size_t count, florin_mdp_worker_msg_t *msg)
{
    if (count < 5 || !sized(frames[4], TOKEN_BYTES_MAX))
        return FLORIN_ERROR_INVALID;
    msg->token = frames[4];
    /* The RFC has an empty frame here; the PHP worker leaves it out. */
    msg->body = count > 5 && frames[5].size == 0 ? 6 : 5;
    return measure_body(frames, msg->body, count, &msg->body_count, &msg->body_bytes)
               ? FLORIN_OK
               : FLORIN_ERROR_INVALID;
}

/* The one frame after the command. */
static int parse_pack(const florin_slice_t *frames, size_t count, size_t place,
                      florin_slice_t *pack)
{
    if (count != place + 1 || frames[place].size == 0)
        return FLORIN_ERROR_INVALID;
    *pack = frames[place];
    return FLORIN_OK;
}

int florin_mdp_worker_msg_parse(const florin_slice_t *frames, size_t count,
                                florin_mdp_worker_msg_t *msg)
{
    if (count < 4 || count > FLORIN_MDP_FRAMES_MAX || !sized(frames[0], ROUTING_ID_BYTES_MAX) ||
        frames[1].size != 0 || !header_is(frames[2], FLORIN_MDP_WORKER) || frames[3].size != 1)
        return FLORIN_ERROR_INVALID;
    *msg = (florin_mdp_worker_msg_t){.command = frames[3].data[0]};
    switch (msg->command) {
    case FLORIN_MDP_READY:
        return parse_ready(frames, count, msg);
    case FLORIN_MDP_REPLY:
        return parse_reply(frames, count, msg);
    case FLORIN_MDP_REPLIES:
        return parse_pack(frames, count, 4, &msg->pack);
    case FLORIN_MDP_HEARTBEAT:
    case FLORIN_MDP_DISCONNECT:
        return count == 4 ? FLORIN_OK : FLORIN_ERROR_INVALID;
    case FLORIN_MDP_REQUEST: /* only a broker says those */
    case FLORIN_MDP_REQUESTS:
    default:
        return FLORIN_ERROR_INVALID;
    }
}

int florin_mdp_client_reply_parse(const florin_slice_t *frames, size_t count,
                                  florin_mdp_client_reply_t *reply)
{
    size_t delimiter = 0;
    size_t body_bytes = 0;
    if (count > FLORIN_MDP_FRAMES_MAX || !find_delimiter(frames, 0, count, &delimiter) ||
        !header_is(frames[delimiter + 1], FLORIN_MDP_CLIENT) ||
        !florin_mdp_service_valid(frames[delimiter + 2]))
        return FLORIN_ERROR_INVALID;
    *reply = (florin_mdp_client_reply_t){
        .path_count = delimiter,
        .service = frames[delimiter + 2],
        .body = delimiter + 3,
    };
    return measure_body(frames, reply->body, count, &reply->body_count, &body_bytes)
               ? FLORIN_OK
               : FLORIN_ERROR_INVALID;
}

static int parse_request(const florin_slice_t *frames, size_t count, bool hello,
                         florin_mdp_worker_request_t *request)
{
    size_t body_bytes = 0;
    request->body = hello ? 6 : 5;
    if (count <= request->body || !sized(frames[3], TOKEN_BYTES_MAX) || frames[4].size != 0)
        return FLORIN_ERROR_INVALID;
    request->token = frames[3];
    if (hello)
        request->context = present(frames[5]);
    return measure_body(frames, request->body, count, &request->body_count, &body_bytes)
               ? FLORIN_OK
               : FLORIN_ERROR_INVALID;
}

int florin_mdp_worker_request_parse(const florin_slice_t *frames, size_t count, bool hello,
                                    florin_mdp_worker_request_t *request)
{
    if (count < 3 || count > FLORIN_MDP_FRAMES_MAX || frames[0].size != 0 ||
        !header_is(frames[1], FLORIN_MDP_WORKER) || frames[2].size != 1)
        return FLORIN_ERROR_INVALID;
    *request = (florin_mdp_worker_request_t){.command = frames[2].data[0]};
    switch (request->command) {
    case FLORIN_MDP_REQUEST:
        return parse_request(frames, count, hello, request);
    case FLORIN_MDP_REQUESTS:
        return hello ? parse_pack(frames, count, 3, &request->pack) : FLORIN_ERROR_INVALID;
    case FLORIN_MDP_HEARTBEAT:
    case FLORIN_MDP_DISCONNECT:
        return count == 3 ? FLORIN_OK : FLORIN_ERROR_INVALID;
    case FLORIN_MDP_READY: /* only a worker says those */
    case FLORIN_MDP_REPLY:
    case FLORIN_MDP_REPLIES:
    default:
        return FLORIN_ERROR_INVALID;
    }
}

void florin_mdp_part_put(uint8_t *pack, size_t *used, florin_slice_t part)
{
    uint8_t *at = pack + *used;
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(part.size >> (8 * (3 - i)));
    if (part.size > 0)
        memcpy(at + 4, part.data, part.size);
    *used += FLORIN_MDP_PART_BYTES(part.size);
}

bool florin_mdp_part_take(florin_slice_t *pack, florin_slice_t *part)
{
    size_t size = 0;
    if (pack->size < 4)
        return false;
    for (size_t i = 0; i < 4; i++)
        size = size << 8 | pack->data[i];
    if (size > pack->size - 4)
        return false;
    *part = (florin_slice_t){pack->data + 4, size};
    *pack = (florin_slice_t){part->data + size, pack->size - 4 - size};
    return true;
}

bool florin_mdp_service_valid(florin_slice_t service)
{
    if (!sized(service, FLORIN_SERVICE_BYTES_MAX))
        return false;
    for (size_t i = 0; i < service.size; i++)
        if (service.data[i] < 0x21 || service.data[i] > 0x7e)
            return false;
    return true;
}
