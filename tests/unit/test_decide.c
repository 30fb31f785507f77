/* The decision, without a sandbox: every reason of a denial, questions, budgets of each scope, the
 * rate's bucket, what is given back, labels, derived grants; stores that fail and memory that is
 * short. */
#include "policy_rig.h"

#define SECOND UINT64_C(1000000000)

/* Steps of one policy: a call and what becomes of it. "+N" lets N seconds pass, "-N" goes back. */
struct step {
    const char *tool, *arguments, *grants, *wanted;
};

static void run_steps(const char *policy, const struct step *steps)
{
    struct rig rig;
    rig_open(&rig, policy);
    for (; steps->tool; steps++) {
        if (steps->tool[0] == '+' || steps->tool[0] == '-')
            rig.at.now += (uint64_t)(atof(steps->tool) * 1e9);
        else
            STR_EQ(rig_call_with(&rig, steps->tool, steps->arguments, steps->grants),
                   steps->wanted);
    }
    rig_close(&rig);
}

#define STEPS(policy, ...) run_steps(policy, (const struct step[]){__VA_ARGS__, {0}})

/* ------------------------------------------------------------------ the first that passes */

TEST(the_first_grant_that_lets_it_pass)
{
    STEPS("{\"grants\": [{\"tool\": \"t\", \"name\": \"small\", \"where\": {\"a\": {\"le\": 5}}},"
          " {\"tool\": \"t\", \"name\": \"big\", \"where\": {\"a\": {\"ge\": 100}}, \"approve\": "
          "\"ask\"}],"
          " \"tools\": [{\"name\": \"t\"}, {\"name\": \"other\"}]}",
          {"t", "{\"a\": 5.0}", NULL, "allow small {\"a\":5.0}"},
          {"t", "{\"a\": 100}", NULL, "ask big: "},
          {"t", "{\"a\": 50}", NULL, "deny small constraint: a must be at most 5 (was 50)"},
          {"t", "{\"a\": 50}", "big", "deny big constraint: a must be at least 100 (was 50)"},
          {"t", "[1]", NULL, "error: the arguments must be an object, not a list"},
          {"t", "{\"a\": 1}", "", "deny - not_granted: it is not granted"},
          {"other", "{}", NULL, "deny - not_granted: it is not granted"});
}

static bool needs_a(void *context, struct str arguments, struct buf *why)
{
    *(unsigned *)context += 1;
    if (memmem(arguments.ptr, arguments.len, "\"a\"", 3))
        return true;
    buf_add_text(why, "a is missing");
    return false;
}

TEST(what_does_not_fit_the_schema)
{
    struct rig rig;
    unsigned asked = 0;
    rig_open(
        &rig,
        "{\"grants\": [{\"tool\": \"t\", \"name\": \"first\"}, {\"tool\": \"t\", \"name\":"
        " \"second\", \"bind\": {\"a\": {\"context\": \"/a\"}}}], \"tools\": [{\"name\": \"t\"}]}");
    rig.at.fits = needs_a;
    rig.at.fits_context = &asked;
    STR_EQ(rig_call(&rig, "t", "{\"a\": 1}"), "allow first {\"a\":1}");
    STR_EQ(rig_call(&rig, "t", "{\"b\": 1}"), "error first: a is missing");
    STR_EQ(rig_call_with(&rig, "t", "{}", "second"),
           "deny second constraint: the host has said nothing for \"a\"");
    rig_context(&rig, "{\"a\": [7]}");
    STR_EQ(rig_call(&rig, "t", "{\"b\": 1}"), "allow second {\"b\":1,\"a\":[7]}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 2}", "second"),
           "deny second constraint: it takes no argument \"a\"");
    EQ(asked, 5);
    rig_close(&rig);
}

TEST(what_is_not_named)
{
    STEPS("{\"grants\": [\"t\"], \"tools\": [{\"name\": \"t\", \"schema\": {\"properties\": {\"a\":"
          " {\"default\": 3}}}}]}",
          {"t", "{}", NULL, "allow t#1 {\"a\":3}"},
          {"t", "{\"b\": 1}", NULL, "deny t#1 constraint: it takes no argument \"b\""});
}

/* ------------------------------------------------------------------ revoked, expired */

TEST(what_has_expired)
{
    struct rig rig;
    rig_open(&rig,
             "{\"grants\": [{\"tool\": \"t\", \"expires\": \"1970-01-01T00:20:00Z\", \"where\":"
             " {\"a\": 1}}], \"tools\": [{\"name\": \"t\"}]}");
    rig.at.now = 1200 * SECOND - 1;
    STR_EQ(rig_call(&rig, "t", "{\"a\": 1}"), "allow t#1 {\"a\":1}");
    rig.at.now++;
    STR_EQ(rig_call(&rig, "t", "{\"a\": 2}"), "deny t#1 expired: its grant has expired");
    grant_revoke(rig_grant(&rig, "t#1"));
    STR_EQ(rig_call(&rig, "t", "{\"a\": 2}"), "deny t#1 revoked: its grant was revoked");
    rig.at.now = 0;
    STR_EQ(rig_call(&rig, "t", "{\"a\": 1}"), "deny t#1 revoked: its grant was revoked");
    rig_close(&rig);
}

TEST(a_derived_grant_passes_all_above_it)
{
    struct rig rig;
    rig_open(&rig,
             "{\"grants\": [{\"tool\": \"t\", \"name\": \"top\", \"where\": {\"a\": {\"le\": 9}}}],"
             " \"tools\": [{\"name\": \"t\"}]}");
    rig_derive(&rig, "top", "mid", "{\"where\": {\"a\": {\"ge\": 3}}, \"max_calls\": 2}");
    rig_derive(&rig, "mid", "leaf", "{\"expires\": \"1970-01-01T01:00:00Z\", \"withhold\": true}");
    rig_derive(&rig, "leaf", "last", "{}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 10}", "leaf"),
           "deny leaf constraint: a must be at most 9 (was 10)");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 2}", "leaf"),
           "deny leaf constraint: a must be at least 3 (was 2)");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5}", "leaf"), "allow leaf {\"a\":5}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5}", "mid"), "allow mid {\"a\":5}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5}", "leaf"),
           "deny leaf budget: its budget of 2 calls is used up");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5}", "top"), "allow top {\"a\":5}");
    OK(!decide_withhold(rig_grant(&rig, "last")));
    grant_revoke(rig_grant(&rig, "mid"));
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5}", "leaf"),
           "deny leaf revoked: its grant was revoked");
    OK(decide_withhold(rig_grant(&rig, "leaf")) && decide_withhold(rig_grant(&rig, "last")));
    OK(!decide_withhold(rig_grant(&rig, "mid"))); /* it was not said of this one */
    rig_close(&rig);
}

/* ------------------------------------------------------------------ questions */

TEST(what_is_asked_about)
{
    static const char policy[] = "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"max_calls\": "
                                 "1, \"approve\": {\"a\": {\"gt\": 5}}}],"
                                 " \"tools\": [{\"name\": \"t\"}]}";
    struct rig rig;
    rig_open(&rig, policy);
    STR_EQ(rig_call(&rig, "t", "{\"a\": 6}"), "ask g: ");
    STR_EQ(rig_call(&rig, "t", "{\"b\": 6}"), "ask g: "); /* it cannot be told */
    rig.at.approved = true;
    STR_EQ(rig_call(&rig, "t", "{\"a\": 6}"), "allow g {\"a\":6}");
    STR_EQ(rig_call(&rig, "t", "{\"a\": 6}"), "deny g budget: its budget of 1 call is used up");
    rig_close(&rig);
    rig_open(&rig, policy);
    STR_EQ(rig_call(&rig, "t", "{\"a\": 5}"), "allow g {\"a\":5}");
    rig_derive(&rig, "g", "asks", "{\"approve\": \"ask\"}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5}", "asks"),
           "deny asks budget: its budget of 1 call is used up");
    rig_close(&rig);
}

/* ------------------------------------------------------------------ budgets */

static void forget(struct store *store, const char *name)
{
    ASSERT(store_begin(store, str_of(name)));
    ASSERT(budget_clear(store, true));
    ASSERT(store_commit(store));
}

TEST(budgets_of_each_scope)
{
    static const char policy[] =
        "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"max_calls\": [{\"n\": 1, \"per\": "
        "\"run\"},"
        " {\"n\": 2, \"per\": \"sandbox\"}, 3]}], \"tools\": [{\"name\": \"t\"}]}";
    struct rig rig;
    uint64_t left = 0;
    rig_open(&rig, policy);
    struct grant *g = rig_grant(&rig, "g");
    OK(budget_calls_left(&rig.ledger, g, 0, &left) && left == 1);
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}");
    OK(budget_calls_left(&rig.ledger, g, 0, &left) && left == 0);
    OK(budget_calls_left(&rig.ledger, g, 2, &left) && left == 2);
    STR_EQ(rig_call(&rig, "t", "{}"), "deny g budget: its budget of 1 call a run is used up");
    forget(rig.ledger.run, "run");
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}");
    forget(rig.ledger.run, "run");
    STR_EQ(rig_call(&rig, "t", "{}"),
           "deny g budget: its budget of 2 calls in this sandbox is used up");
    forget(rig.ledger.sandbox, "box");
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}");
    forget(rig.ledger.sandbox, "box");
    forget(rig.ledger.run, "run");
    STR_EQ(rig_call(&rig, "t", "{}"), "deny g budget: its budget of 3 calls is used up");
    g->calls[2].n = 1; /* of a policy that was changed: more was used than there is */
    OK(budget_calls_left(&rig.ledger, g, 2, &left) && left == 0);
    rig_close(&rig);
}

/* One store for both: one transaction, and none waits for the other. */
TEST(a_sandbox_that_is_the_account)
{
    struct rig rig;
    rig_open(&rig,
             "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"max_calls\": [{\"n\": 2, \"per\":"
             " \"sandbox\"}, {\"n\": 1, \"per\": \"account\"}]}], \"tools\": [{\"name\": \"t\"}]}");
    store_free(rig.ledger.account);
    rig.ledger.account = rig.ledger.sandbox;
    rig.ledger.account_name = rig.ledger.sandbox_name;
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}");
    STR_EQ(rig_call(&rig, "t", "{}"), "deny g budget: its budget of 1 call is used up");
    rig_close(&rig);
}

TEST(what_ends_with_its_run_counts_there)
{
    struct rig rig;
    rig_open(&rig,
             "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\"}], \"tools\": [{\"name\": \"t\"}]}");
    rig_derive_as(&rig, "g", "pass", "{\"max_calls\": 1, \"rate\": \"5/s\"}", true);
    rig_derive(&rig, "pass", "under", "{\"max_calls\": 1}");
    STR_EQ(rig_call_with(&rig, "t", "{}", "under"), "allow under {}");
    STR_EQ(rig_call_with(&rig, "t", "{}", "pass"),
           "deny pass budget: its budget of 1 call is used up");
    forget(rig.ledger.run, "run");
    STR_EQ(rig_call_with(&rig, "t", "{}", "under"), "allow under {}");
    rig_close(&rig);
}

TEST(the_bucket_of_a_rate)
{
    static const char two[] =
        "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"rate\": \"2/min\"}],"
        " \"tools\": [{\"name\": \"t\"}]}";
    STEPS(two, {"t", "{}", NULL, "allow g {}"}, {"t", "{}", NULL, "allow g {}"},
          {"t", "{}", NULL, "deny g rate: it may be called 2 times a minute; try again in 30 s"},
          {"+29.5", NULL, NULL, NULL},
          {"t", "{}", NULL, "deny g rate: it may be called 2 times a minute; try again in 1 s"},
          {"+0.5", NULL, NULL, NULL}, {"t", "{}", NULL, "allow g {}"},
          {"t", "{}", NULL, "deny g rate: it may be called 2 times a minute; try again in 30 s"},
          /* Full again, and not fuller. */
          {"+60", NULL, NULL, NULL}, {"t", "{}", NULL, "allow g {}"},
          {"t", "{}", NULL, "allow g {}"},
          {"t", "{}", NULL, "deny g rate: it may be called 2 times a minute; try again in 30 s"},
          {"+6000", NULL, NULL, NULL}, {"t", "{}", NULL, "allow g {}"},
          {"t", "{}", NULL, "allow g {}"},
          {"t", "{}", NULL, "deny g rate: it may be called 2 times a minute; try again in 30 s"});
    STEPS("{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"rate\": \"1/h\"}], \"tools\": "
          "[{\"name\": \"t\"}]}",
          {"t", "{}", NULL, "allow g {}"}, {"+3599.999999", NULL, NULL, NULL},
          {"t", "{}", NULL, "deny g rate: it may be called 1 time an hour; try again in 1 s"},
          {"+0.000001", NULL, NULL, NULL}, {"t", "{}", NULL, "allow g {}"});
}

/* A clock that is set back gains nothing, and what it gained is not gained again. */
TEST(a_clock_that_goes_back)
{
    struct rig rig;
    rig_open(&rig, "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"rate\": \"1000000/s\"}],"
                   " \"tools\": [{\"name\": \"t\"}]}");
    struct grant *g = rig_grant(&rig, "g");
    g->rate.n = 1;
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}");
    rig.at.now -= 100 * SECOND;
    STR_EQ(rig_call(&rig, "t", "{}"),
           "deny g rate: it may be called 1 time a second; try again in 1 s");
    rig.at.now += 100 * SECOND;
    STR_EQ(rig_call(&rig, "t", "{}"),
           "deny g rate: it may be called 1 time a second; try again in 1 s");
    rig.at.now += SECOND;
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}");
    g->rate = (struct rate){2, SECOND, "a second"};
    rig.at.now -= SECOND;
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}"); /* room for one, though the time went back */
    rig.at.now = GRANT_UNLIMITED - 1;
    g->rate = (struct rate){1000000, 86400 * SECOND, "a day"};
    STR_EQ(rig_call(&rig, "t", "{}"), "allow g {}");
    rig_close(&rig);
}

TEST(sums_values_and_how_many)
{
    STEPS("{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"where\": {\"a\": {\"sum_le\": "
          "10}}}], \"tools\": [{\"name\": \"t\"}]}",
          {"t", "{\"a\": 6.5}", NULL, "allow g {\"a\":6.5}"},
          {"t", "{\"a\": 4}", NULL, "deny g constraint: a: the sum would be over 10"},
          {"t", "{\"a\": 3.5}", NULL, "allow g {\"a\":3.5}"},
          {"t", "{\"a\": 0}", NULL, "allow g {\"a\":0}"},
          {"t", "{\"a\": 0.000000000000000001}", NULL,
           "deny g constraint: a: the sum would be over 10"});
    STEPS("{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"where\": {\"a\": {\"one_time\": "
          "true}}}], \"tools\": [{\"name\": \"t\"}]}",
          {"t", "{\"a\": 1}", NULL, "allow g {\"a\":1}"},
          {"t", "{\"a\": 1.0}", NULL, "deny g constraint: a: the value was used before"},
          {"t", "{\"a\": \"1\"}", NULL, "allow g {\"a\":\"1\"}"});
    STEPS("{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"where\": {\"a\": {\"distinct_le\": "
          "2}}}], \"tools\": [{\"name\": \"t\"}]}",
          {"t", "{\"a\": 1}", NULL, "allow g {\"a\":1}"},
          {"t", "{\"a\": 2}", NULL, "allow g {\"a\":2}"},
          {"t", "{\"a\": 3}", NULL,
           "deny g constraint: a: there would be more than 2 different values"},
          {"t", "{\"a\": 1}", NULL, "allow g {\"a\":1}"});
}

/* ------------------------------------------------------------------ what a failure gives back */

static bool give_back(struct rig *rig, const char *grant, const char *arguments)
{
    struct json json = rig_parse(arguments);
    bool ok = decide_failed(&rig->at, rig_grant(rig, grant), json.root);
    json_release(&json);
    return ok;
}

TEST(a_failed_call_gives_back)
{
    struct rig rig;
    rig_open(
        &rig,
        "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"free_failures\": true, \"max_calls\": "
        "1,"
        " \"where\": {\"a\": {\"sum_le\": 10}, \"b\": {\"one_time\": true, \"optional\": true}}},"
        " {\"tool\": \"t\", \"name\": \"dear\", \"max_calls\": 1}, {\"tool\": \"t\", \"name\": "
        "\"plain\","
        " \"free_failures\": true, \"where\": {\"a\": 1}}], \"tools\": [{\"name\": \"t\"}]}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 8, \"b\": 1}", "g"), "allow g {\"a\":8,\"b\":1}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 1}", "g"),
           "deny g budget: its budget of 1 call is used up");
    OK(give_back(&rig, "g", "{\"a\": 8, \"b\": 1}"));
    OK(give_back(&rig, "g", "{\"a\": 8}")); /* what is not there any more is not given twice */
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 10, \"b\": 1}", "g"),
           "deny g constraint: b: the value was used before");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 10, \"b\": 2}", "g"), "allow g {\"a\":10,\"b\":2}");
    OK(give_back(&rig, "g", "{\"a\": 4, \"b\": 2}"));
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5, \"b\": 3}", "g"),
           "deny g constraint: a: the sum would be over 10");
    STR_EQ(rig_call_with(&rig, "t", "{}", "dear"), "allow dear {}");
    OK(give_back(&rig, "dear", "{}"));
    STR_EQ(rig_call_with(&rig, "t", "{}", "dear"),
           "deny dear budget: its budget of 1 call is used up");
    OK(give_back(&rig, "plain", "{}"));
    OK(!give_back(&rig, "g", "{\"a\": \"text\"}")); /* not what was taken */
    rig_close(&rig);
}

/* The same counters, of a policy that was changed. */
TEST(more_was_used_than_there_is)
{
    struct rig rig;
    rig_open(
        &rig,
        "{\"grants\": [{\"tool\": \"t\", \"name\": \"old\", \"where\": {\"a\": {\"sum_le\": 10}}},"
        " {\"tool\": \"t\", \"name\": \"new\", \"where\": {\"a\": {\"sum_le\": 3}}}],"
        " \"tools\": [{\"name\": \"t\"}]}");
    memcpy(rig_grant(&rig, "new")->key, rig_grant(&rig, "old")->key, 16);
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 5}", "old"), "allow old {\"a\":5}");
    STR_EQ(rig_call_with(&rig, "t", "{\"a\": 0}", "new"),
           "deny new constraint: a: the sum would be over 3");
    rig_close(&rig);
}

/* ------------------------------------------------------------------ labels and flow */

static const char flowing[] = "{\"grants\": [{\"tool\": \"read\", \"name\": \"read\"}, {\"tool\": "
                              "\"send\", \"name\": \"send\"},"
                              " {\"tool\": \"post\", \"name\": \"post\", \"labels\": "
                              "[\"public\"]}], \"tools\": [{\"name\": \"read\","
                              " \"labels\": [\"secret\"]}, {\"name\": \"send\", \"labels\": "
                              "[\"external\"]}, {\"name\": \"post\"}],"
                              " \"flow\": [{\"deny\": \"external\", \"after\": \"secret\"}, "
                              "{\"ask\": \"public\", \"after\": \"secret\"}]}";

/* What the rules say to something that is no call, a write to a mount. */
static bool flows(const struct circumstances *at, label_set carried)
{
    const struct authority *authority = at->authority;
    struct buf why = BUF_INIT(1000);
    label_set touched = 0;
    bool ok =
        decide_touched(at, &touched) && flow_judge(&authority->flow, &authority->labels, carried,
                                                   touched | at->touched, &why) == FLOW_ALLOW;
    buf_release(&why);
    return ok;
}

TEST(what_may_follow_what)
{
    struct rig rig;
    rig_open(&rig, flowing);
    const struct labels *labels = &rig.policy.authority.labels;
    label_set external = label_find(labels, STR("external")),
              secret = label_find(labels, STR("secret"));
    label_set public = label_find(labels, STR("public"));
    STR_EQ(rig_call(&rig, "send", "{}"), "allow send {}");
    OK(flows(&rig.at, external) && flows(&rig.at, public));
    STR_EQ(rig_call(&rig, "read", "{}"), "allow read {}");
    rig.at.touched = 0; /* the account remembers */
    STR_EQ(rig_call(&rig, "send", "{}"),
           "deny send flow: nothing that is \"external\" may be called after what is \"secret\"");
    STR_EQ(rig_call(&rig, "post", "{}"),
           "ask post: nothing that is \"public\" may be called after what is \"secret\"");
    OK(!flows(&rig.at, external) && !flows(&rig.at, public) && flows(&rig.at, secret));
    rig.at.approved = true;
    STR_EQ(rig_call(&rig, "post", "{}"), "allow post {}");
    forget(rig.ledger.account, "account"); /* not what was touched */
    OK(!flows(&rig.at, external));
    ASSERT(store_begin(rig.ledger.account, STR("account")));
    OK(budget_clear(rig.ledger.account, false));
    OK(store_commit(rig.ledger.account));
    rig.at.touched = 0;
    OK(flows(&rig.at, external));
    rig.at.touched = secret;
    OK(!flows(&rig.at, external));
    rig.at.touched = 0;
    OK(decide_touch(&rig.at, secret) && !flows(&rig.at, external));
    OK(decide_touch(&rig.at, 0));
    rig_close(&rig);
    rig_open(&rig, "{\"grants\": [], \"tools\": []}");
    OK(flows(&rig.at, 1));
    rig_close(&rig);
}

static bool put_text(struct store *store, const char *begin, size_t len)
{
    char key[STORE_NAME_MAX];
    memset(key, 'x', sizeof key);
    memcpy(key, begin, strlen(begin));
    return store_put(store, (struct str){key, len}, "1", 1);
}

/* Of more policies than one has labels for; names up to the longest. */
TEST(an_account_that_touched_a_lot)
{
    struct rig rig;
    rig_open(&rig, "{\"grants\": [], \"tools\": []}");
    struct authority *authority = &rig.policy.authority;
    for (int policy = 0; policy < 3; policy++) {
        bool nomem = false;
        for (int i = 0; i < LABELS_MAX; i++) {
            char name[LABEL_LEN_MAX + 1];
            snprintf(name, sizeof name, "l%d-%d-%0*d", policy, i, i % 2 ? 50 : 1, 0);
            OK(label_bit(&authority->labels, str_of(name), true, &nomem));
        }
        OK(decide_touch(&rig.at, UINT64_MAX));
        if (policy < 2)
            labels_release(&authority->labels);
    }
    forget(rig.ledger.account, "account");
    struct reservation reservation;
    label_set touched = 0;
    reservation_begin(&reservation, &rig.ledger);
    OK(reservation_touched(&reservation, &authority->labels, &touched));
    reservation_undo(&reservation);
    EQ(touched, UINT64_MAX);
    for (uint64_t n = 1; n <= 20; n++) { /* the store keeps what it allocates: no sweep */
        ASSERT(store_begin(rig.ledger.account, STR("account")));
        mem_fail_after(n);
        bool cleared = budget_clear(rig.ledger.account, true);
        OK(n == 1 ? !cleared : n < 20 || cleared);
        mem_fail_after(0);
        store_rollback(rig.ledger.account);
    }
    ASSERT(store_begin(rig.ledger.account, STR("account")));
    ASSERT(put_text(rig.ledger.account, "touched:", 100));
    OK(!budget_clear(rig.ledger.account, true)); /* a key that is none of ours */
    store_rollback(rig.ledger.account);
    rig_close(&rig);
}

/* ------------------------------------------------------------------ stores that fail */

static const char busy[] = "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", \"free_failures\": "
                           "true, \"max_calls\": [{\"n\": 9, \"per\":"
                           " \"run\"}, {\"n\": 9, \"per\": \"sandbox\"}, 9], \"rate\": \"9/s\", "
                           "\"labels\": [\"x\"], \"where\": {\"a\":"
                           " {\"sum_le\": 10}, \"b\": {\"one_time\": true}, \"c\": "
                           "{\"distinct_le\": 3}}}], \"flow\": {\"deny\": \"x\","
                           " \"after\": \"y\"}, \"tools\": [{\"name\": \"t\"}]}";

static const char busy_call[] = "{\"a\": 1, \"b\": 2, \"c\": 3}";

/* Everything that is left of the budgets. */
static uint64_t calls_left(struct rig *rig)
{
    uint64_t sum = 0, left = 0;
    for (size_t i = 0; i < 3; i++) {
        OK(budget_calls_left(&rig->ledger, rig_grant(rig, "g"), i, &left));
        sum += left;
    }
    return sum;
}

TEST(an_operation_that_fails_refuses)
{
    bool more = true;
    for (uint64_t n = 1; more; n++) {
        struct rig rig;
        rig_open(&rig, busy);
        rig_fault = (struct rig_fault){n, 0};
        const char *answer = rig_call(&rig, "t", busy_call);
        more = rig_fault.count >= n;
        rig_fault.fail_at = 0;
        if (more) {
            OK(strncmp(answer, "deny g state: what ", 19) == 0);
            EQ(rig.at.touched, 0);
            /* The account's is kept last, so that what may fail, fails before anything is kept. */
            OK(calls_left(&rig) == 27 || strstr(answer, "cannot be recorded"));
        } else {
            STR_EQ(answer, "allow g {\"a\":1,\"b\":2,\"c\":3}");
            EQ(calls_left(&rig), 24);
            OK(n > 20);
        }
        rig_close(&rig);
    }
}

/* One thing alone, so that it is what opens the store. */
TEST(each_kind_of_counter_fails_alone)
{
    static const char *const grants[] = {"\"rate\": \"1/s\"",
                                         "\"max_calls\": 1",
                                         "\"labels\": [\"x\"]",
                                         "\"where\": {\"a\": {\"sum_le\": 5}}",
                                         "\"where\": {\"a\": {\"one_time\": true}}",
                                         "\"where\": {\"a\": {\"distinct_le\": 2}}"};
    for (size_t i = 0; i < sizeof grants / sizeof *grants; i++) {
        char policy[500];
        bool more = true;
        snprintf(policy, sizeof policy,
                 "{\"grants\": [{\"tool\": \"t\", \"name\": \"g\", %s}], \"tools\": [{\"name\": "
                 "\"t\"}]}",
                 grants[i]);
        for (uint64_t n = 1; more; n++) {
            struct rig rig;
            rig_open(&rig, policy);
            rig_fault = (struct rig_fault){n, 0};
            const char *answer = rig_call(&rig, "t", "{\"a\": 1}");
            more = rig_fault.count >= n;
            rig_fault.fail_at = 0;
            OK(strncmp(answer, more ? "deny g state: what " : "allow g ", more ? 19 : 8) == 0);
            rig_close(&rig);
        }
    }
}

TEST(what_fails_above_is_told_beneath)
{
    struct rig rig;
    rig_open(&rig, busy);
    rig_derive(&rig, "g", "child", "{\"max_calls\": 5}");
    OK(strncmp(rig_call_with(&rig, "t", busy_call, "child"), "allow", 5) == 0);
    for (uint64_t n = 1; n < 8; n++) {
        rig_fault = (struct rig_fault){n, 0};
        OK(!give_back(&rig, "child", busy_call));
    }
    rig_fault.fail_at = 0;
    OK(give_back(&rig, "child", busy_call));
    rig_close(&rig);
}

TEST(nothing_is_given_back_that_cannot_be_written)
{
    bool more = true;
    for (uint64_t n = 1; more; n++) {
        struct rig rig;
        uint64_t left;
        rig_open(&rig, busy);
        OK(strncmp(rig_call(&rig, "t", busy_call), "allow", 5) == 0);
        rig_fault = (struct rig_fault){n, 0};
        bool ok = give_back(&rig, "g", busy_call);
        more = rig_fault.count >= n;
        EQ(ok, !more);
        rig_fault = (struct rig_fault){n, 0};
        ok = flows(&rig.at, 1);
        EQ(ok, rig_fault.count < n);
        rig_fault = (struct rig_fault){n, 0};
        ok = decide_touch(&rig.at, 1);
        EQ(ok, rig_fault.count < n);
        rig_fault = (struct rig_fault){n, 0};
        ok = budget_calls_left(&rig.ledger, rig_grant(&rig, "g"), 0, &left);
        EQ(ok, rig_fault.count < n);
        rig_fault.fail_at = 0;
        ASSERT(store_begin(rig.ledger.account, STR("account")));
        rig_fault = (struct rig_fault){n, 0};
        ok = budget_clear(rig.ledger.account, true);
        EQ(ok, rig_fault.count < n);
        rig_fault.fail_at = 0;
        store_rollback(rig.ledger.account);
        rig_close(&rig);
    }
}

static bool spoil(void *context, struct str key, const struct store_value *value)
{
    struct spoiled {
        char keys[64][STORE_NAME_MAX];
        size_t lens[64], n;
    } *spoiled = context;
    (void)value;
    memcpy(spoiled->keys[spoiled->n], key.ptr, key.len);
    spoiled->lens[spoiled->n++] = key.len;
    return true;
}

/* Counters of another size are not ours: one after the other is made such. */
TEST(a_counter_that_is_not_ours_refuses)
{
    static struct {
        char keys[64][STORE_NAME_MAX];
        size_t lens[64], n;
    } spoiled;
    size_t total = 1;
    for (size_t at = 0; at < total; at++) {
        struct rig rig;
        size_t begun = 0;
        rig_open(&rig, busy);
        OK(strncmp(rig_call(&rig, "t", busy_call), "allow", 5) == 0);
        const struct {
            struct store *store;
            struct str name;
        } all[] = {{rig.ledger.run, STR("run")},
                   {rig.ledger.sandbox, STR("box")},
                   {rig.ledger.account, STR("account")}};
        for (size_t i = 0; i < 3; i++) {
            spoiled.n = 0;
            ASSERT(store_begin(all[i].store, all[i].name));
            ASSERT(store_each(all[i].store, STR(""), spoil, &spoiled));
            if (at >= begun && at < begun + spoiled.n)
                ASSERT(store_put(all[i].store,
                                 (struct str){spoiled.keys[at - begun], spoiled.lens[at - begun]},
                                 "12345", 5));
            ASSERT(store_commit(all[i].store));
            begun += spoiled.n;
        }
        total = begun;
        OK(strncmp(rig_call(&rig, "t", busy_call), "deny g state: what ", 19) == 0 ||
           strncmp(rig_call(&rig, "t", "{\"a\": 1, \"b\": 5, \"c\": 5}"), "deny g state: what ",
                   19) == 0 ||
           at + 1 == total ||
           strncmp(rig_call(&rig, "t", busy_call), "deny g constraint", 17) == 0);
        rig_close(&rig);
    }
    OK(total >= 8);
}

TEST(arguments_that_were_not_checked_are_not_counted)
{
    struct rig rig;
    struct reservation reservation;
    struct buf why = BUF_INIT(1000);
    rig_open(&rig, busy);
    struct json json = rig_parse("{\"a\": \"text\"}");
    struct facts facts = {.arguments = json.root};
    reservation_begin(&reservation, &rig.ledger);
    EQ(reservation_take(&reservation, rig_grant(&rig, "g"), &facts, &why), BUDGET_FAILED);
    STR_EQ(why.data, "what was used so far cannot be told");
    reservation_undo(&reservation);
    buf_release(&why);
    json_release(&json);
    rig_close(&rig);
}

TEST(memory_that_is_short_for_a_decision)
{
    struct rig rig;
    rig_open(&rig, "{\"grants\": [{\"tool\": \"t\", \"name\": \"no\", \"where\": {\"a\": 7}}, "
                   "{\"tool\": \"t\","
                   " \"name\": \"g\", \"bind\": {\"k\": 1}}], \"tools\": [{\"name\": \"t\"}]}");
    rig.at.seen = NULL;
    FAULT_SWEEP({
        const char *answer = rig_call(&rig, "t", "{\"a\": 1}");
        OK(strcmp(answer, "nomem") == 0 || strcmp(answer, "allow g {\"a\":1,\"k\":1}") == 0);
    });
    rig_close(&rig);
}
