/* UTF-8 and the words for errnos: small tables and all that they can be asked. */
#include <errno.h>
#include <string.h>

#include "base/errno_text.h"
#include "base/utf8.h"
#include "tap.h"
#include "vfs/hostdir.h"

TEST(text_every_code_point_comes_back)
{
    unsigned wrong = 0;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char bytes[4];
        uint32_t back = 0;
        size_t n = utf8_put(code, bytes), wanted = code < 0x80      ? 1
                                                   : code < 0x800   ? 2
                                                   : code < 0x10000 ? 3
                                                                    : 4;
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        wrong += n != wanted || utf8_next(bytes, n, &back) != n ||
                 back != (surrogate ? 0xfffd : code) || utf8_next(bytes, n - 1, NULL) != 0;
    }
    EQ(wrong, 0u);
}

TEST(text_what_is_no_code_point_is_replaced)
{
    char bytes[4];
    EQ(utf8_put(0x110000, bytes), (size_t)3);
    OK(memcmp(bytes, "\xef\xbf\xbd", 3) == 0);
    EQ(utf8_put(UINT32_MAX, bytes), (size_t)3);
    OK(memcmp(bytes, "\xef\xbf\xbd", 3) == 0);
}

/* Each sequence that is accepted is the one that its code point is written as: none is longer than
 * it need be, none is a surrogate. */
TEST(text_no_other_sequence_is_accepted)
{
    unsigned accepted = 0, wrong = 0;
    for (uint32_t i = 0; i < 1u << 24; i++) {
        char text[4] = {(char)(i >> 16), (char)(i >> 8), (char)i, (char)0x80}, bytes[4];
        uint32_t code = 0;
        size_t n = utf8_next(text, 4, &code);
        if (n == 0)
            continue;
        accepted++;
        wrong += utf8_put(code, bytes) != n || memcmp(text, bytes, n) != 0;
    }
    EQ(wrong, 0u);
    OK(accepted > 0);
    OK(utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    OK(!utf8_valid("a\xc3\xa9\xe2\x82", 5));
}

TEST(text_each_errno_has_its_words)
{
    static const struct {
        int number;
        const char *name, *text;
    } all[] = {
#define ERRNO(name, number, text) {number, "E" #name, text},
#include "abi/errno.def"
#undef ERRNO
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        STR_EQ(errno_name(all[i].number), all[i].name);
        STR_EQ(errno_text(all[i].number), all[i].text);
    }
    STR_EQ(errno_name(-1), "EUNKNOWN");
    STR_EQ(errno_text(9999), "unknown error");
}

/* What the host says keeps its name, but for what a guest has no name for. */
TEST(text_errors_of_the_host)
{
    unsigned same = 0;
    for (int number = 0; number < 200; number++) {
        int e = errno_from_host(number);
        const char *name = number ? strerrorname_np(number) : NULL;
        OK(e != 0);
        if (name && strcmp(name, errno_name(e)) == 0)
            same++;
        else if (number == EMFILE)
            EQ(e, ERRNO_NFILE);
        else if (number == EOPNOTSUPP)
            EQ(e, ERRNO_NOTSUP);
        else
            EQ(e, ERRNO_IO);
    }
    EQ(same, 35u); /* as many as the table has */
}
