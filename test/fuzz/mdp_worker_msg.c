/* What a ROUTER got from a worker. */
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    florin_slice_t frames[FUZZ_FRAMES_MAX];
    size_t count = fuzz_frames_new(data, size, frames);
    florin_mdp_worker_msg_t msg;
    if (florin_mdp_worker_msg_parse(frames, count, &msg) == FLORIN_OK) {
        HOLDS(msg.command != FLORIN_MDP_REQUEST && msg.command != FLORIN_MDP_REQUESTS);
        HOLDS((msg.command == FLORIN_MDP_REPLIES) == (msg.pack.data != NULL));
        HOLDS(msg.command != FLORIN_MDP_REPLIES || (count == 5 && msg.body_count == 0));
        HOLDS((msg.command == FLORIN_MDP_READY) == florin_mdp_service_valid(msg.service));
        HOLDS((msg.command == FLORIN_MDP_REPLY) == (msg.token.size > 0));
        HOLDS(msg.command != FLORIN_MDP_REPLY || msg.body + msg.body_count == count);
        HOLDS(msg.body_count <= FLORIN_BODY_FRAMES_MAX && msg.body_bytes <= size);
    }
    fuzz_frames_free(frames, count);
    return 0;
}
