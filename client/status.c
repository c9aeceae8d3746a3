#include "client/florin.h"

const char *florin_status_name(Florin__V1__Status status)
{
    switch (status) {
    case FLORIN__V1__STATUS__STATUS_OK:
        return "ok";
    case FLORIN__V1__STATUS__STATUS_BAD_REQUEST:
        return "bad_request";
    case FLORIN__V1__STATUS__STATUS_TOO_LARGE:
        return "too_large";
    case FLORIN__V1__STATUS__STATUS_FORBIDDEN:
        return "forbidden";
    case FLORIN__V1__STATUS__STATUS_NO_SERVICE:
        return "no_service";
    case FLORIN__V1__STATUS__STATUS_BUSY:
        return "busy";
    case FLORIN__V1__STATUS__STATUS_EXPIRED:
        return "expired";
    case FLORIN__V1__STATUS__STATUS_UNAVAILABLE:
        return "unavailable";
    case FLORIN__V1__STATUS__STATUS_INTERNAL:
        return "internal";
    default:
        return "unspecified";
    }
}
