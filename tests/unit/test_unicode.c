/* Normalisation form C: examples of Unicode's annex 15, and what is not text. */
#include "base/unicode.h"
#include "tap.h"

static int is_nfc(const char *text)
{
    return rt_is_nfc(text, strlen(text));
}

TEST(unicode_nfc)
{
    EQ(is_nfc(""), 1);
    EQ(is_nfc("plain"), 1);
    EQ(is_nfc("caf\u00e9"), 1);
    EQ(is_nfc("cafe\u0301"), 0);    /* e and an accent: one character instead */
    EQ(is_nfc("\u212b"), 0);        /* the ångström sign is the letter */
    EQ(is_nfc("\u00c5"), 1);        /* the letter */
    EQ(is_nfc("\u2126"), 0);        /* the ohm sign */
    EQ(is_nfc("\u0958"), 0);        /* never composed */
    EQ(is_nfc("\u0915\u093c"), 1);  /* what it is decomposed to */
    EQ(is_nfc("\u1e0b\u0323"), 0);  /* marks in the wrong order */
    EQ(is_nfc("\u1e0d\u0307"), 1);  /* and in the right one */
    EQ(is_nfc("\uac00"), 1);        /* Hangul */
    EQ(is_nfc("\u1100\u1161"), 0);  /* its parts */
    EQ(is_nfc("\ufb01"), 1);        /* a ligature is for another form */
    EQ(is_nfc("q\u0323\u0307"), 1); /* nothing to compose */
    EQ(is_nfc("q\u0307\u0323"), 0); /* but an order there is */
    EQ(is_nfc("\U0001f600\u0301"), 1);
    EQ(is_nfc("\U0001d15e"), 0);         /* a note of music */
    EQ(rt_is_nfc("a\0e\xcc\x81", 5), 0); /* behind a NUL */
}

TEST(unicode_nfc_of_no_text)
{
    EQ(rt_is_nfc(NULL, 0), -1);
    EQ(is_nfc("\xff"), -1);
    EQ(is_nfc("\xc3"), -1);
    EQ(is_nfc("\xed\xa0\x80"), -1); /* half of a pair */
    EQ(is_nfc("\xc0\x80"), -1);
}

/* As many marks on one letter as fit: the time is what the length gives. */
TEST(unicode_nfc_of_long_text)
{
    static char text[1 << 20];
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, i % 4 ? "\u0323" : "\u0307", 2);
    EQ(rt_is_nfc(text, sizeof text), 0);
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "\u0323", 2);
    text[0] = 'q';
    text[1] = 'q';
    EQ(rt_is_nfc(text, sizeof text), 1);
}
