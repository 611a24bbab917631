/* Other processes, as tests look at them, and a loop that turns while they wait. */
#ifndef TCCP_TESTS_SUPPORT_PROCESSES_H
#define TCCP_TESTS_SUPPORT_PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

/* Runs the loop until *flag; false when the time is over before. */
bool loop_turn(uv_loop_t *loop, const bool *flag, unsigned patience_ms);
/* The same, or fails the test. */
void loop_wait(uv_loop_t *loop, const bool *flag, unsigned patience_ms);
/* Runs the loop for a time. */
void loop_run_for(uv_loop_t *loop, unsigned time_ms);
/* 'R', 'S', 'T' (stopped), 'Z' ... of a process; 0: there is none. */
char process_state(pid_t pid);
void process_wait_state(uv_loop_t *loop, pid_t pid, const char *states, unsigned patience_ms);
/* Whether `needle` is found in a file of /proc/PID (cmdline, environ). */
bool process_file_has(pid_t pid, const char *file, const char *needle);
/* Copies of `needle` in the process's own memory (guest memory included). */
unsigned process_memory_count(pid_t pid, const char *needle);
/* The QEMUs below a launcher. */
pid_t process_child_named(pid_t parent, const char *name);

#endif
