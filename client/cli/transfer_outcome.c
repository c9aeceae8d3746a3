/* florin transfer outcome. */
#include "client/cli/ids.h"
#include "client/cli/values.h"
#include "client/cli/wire.h"

static void print_json(florin_id_t id, const Florin__V1__TransferOutcome *outcome)
{
    char text[FLORIN_ID_TEXT_BYTES];
    json_t *object = wire_json(&outcome->base);
    (void)json_object_set_new(object, "id", json_string(florin_id_format_uuid(id, text)));
    cli_print_json(object);
}

static void print_outcome(florin_id_t id, const Florin__V1__TransferOutcome *outcome,
                          const char *result, bool applied)
{
    char id_text[FLORIN_ID_TEXT_BYTES], time[VALUE_TEXT_BYTES];
    (void)printf("transfer %s\n", florin_id_format(id, id_text));
    (void)printf("  applied    %s\n", !applied                   ? "no, and never will be"
                                      : outcome->held_for_review ? "yes, held for review"
                                                                 : "yes");
    (void)printf("  result     %s\n", result);
    if (outcome->timestamp)
        (void)printf("  time       %s\n", value_time(outcome->timestamp, time));
}

static int show_all(cli_t *cli, const ids_t *ids, const Florin__V1__TransferOutcomesReply *reply)
{
    int code = reply->n_outcomes == ids->count ? CLI_DONE : CLI_REFUSED;
    for (size_t i = 0; i < ids->count && i < reply->n_outcomes; i++) {
        const Florin__V1__TransferOutcome *outcome = reply->outcomes[i];
        char result[WIRE_NAME_BYTES];
        bool applied =
            outcome->result == FLORIN__V1__CREATE_TRANSFER_RESULT__CREATE_TRANSFER_RESULT_CREATED;
        (void)wire_enum_name(&florin__v1__create_transfer_result__descriptor, (int)outcome->result,
                             result);
        if (cli->json)
            print_json(ids_of(&ids->wire[i]), outcome);
        else
            print_outcome(ids_of(&ids->wire[i]), outcome, result, applied);
        if (!applied)
            code = CLI_REFUSED;
    }
    return code;
}

int transfer_outcome(cli_t *cli, int argc, char **argv)
{
    ids_t ids;
    int code = ids_parse(cli, argc, argv,
                         "Tell what became of transfers, for good: one that is not there is given "
                         "up, and never will be. Exit code 1 unless all were applied.",
                         &ids);
    if (code != CLI_DONE)
        return code;
    Florin__V1__TransferOutcomesRequest outcomes = FLORIN__V1__TRANSFER_OUTCOMES_REQUEST__INIT;
    outcomes.n_ids = ids.count;
    outcomes.ids = ids.wire;
    Florin__V1__Request request = FLORIN__V1__REQUEST__INIT;
    request.operation_case = FLORIN__V1__REQUEST__OPERATION_TRANSFER_OUTCOMES;
    request.transfer_outcomes = &outcomes;
    Florin__V1__Reply *reply;
    code = cli_call(cli, "transactions", &request, "transfer outcome", &reply);
    if (code == CLI_DONE)
        code = show_all(cli, &ids, reply->transfer_outcomes);
    florin__v1__reply__free_unpacked(reply, NULL);
    ids_clear(&ids);
    return code;
}
