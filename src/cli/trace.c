/* Tool calls on stderr, see trace.h. One line when a call was allowed or refused, one when its
 * answer came:
 *
 *     trace  0.012 s  weather({"city":"Paris"})  allowed  [id]
 *     trace  0.112 s  weather({"city":"Paris"})  done in 100 ms, 45 bytes  [id]
 *     trace  0.113 s  refund({"amount":5})  refused: "refund" is not granted  [id]
 *     trace  0.113 s  refund({"amount":5})  allowed, WOULD BE DENIED: amount must be at most 1 [id]
 */
#include "cli/trace.h"

#include "cli/term.h"

#define LINE_MAX_BYTES  (1u << 20)
#define ARGUMENTS_SHOWN 2000

void trace_add_time(struct buf *out, uint64_t ns)
{
    if (ns < 1000000)
        buf_printf(out, "%llu us", (unsigned long long)(ns / 1000));
    else if (ns < 1000000000)
        buf_printf(out, "%llu ms", (unsigned long long)(ns / 1000000));
    else
        buf_printf(out, "%.2f s", (double)ns / 1e9);
}

static void add_arguments(struct buf *line, const char *arguments)
{
    struct str text = str_of(arguments ? arguments : "");
    size_t shown = text.len;
    if (shown > ARGUMENTS_SHOWN) {
        shown = ARGUMENTS_SHOWN;
        while (shown > 0 && ((unsigned char)text.ptr[shown] & 0xc0) == 0x80)
            shown--;
    }
    buf_add_char(line, '(');
    term_add_visible(line, (struct str){text.ptr, shown});
    if (shown < text.len)
        buf_printf(line, "… %zu bytes in all", text.len);
    buf_add_char(line, ')');
}

static void add_verdict(struct buf *line, const struct capful_record *record)
{
    static const struct {
        enum term_colour colour;
        const char *text;
    } verdicts[] = {
        [CAPFUL_CALL_DONE] = {TERM_GREEN, "done"},
        [CAPFUL_CALL_FAILED] = {TERM_YELLOW, "failed"},
        [CAPFUL_CALL_REFUSED] = {TERM_RED, "refused"},
        [CAPFUL_CALL_UNKNOWN] = {TERM_RED, "outcome unknown"},
        [CAPFUL_CALL_STARTED] = {TERM_PLAIN, "allowed"},
    };
    bool ended = record->outcome != CAPFUL_CALL_STARTED && record->outcome != CAPFUL_CALL_REFUSED;
    term_add_colour(line, verdicts[record->outcome].colour);
    buf_add_text(line, verdicts[record->outcome].text);
    term_add_colour(line, TERM_PLAIN);
    if (ended) {
        buf_add_text(line, record->outcome == CAPFUL_CALL_UNKNOWN ? " after " : " in ");
        trace_add_time(line, record->end > record->start ? record->end - record->start : 0);
    }
    if (record->outcome == CAPFUL_CALL_DONE)
        buf_printf(line, ", %zu bytes", record->result_len);
    if (record->message) {
        buf_add_text(line, ": ");
        term_add_visible(line, str_of(record->message));
    }
    if (record->would_deny && record->outcome == CAPFUL_CALL_STARTED) {
        term_add_colour(line, TERM_RED);
        buf_add_text(line, ", WOULD BE DENIED: ");
        term_add_colour(line, TERM_PLAIN);
        term_add_visible(line, str_of(record->would_deny));
    }
}

void trace_call(const struct capful_record *record)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    uint64_t at = record->outcome == CAPFUL_CALL_STARTED ? record->start : record->end;
    term_add_colour(&line, TERM_DIM);
    buf_printf(&line, "trace  %.3f s", (double)at / 1e9);
    term_add_colour(&line, TERM_PLAIN);
    buf_add_text(&line, "  ");
    term_add_visible(&line, str_of(record->tool ? record->tool : ""));
    add_arguments(&line, record->arguments);
    buf_add_text(&line, "  ");
    add_verdict(&line, record);
    buf_add_text(&line, "  [");
    term_add_visible(&line, str_of(record->id ? record->id : ""));
    buf_add_text(&line, "]\n");
    (void)term_write(2, line.data, line.len);
    buf_release(&line);
}
