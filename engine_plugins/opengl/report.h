/* What the library tells whoever has started the game: a line in the file that REALMASTER_REPORT names. */
#ifndef REALMASTER_REPORT_H
#define REALMASTER_REPORT_H

/* Adds the line "EVENT PID DETAIL". Does nothing without that file. Events, and their details:
 *   loaded   the program's path: the library is in this process
 *   refused  why this process is left alone
 *   swap     nothing: the process has shown a picture with OpenGL
 *   ring     INODE PATH of the ring that it publishes now
 *   failed   why no picture comes
 */
void report(const char *event, const char *detail);
/* Reports the ring of this name, which this process has just made. */
void report_ring(const char *name);

#endif
