/* memory.copy and memory.fill of a program are made in pieces, so that a limit is seen in between:
 * they do what the instructions do, and trap where those trap. GUESTS is the directory of the
 * program (tests/guest/moves.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

static void test_moves(const char *data, size_t len, const char *what, const char *status,
                       const char *message)
{
    const char *const argv[] = {what, NULL};
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_result *result = api_run_image(sandbox, data, len, argv);
    CHECK_STR(capful_status_name(capful_result_status(result)), status);
    CHECK_STR(capful_result_stdout(result, NULL), "");
    const struct capful_script_error *error = capful_result_error(result);
    CHECK_STR(error ? error->message : "", message);
    capful_result_free(result);
    CHECK_INT(capful_sandbox_free(sandbox), 0);
}

int main(void)
{
    size_t len;
    char *data = api_guest("moves", &len);
    test_moves(data, len, NULL, "ok", "");
    test_moves(data, len, "copy", "error", "out of bounds memory access");
    test_moves(data, len, "fill", "error", "out of bounds memory access");
    free(data);
    return api_done();
}
