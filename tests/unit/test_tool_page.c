/* The pages under /tools. */
#include "tool_rig.h"

static void echo(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "1", 1);
}

static struct toolset *set_of(const char *name, const char *description, const char *schema,
                              uint64_t max_calls)
{
    struct toolset *set = NULL;
    struct capful_tool tool = {.name = name,
                               .description = description,
                               .schema = schema,
                               .call = echo,
                               .max_calls = max_calls};
    EQ(toolset_new(&set, NULL), 0);
    EQ(toolset_add(set, &tool, NULL), 0);
    return set;
}

TEST(page_says_what_a_caller_needs)
{
    struct tool_rig r;
    struct buf page = BUF_INIT(10000);
    struct toolset *set =
        set_of("re-fund", "Pays money back.",
               "{\"properties\":{\"amount\":{\"type\":\"number\",\"description\":\"in "
               "euros\"},\"why\":{\"enum\":[\"late\",7]},"
               "\"x\":{\"type\":[\"string\",\"null\"]},\"y\":true},\"required\":[\"amount\"]}",
               3);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    rig_begin(&r, set, NULL);
    EQ(tool_page_make(r.host, STR("re-fund"), &page), 0);
    STR_EQ(page.data,
           "re-fund\n(as an identifier: re_fund)\n\nPays money back.\n\nArguments:\n"
           "  amount (number): in euros\n  why (one of \"late\", 7, optional)\n"
           "  x (string or null, optional)\n  y (any, optional)\n\n"
           "Schema: {\"properties\":{\"amount\":{\"type\":\"number\",\"description\":\"in "
           "euros\"},\"why\":{\"enum\":"
           "[\"late\",7]},\"x\":{\"type\":[\"string\",\"null\"]},\"y\":true},\"required\":["
           "\"amount\"]}\n\n"
           "Calls left: 3\n");
    rig_call(&r, "re-fund", "{\"amount\":1}");
    buf_clear(&page);
    EQ(tool_page_make(r.host, STR("re_fund"), &page), 0);
    OK(strstr(page.data, "Calls left: 2\n") != NULL);
    EQ(tool_page_make(r.host, STR("nothing"), &page), ERRNO_NOENT);
    buf_release(&page);
    rig_end(&r);
}

TEST(page_without_much_to_say)
{
    struct buf page = BUF_INIT(1000);
    struct toolset *set = set_of("plain", NULL, NULL, 0);
    EQ(tool_page(toolset_at(set, 0), NULL, &page), 0);
    STR_EQ(page.data, "plain\n\nArguments: any object.\n\nNot granted: calls are refused.\n");
    EQ(toolset_grant_all(set, NULL), 0);
    buf_clear(&page);
    EQ(tool_page(toolset_at(set, 0), NULL, &page), 0);
    STR_EQ(page.data, "plain\n\nArguments: any object.\n");
    buf_release(&page);
    toolset_unref(set);
}

TEST(page_names_can_be_files)
{
    static const char *const names[][2] = {{"get-order", "get-order"},
                                           {"/pets/{id}", "_pets__id_"},
                                           {".", "_"},
                                           {"..", "__"},
                                           {"a/b", "a_b"},
                                           {"...", "..."}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct toolset *set = set_of(names[i][0], NULL, NULL, 0);
        struct str name = tool_page_name(toolset_at(set, 0));
        STR_EQ(name.ptr, names[i][1]);
        toolset_unref(set);
    }
}

static void sweep(const struct toolset *set)
{
    struct buf page = BUF_INIT(100000);
    int result = tool_page(toolset_at(set, 0), NULL, &page);
    OK(result == 0 || result == ERRNO_NOMEM);
    OK(result == 0 ? strstr(page.data, "Schema: ") != NULL : page.len == 0);
    buf_release(&page);
}

TEST(page_survives_every_failed_allocation)
{
    struct toolset *set = set_of("a-b", "words", "{\"properties\":{\"a\":{\"enum\":[1,2]}}}", 5);
    FAULT_SWEEP(sweep(set));
    toolset_unref(set);
}
