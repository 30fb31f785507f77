/* SIGINT, SIGTERM and SIGHUP: the first cancels the run, the second ends this program. */
#ifndef CAPFUL_CLI_STOP_H
#define CAPFUL_CLI_STOP_H

#include "capful/capful.h"

/* From now on signals cancel this sandbox's run; NULL: they only count. */
void stop_watch(struct capful_sandbox *sandbox);
/* The signal that came, 0 none. */
int stop_signal(void);

#endif
