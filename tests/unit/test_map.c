/* Maps, lists, near names and quantities. */
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/number.h"
#include "tap.h"

TEST(map_put_get_remove)
{
    enum { N = 3000 };
    static char names[N][16];
    struct map map = {NULL, 0, 0};
    OK(map_get(&map, STR("x")) == NULL);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "key%d", i);
        OK(map_put(&map, str_of(names[i]), names[i]));
    }
    EQ(map.count, N);
    for (int i = 0; i < N; i++)
        OK(map_get(&map, str_of(names[i])) == names[i]);
    OK(map_put(&map, str_of(names[7]), names[8]));
    EQ(map.count, N);
    OK(map_get(&map, str_of(names[7])) == names[8]);
    for (int i = 0; i < N; i += 2)
        map_remove(&map, str_of(names[i]));
    map_remove(&map, STR("never there"));
    EQ(map.count, N / 2);
    int right = 0;
    for (int i = 1; i < N; i += 2)
        right += map_get(&map, str_of(names[i])) != NULL;
    EQ(right, N / 2);
    right = 0;
    for (int i = 0; i < N; i += 2)
        right += map_get(&map, str_of(names[i])) == NULL;
    EQ(right, N / 2);
    int seen = 0;
    MAP_FOREACH (slot, &map)
        seen++;
    EQ(seen, N / 2);
    map_release(&map);
    EQ(map.count, 0);
}

TEST(map_reserve_makes_put_safe)
{
    struct map map = {NULL, 0, 0};
    char names[100][16];
    OK(map_reserve(&map, 100));
    mem_fail_after(1);
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        OK(map_put(&map, str_of(names[i]), names[i]));
    }
    mem_fail_after(1);
    OK(!map_reserve(&map, 1000));
    mem_fail_after(0);
    EQ(map.count, 100);
    OK(map_get(&map, STR("99")) == names[99]);
    map_release(&map);
}

TEST(list_keeps_order_and_lets_go)
{
    struct item {
        int value;
        struct list link;
    } items[5];
    struct list list;
    list_init(&list);
    OK(list_empty(&list));
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_append(&list, &items[i].link);
    }
    list_remove(&items[2].link);
    list_remove(&items[2].link);
    int sum = 0, last = -1;
    LIST_FOREACH (at, &list) {
        struct item *item = LIST_ENTRY(at, struct item, link);
        OK(item->value > last);
        last = item->value;
        sum += item->value;
        list_remove(at);
    }
    EQ(sum, 8);
    OK(list_empty(&list));
}

static size_t distance(const char *a, const char *b, size_t bound)
{
    return near_distance(str_of(a), str_of(b), bound);
}

/* The whole table, without bands or bounds. */
static size_t slow_distance(const char *a, const char *b)
{
    size_t d[40][40], m = strlen(a), n = strlen(b);
    for (size_t i = 0; i <= m; i++)
        for (size_t j = 0; j <= n; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[m][n];
}

TEST(near_distance_counts_edits)
{
    EQ(distance("refund", "refund", 3), 0);
    EQ(distance("refund", "refnud", 3), 1);
    EQ(distance("refund", "refunds", 3), 1);
    EQ(distance("refund", "efund", 3), 1);
    EQ(distance("refund", "rexund", 3), 1);
    EQ(distance("get-order", "GET_ORDER", 3), 0);
    EQ(distance("kitten", "sitting", 3), 3);
    EQ(distance("kitten", "sitting", 2), 3);
    EQ(distance("", "abc", 3), 3);
    EQ(distance("abc", "", 2), 3);
    EQ(distance("a", "completely different", 3), 4);
}

TEST(near_distance_agrees_with_the_whole_table)
{
    uint32_t seed = 1;
    int wrong = 0;
    for (int round = 0; round < 30000; round++) {
        char a[14], b[14];
        for (char *text = a;; text = b) {
            seed = seed * 1664525u + 1013904223u;
            size_t len = (seed >> 16) % 13;
            for (size_t i = 0; i < len; i++) {
                seed = seed * 1664525u + 1013904223u;
                text[i] = (char)('a' + (seed >> 20) % 3);
            }
            text[len] = 0;
            if (text == b)
                break;
        }
        for (size_t bound = 0; bound <= 5; bound++) {
            size_t exact = slow_distance(a, b), got = distance(a, b, bound);
            if (got != (exact <= bound ? exact : bound + 1))
                wrong++;
        }
    }
    EQ(wrong, 0);
}

TEST(near_keeps_the_best)
{
    struct near near;
    near_init(&near, STR("get_ordr"));
    OK(!near_offer(&near, STR("refund")));
    OK(near_offer(&near, STR("set_order")));
    OK(near_offer(&near, STR("get_order")));
    OK(!near_offer(&near, STR("get_orders")));
    OK(str_equal(near.best, STR("get_order")));
    near_init(&near, STR("x"));
    OK(!near_offer(&near, STR("y")));
    OK(near.best.ptr == NULL);
}

static const char *number(const char *text, enum number_unit unit, uint64_t *ret)
{
    const char *wrong = number_parse(str_of(text), unit, ret);
    return wrong ? wrong : "";
}

TEST(number_reads_exactly)
{
    static const struct {
        const char *text;
        enum number_unit unit;
        uint64_t value;
    } good[] = {
        {"5s", NUMBER_NS, UINT64_C(5000000000)},
        {"5", NUMBER_NS, UINT64_C(5000000000)},
        {"0.5", NUMBER_NS, UINT64_C(500000000)},
        {"250ms", NUMBER_NS, UINT64_C(250000000)},
        {"1.5 ms", NUMBER_NS, UINT64_C(1500000)},
        {"7us", NUMBER_NS, 7000},
        {"7\xc2\xb5s", NUMBER_NS, 7000},
        {"0.000000001s", NUMBER_NS, 1},
        {"2m", NUMBER_NS, UINT64_C(120000000000)},
        {"2min", NUMBER_NS, UINT64_C(120000000000)},
        {"1h", NUMBER_NS, UINT64_C(3600000000000)},
        {"1d", NUMBER_NS, UINT64_C(86400000000000)},
        {"0.1d", NUMBER_NS, UINT64_C(8640000000000)},
        {"unlimited", NUMBER_NS, UINT64_MAX},
        {"64M", NUMBER_BYTES, UINT64_C(67108864)},
        {"64MiB", NUMBER_BYTES, UINT64_C(67108864)},
        {"64MB", NUMBER_BYTES, UINT64_C(64000000)},
        {"1.5KiB", NUMBER_BYTES, 1536},
        {"0.5k", NUMBER_BYTES, 512},
        {"123", NUMBER_BYTES, 123},
        {"10B", NUMBER_BYTES, 10},
        {"18446744073709551614", NUMBER_BYTES, UINT64_MAX - 1},
        {"1.0", NUMBER_COUNT, 1},
        {"0", NUMBER_COUNT, 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t value = 99;
        STR_EQ(number(good[i].text, good[i].unit, &value), "");
        OK(value == good[i].value);
    }
}

TEST(number_refuses)
{
    static const struct {
        const char *text;
        enum number_unit unit;
        const char *wrong;
    } bad[] = {
        {"", NUMBER_NS, "not a number"},
        {"s", NUMBER_NS, "not a number"},
        {".5", NUMBER_NS, "not a number"},
        {"5.", NUMBER_NS, "not a number"},
        {"-5s", NUMBER_NS, "must not be negative"},
        {"5 fortnights", NUMBER_NS, "the unit is not one of ns, us, ms, s, m, h, d"},
        {"5s ", NUMBER_NS, "the unit is not one of ns, us, ms, s, m, h, d"},
        {"5 ", NUMBER_NS, "the unit is not one of ns, us, ms, s, m, h, d"},
        {"0.1ns", NUMBER_NS, "not a whole number of nanoseconds"},
        {"64Mb", NUMBER_BYTES,
         "the unit is not one of B, K, M, G, T, KiB, MiB, GiB, TiB, kB, MB, GB, TB"},
        {"0.3B", NUMBER_BYTES, "not a whole number of bytes"},
        {"5s", NUMBER_COUNT, "a count has no unit"},
        {"1.5", NUMBER_COUNT, "not a whole number"},
        {"1e3", NUMBER_COUNT, "a count has no unit"},
        {"18446744073709551615", NUMBER_COUNT, "too large"},
        {"18446744073709551616", NUMBER_COUNT, "too large"},
        {"99999999999T", NUMBER_BYTES, "too large"},
        {"Unlimited", NUMBER_COUNT, "not a number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t value = 99;
        STR_EQ(number(bad[i].text, bad[i].unit, &value), bad[i].wrong);
        EQ(value, 99);
    }
}
