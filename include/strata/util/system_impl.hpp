// SPDX-License-Identifier: BSL-1.0
// The functions of system.hpp for Linux and other POSIX systems, and, at the end, for Windows (MinGW-w64).
#pragma once
#if !defined(_WIN32)
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
#else
#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <sys/locking.h>
#include <sys/stat.h>
#endif

#include <bit>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <thread>

#include <strata/core/linkage.hpp>
#include <strata/util/system.hpp>

#if !defined(_WIN32)

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

#else

// windows.h defines hundreds of macros, so the few functions of kernel32 that are needed are declared here.
extern "C" {
__declspec(dllimport) int __stdcall FlushFileBuffers(void* file);
__declspec(dllimport) int __stdcall GetProcessAffinityMask(void* process, std::uintptr_t* own, std::uintptr_t* all);
__declspec(dllimport) void* __stdcall GetCurrentProcess();
}

namespace strata::inline STRATA_ABI::detail::os {

// ---- Files ----

// A directory has no descriptor. Its lock is that of a file in it.
STRATA_DEFINE int open(const std::filesystem::path& path, OpenFor use) {
  constexpr int common = _O_BINARY | _O_NOINHERIT, may_read_and_write = _S_IREAD | _S_IWRITE;
  switch (use) {
    case OpenFor::reading:
      return ::_wopen(path.c_str(), _O_RDONLY | common);
    case OpenFor::appending:
      return ::_wopen(path.c_str(), _O_WRONLY | _O_CREAT | _O_APPEND | common, may_read_and_write);
    case OpenFor::overwriting:
      return ::_wopen(path.c_str(), _O_WRONLY | _O_CREAT | _O_TRUNC | common, may_read_and_write);
    case OpenFor::creating:
      return ::_wopen(path.c_str(), _O_WRONLY | _O_CREAT | _O_EXCL | common, may_read_and_write);
    case OpenFor::locking:
      return ::_wopen(path.c_str(), _O_RDWR | _O_CREAT | common, may_read_and_write);
    case OpenFor::directory:
      break;
  }
  return ::_wopen((path / ".lock").c_str(), _O_RDWR | _O_CREAT | common, may_read_and_write);
}

STRATA_DEFINE unsigned bytes_of_a_call(std::size_t bytes) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  return static_cast<unsigned>(bytes < most ? bytes : most);
}
STRATA_DEFINE std::int64_t write(int file, const void* from, std::size_t bytes) {
  return ::_write(file, from, bytes_of_a_call(bytes));
}
STRATA_DEFINE std::int64_t read(int file, void* to, std::size_t bytes) { return ::_read(file, to, bytes_of_a_call(bytes)); }
STRATA_DEFINE bool flush(int file) { return FlushFileBuffers(reinterpret_cast<void*>(::_get_osfhandle(file))) != 0; }
// NTFS writes names to its journal by itself.
STRATA_DEFINE bool flush_directory(const std::filesystem::path&) { return true; }
STRATA_DEFINE bool try_lock(int file) { return ::_lseek(file, 0, SEEK_SET) == 0 && ::_locking(file, _LK_NBLCK, 1) == 0; }
STRATA_DEFINE bool close(int file) { return ::_close(file) == 0; }
STRATA_DEFINE void set_permissions(int, std::filesystem::perms) {}
STRATA_DEFINE bool may_write(const std::filesystem::path& directory) { return ::_waccess(directory.c_str(), 2) == 0; }
STRATA_DEFINE bool is_terminal(std::FILE* file) { return ::_isatty(::_fileno(file)) != 0; }

// ---- Processes and their processors ----

STRATA_DEFINE std::int64_t process_id() { return ::_getpid(); }
STRATA_DEFINE void on_fork(void (*)()) {}

STRATA_DEFINE ProcessorMask processor_mask() {
  ProcessorMask mask{};
  std::uintptr_t own = 1, all = 1;
  static_cast<void>(GetProcessAffinityMask(GetCurrentProcess(), &own, &all));
  mask[0] = own;
  return mask;
}
STRATA_DEFINE int allowed_processors() { return std::popcount(processor_mask()[0]); }

STRATA_DEFINE void sleep_precisely() {}
// Large pages need a privilege that users do not have.
STRATA_DEFINE void prefer_large_pages(void*, std::size_t) {}
// AMX was never tried on Windows.
STRATA_DEFINE bool ask_for_tiles() { return false; }

// ---- SIGTERM and SIGINT ----

struct SignalTaken {
  void (*former)(int);
  void (*handle)(const SignalCall&);
};
STRATA_DEFINE SignalTaken& signal_taken(int number) {
  static SignalTaken terminate, interrupt;  // zeros; a handler must not wait for an initialization
  return number == SIGINT ? interrupt : terminate;
}
// The system sets the default handler before it calls this one.
STRATA_DEFINE bool take_signal(int number, void (*handle)(const SignalCall&)) {
  SignalTaken& taken = signal_taken(number);
  taken.handle = handle;
  taken.former = std::signal(number, [](int n) { signal_taken(n).handle({n, nullptr, nullptr}); });
  if (taken.former != SIG_IGN) return true;
  std::signal(number, SIG_IGN);
  return false;
}
STRATA_DEFINE bool had_handler(int number) {
  return signal_taken(number).former != SIG_DFL && signal_taken(number).former != SIG_IGN;
}
STRATA_DEFINE void call_former_handler(const SignalCall& call) { signal_taken(call.number).former(call.number); }
// There is no alarm, so it ends at once.
STRATA_DEFINE void end_process_in(unsigned) { ::_exit(1); }
STRATA_DEFINE void write_error(const char* text, std::size_t length) {
  static_cast<void>(::_write(2, text, bytes_of_a_call(length)));
}

}  // namespace strata::inline STRATA_ABI::detail::os

#endif
