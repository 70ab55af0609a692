/* The time of day of a process, off by as many nanoseconds as the file $CHAOS_CLOCK says at that moment.
   Preloaded. Only CLOCK_REALTIME jumps, as when somebody sets a clock; the monotonic clocks never do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *off_ns;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CHAOS_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(0, sizeof *off_ns, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) off_ns = mapped;
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (!failed && off_ns && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t moved = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + *off_ns;
    now->tv_sec = moved / INT64_C(1000000000);
    now->tv_nsec = moved % INT64_C(1000000000);
  }
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *kept) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (kept) *kept = precise.tv_sec;
  return precise.tv_sec;
}
