// SPDX-License-Identifier: BSL-1.0
// The functions of system.hpp for Linux and other POSIX systems.
#pragma once
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include <strata/core/linkage.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI::detail::os {

// ---- Files ----

STRATA_DEFINE int open(const std::filesystem::path& path, OpenFor use) {
  const auto flags = [use] {
    switch (use) {
      case OpenFor::reading:
        return O_RDONLY;
      case OpenFor::appending:
        return O_WRONLY | O_CREAT | O_APPEND;
      case OpenFor::overwriting:
        return O_WRONLY | O_CREAT | O_TRUNC;
      case OpenFor::creating:
        return O_WRONLY | O_CREAT | O_EXCL;
      case OpenFor::locking:
        return O_RDWR | O_CREAT;
      case OpenFor::directory:
        break;
    }
    return O_RDONLY | O_DIRECTORY;
  };
  return ::open(path.c_str(), flags() | O_CLOEXEC, 0666);
}

STRATA_DEFINE std::int64_t write(int file, const void* from, std::size_t bytes) {
  for (;;)
    if (const ::ssize_t n = ::write(file, from, bytes); n >= 0 || errno != EINTR) return n;
}
STRATA_DEFINE std::int64_t read(int file, void* to, std::size_t bytes) {
  for (;;)
    if (const ::ssize_t n = ::read(file, to, bytes); n >= 0 || errno != EINTR) return n;
}
// Some file systems cannot flush a directory (EINVAL).
STRATA_DEFINE bool flush(int file) { return ::fsync(file) == 0 || errno == EINVAL; }
STRATA_DEFINE bool flush_directory(const std::filesystem::path& path) {
  const int directory = open(path, OpenFor::directory);
  if (directory < 0) return false;
  const bool flushed = flush(directory);
  const int error = errno;
  static_cast<void>(::close(directory));
  errno = error;
  return flushed;
}
STRATA_DEFINE bool try_lock(int file) {
  while (::flock(file, LOCK_EX | LOCK_NB) != 0)
    if (errno != EINTR) return errno != EWOULDBLOCK;
  return true;
}
STRATA_DEFINE bool close(int file) { return ::close(file) == 0; }
STRATA_DEFINE void set_permissions(int file, std::filesystem::perms permissions) {
  static_cast<void>(::fchmod(file, static_cast<::mode_t>(permissions & std::filesystem::perms::mask)));
}
STRATA_DEFINE bool may_write(const std::filesystem::path& directory) { return ::access(directory.c_str(), W_OK) == 0; }
STRATA_DEFINE bool is_terminal(std::FILE* file) { return ::isatty(::fileno(file)) != 0; }

// ---- Processes and their processors ----

STRATA_DEFINE std::int64_t process_id() { return ::getpid(); }
STRATA_DEFINE void on_fork(void (*in_child)()) { static_cast<void>(::pthread_atfork(nullptr, nullptr, in_child)); }

STRATA_DEFINE int allowed_processors() {
#if defined(__linux__)
  // The mask of the kernel may be larger than a cpu_set_t; the call fails with EINVAL until there is room for it.
  for (int room = CPU_SETSIZE; room <= CPU_SETSIZE * 64; room *= 2) {
    const auto release = [](cpu_set_t* set) { CPU_FREE(set); };
    const std::unique_ptr<cpu_set_t, decltype(release)> set(CPU_ALLOC(static_cast<std::size_t>(room)), release);
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(room));
    if (set && ::sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    if (!set || errno != EINVAL) break;
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

STRATA_DEFINE ProcessorMask processor_mask() {
  ProcessorMask mask{};
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  static_cast<void>(::sched_getaffinity(0, sizeof set, &set));
  for (std::size_t i = 0; i < mask.size() * 64 && i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &set)) mask[i / 64] |= std::uint64_t{1} << i % 64;
#else
  mask[0] = 1;
#endif
  return mask;
}

STRATA_DEFINE void sleep_precisely() {
#if defined(__linux__)
  static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1000UL));  // nanoseconds
#endif
}

STRATA_DEFINE void prefer_large_pages([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) {
#if defined(MADV_HUGEPAGE)
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto from = reinterpret_cast<std::uintptr_t>(begin), first = (from + page - 1) / page * page;
  const std::uintptr_t last = (from + bytes) / page * page;
  if (first < last) static_cast<void>(::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE));
#endif
}

STRATA_DEFINE bool ask_for_tiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long request_permission = 0x1023, tile_data = 18;
  return ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

// ---- SIGTERM and SIGINT ----

struct SignalTaken {
  struct sigaction former;
  void (*handle)(const SignalCall&);
};
STRATA_DEFINE SignalTaken& signal_taken(int number) {
  static SignalTaken terminate, interrupt;  // zeros; a handler must not wait for an initialization
  return number == SIGINT ? interrupt : terminate;
}
STRATA_DEFINE bool takes_details(const struct sigaction& action) { return (action.sa_flags & SA_SIGINFO) != 0; }

STRATA_DEFINE bool take_signal(int number, void (*handle)(const SignalCall&)) {
  SignalTaken& taken = signal_taken(number);
  ::sigaction(number, nullptr, &taken.former);
  if (!takes_details(taken.former) && taken.former.sa_handler == SIG_IGN) return false;
  taken.handle = handle;
  struct sigaction action{};
  action.sa_sigaction = [](int n, ::siginfo_t* info, void* context) { signal_taken(n).handle({n, info, context}); };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART | SA_SIGINFO);
  ::sigaction(number, &action, nullptr);
  return true;
}
STRATA_DEFINE bool had_handler(int number) {
  const struct sigaction& former = signal_taken(number).former;
  return takes_details(former) || (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN);
}
STRATA_DEFINE void call_former_handler(const SignalCall& call) {
  const struct sigaction& former = signal_taken(call.number).former;
  if (takes_details(former))
    former.sa_sigaction(call.number, static_cast<::siginfo_t*>(call.info), call.context);
  else
    former.sa_handler(call.number);
}
STRATA_DEFINE void end_process_in(unsigned seconds) { ::alarm(seconds); }
STRATA_DEFINE void write_error(const char* text, std::size_t length) {
  while (length > 0) {
    const ::ssize_t n = ::write(STDERR_FILENO, text, length);
    if (n <= 0) return;
    text += n, length -= static_cast<std::size_t>(n);
  }
}

}  // namespace strata::inline STRATA_ABI::detail::os
