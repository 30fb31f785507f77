/* Any text as a policy: it loads, or every problem is told with a place in the text; nothing is
 * left either way. */
#include <stdlib.h>

#include "base/mem.h"
#include "config/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void count(void *context, const struct policy_problem *problem)
{
    must(problem->line > 0 && problem->column > 0 && problem->text[0]);
    ++*(size_t *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t problems = 0;
    uint64_t blocks = mem_live_blocks();
    struct policy_source source = {
        .name = "fuzz", .directory = "/", .report = count, .context = &problems};
    struct str text = {(const char *)data, size};
    struct policy_file *file = NULL;
    struct toolset *set;
    struct capful_error err;
    must(toolset_new(&set, NULL) == 0);
    int failed = policy_load(text, &source, set, &file, &err);
    must(failed ? failed == CAPFUL_EPOLICY && problems > 0 && toolset_count(set) == 0
                : problems == 0);
    if (!failed) {
        failed = policy_grant(file, &source, set, &err);
        must(!failed == (problems == 0));
        must(toolset_hide_ungranted(set, &err) == 0 && toolset_seal(set, &err) == 0);
        for (size_t i = 0; i < toolset_count(set); i++) {
            struct buf page = BUF_INIT(SIZE_MAX);
            must(tool_page(toolset_at(set, i), NULL, &page) == 0);
            buf_release(&page);
        }
    }
    policy_file_free(file);
    toolset_unref(set);
    must(mem_live_blocks() == blocks);
    return 0;
}
