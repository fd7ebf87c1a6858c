/* Online games, and games with an anti-cheat, are left alone however they were started. */
#ifndef REALMASTER_REFUSE_H
#define REALMASTER_REFUSE_H

/* Looks again for an anti-cheat among what this process has loaded since it began. Returns whether the process is to be
 * left alone; reports it the first time. */
int refuse_now(void);

#endif
