/* What a ROUTER got from a client. */
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    florin_slice_t frames[FUZZ_FRAMES_MAX];
    size_t count = fuzz_frames_new(data, size, frames);
    florin_mdp_client_request_t request;
    if (florin_mdp_client_request_parse(frames, count, &request) == FLORIN_OK) {
        HOLDS(request.path_count <= FLORIN_RETURN_PATH_FRAMES_MAX);
        HOLDS(frames[request.path_count + 1].size == 0);
        HOLDS(florin_mdp_service_valid(request.service));
        HOLDS(request.body_count >= 1 && request.body_count <= FLORIN_BODY_FRAMES_MAX);
        HOLDS(request.body + request.body_count == count);
        HOLDS(request.body_bytes <= size);
    }
    fuzz_frames_free(frames, count);
    return 0;
}
