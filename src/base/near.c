/* Edit distance within a narrow band around the diagonal, see near.h. */
#include "base/near.h"

#define LONGEST 256
#define BAND    8

static unsigned char plain(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c - 'A' + 'a');
    return c == '-' || c == '.' || c == ' ' ? '_' : (unsigned char)c;
}

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Whether the two bytes before i in a are the two before j in b, the other way round. */
static bool are_swapped(struct str a, size_t i, struct str b, size_t j)
{
    return i > 1 && j > 1 && plain(a.ptr[i - 1]) == plain(b.ptr[j - 2]) &&
           plain(a.ptr[i - 2]) == plain(b.ptr[j - 1]);
}

size_t near_distance(struct str a, struct str b, size_t bound)
{
    if (bound > BAND)
        bound = BAND;
    size_t longer = a.len > b.len ? a.len : b.len;
    size_t shorter = a.len > b.len ? b.len : a.len;
    if (longer - shorter > bound || longer > LONGEST)
        return bound + 1;

    /* rows[i % 3][j]: distance of the first i bytes of a and the first j of b; beyond the band it
     * counts as far. */
    unsigned short rows[3][LONGEST + 1];
    unsigned short far = (unsigned short)(bound + 1);
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j < far ? (unsigned short)j : far;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned short *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        size_t from = i > bound ? i - bound : 1;
        size_t to = i + bound < b.len ? i + bound : b.len;
        unsigned short least = far;
        row[from - 1] = from == 1 && i < far ? (unsigned short)i : far;
        for (size_t j = from; j <= to; j++) {
            bool same = plain(a.ptr[i - 1]) == plain(b.ptr[j - 1]);
            unsigned d = above[j - 1] + (same ? 0u : 1u);
            d = least_of(d, least_of(above[j], row[j - 1]) + 1u);
            if (are_swapped(a, i, b, j))
                d = least_of(d, above2[j - 2] + 1u);
            row[j] = d < far ? (unsigned short)d : far;
            if (row[j] < least)
                least = row[j];
        }
        if (to < b.len)
            row[to + 1] = far;
        if (least == far && row[from - 1] == far)
            return far;
    }
    return rows[a.len % 3][b.len];
}

size_t near_bound(size_t len)
{
    return len <= 2 ? 1 : len <= 5 ? 2 : 3;
}

void near_init(struct near *near, struct str wanted)
{
    *near = (struct near){wanted, near_bound(wanted.len) + 1, {NULL, 0}};
}

bool near_offer(struct near *near, struct str candidate)
{
    if (near->distance == 0)
        return false;
    size_t distance = near_distance(near->wanted, candidate, near->distance - 1);
    /* A name that shares nothing with the other is not near, however short both are. */
    if (distance >= near->distance || distance >= candidate.len || distance >= near->wanted.len)
        return false;
    near->distance = distance;
    near->best = candidate;
    return true;
}
