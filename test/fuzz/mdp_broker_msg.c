/* What a broker sent to a worker or to a client: the first byte says to whom. */
#include "test/fuzz/fuzz.h"

static void parse_request(const florin_slice_t *frames, size_t count, bool hello)
{
    florin_mdp_worker_request_t request;
    if (florin_mdp_worker_request_parse(frames, count, hello, &request) != FLORIN_OK)
        return;
    if (request.command == FLORIN_MDP_REQUEST) {
        HOLDS(request.token.size > 0);
        HOLDS((request.context.data != NULL) == hello);
        HOLDS(request.body_count >= 1 && request.body + request.body_count == count);
    } else if (request.command == FLORIN_MDP_REQUESTS) {
        HOLDS(hello && count == 4);
        HOLDS(request.pack.data == frames[3].data && request.pack.size == frames[3].size);
    } else {
        HOLDS(request.command == FLORIN_MDP_HEARTBEAT || request.command == FLORIN_MDP_DISCONNECT);
        HOLDS(count == 3);
    }
}

static void parse_reply(const florin_slice_t *frames, size_t count)
{
    florin_mdp_client_reply_t reply;
    if (florin_mdp_client_reply_parse(frames, count, &reply) != FLORIN_OK)
        return;
    HOLDS(frames[reply.path_count].size == 0);
    HOLDS(florin_mdp_service_valid(reply.service));
    HOLDS(reply.body_count >= 1 && reply.body + reply.body_count == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    florin_slice_t frames[FUZZ_FRAMES_MAX];
    if (size == 0)
        return 0;
    size_t count = fuzz_frames_new(data + 1, size - 1, frames);
    if (data[0] == 'c')
        parse_reply(frames, count);
    else
        parse_request(frames, count, data[0] == 'h');
    fuzz_frames_free(frames, count);
    return 0;
}
