/* Nothing of one process is found by the next of the same program, wherever it was left: memory,
 * stack, globals, tables. Instances are used again where that is safe, so this is where it would
 * show. GUESTS is the directory of the programs (tests/guest/residue.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

static void test_program(const char *name)
{
    static const char *const argv[] = {"parent", "40", NULL};
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    size_t len;
    char *data = api_guest(name, &len);
    struct capful_result *result = api_run_image(sandbox, data, len, argv);
    CHECK_STR(capful_status_name(capful_result_status(result)), "ok");
    CHECK_STR(capful_result_stdout(result, NULL), "");
    CHECK_INT(capful_result_exit_code(result), 0);
    capful_result_free(result);
    CHECK_INT(capful_sandbox_free(sandbox), 0);
    free(data);
}

/* Scripts in sandboxes of their own, in turn: global objects, prototypes, the heap. */
static void test_scripts(void)
{
    for (int i = 0; i < 30; i++) {
        struct capful_sandbox *sandbox = api_sandbox(NULL);
        CHECK_VALUE(sandbox,
                    "const seen = [typeof mark, Array.prototype.mark, JSON.mark, process.exitCode,"
                    " require('fs').mark, Object.keys(globalThis).includes('mark')];\n"
                    "globalThis.mark = Array.prototype.mark = JSON.mark = require('fs').mark = 1;\n"
                    "Object.freeze(Math); seen",
                    "[\"undefined\",null,null,null,null,false]");
        CHECK_INT(capful_sandbox_free(sandbox), 0);
    }
}

int main(void)
{
    test_program("residue");
    test_program("residue_global");
    test_program("residue_table");
    test_scripts();
    return api_done();
}
