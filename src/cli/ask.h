/* Approvals at the terminal. */
#ifndef CAPFUL_CLI_ASK_H
#define CAPFUL_CLI_ASK_H

#include "capful/capful.h"

/* Fits capful_job.on_questions; the context is not used. Shows all of them, then asks one by one on
 * the controlling terminal, never on the program's own streams. Without one, all are refused. */
void ask_questions(void *context, struct capful_question *const *questions, size_t n);

#endif
