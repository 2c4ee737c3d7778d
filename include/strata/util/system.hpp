// SPDX-License-Identifier: BSL-1.0
// All that strata asks of the operating system beside the standard library. system_impl.hpp defines it for each system;
// no other header includes those of a system. Functions that return -1 or false leave the reason in errno, as POSIX does.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail::os {

// ---- Files, by their descriptors ----

enum class OpenFor {
  reading,
  appending,    // made if it is not there
  overwriting,  // the same, emptied
  creating,     // for writing; fails with EEXIST if it is there
  locking,      // made if it is not there, for try_lock()
  directory,    // of a directory, for try_lock()
};

// A descriptor that child processes do not inherit, or -1.
[[nodiscard]] int open(const std::filesystem::path& path, OpenFor use);
// The bytes that were written or read, fewer than asked for if need be, or -1.
[[nodiscard]] std::int64_t write(int file, const void* from, std::size_t bytes);
[[nodiscard]] std::int64_t read(int file, void* to, std::size_t bytes);
// Waits until the disk has the file, or the names in a directory. False if the disk fails; true if the file system knows no
// such operation.
[[nodiscard]] bool flush(int file);
[[nodiscard]] bool flush_directory(const std::filesystem::path& path);
// An exclusive lock until the descriptor is closed; false if another process has it. True if the file system has no locks.
[[nodiscard]] bool try_lock(int file);
[[nodiscard]] bool close(int file);
// Does nothing where files have no permissions.
void set_permissions(int file, std::filesystem::perms permissions);
// Whether this process may make files in the directory.
[[nodiscard]] bool may_write(const std::filesystem::path& directory);
[[nodiscard]] bool is_terminal(std::FILE* file);

// ---- Processes and their processors ----

[[nodiscard]] std::int64_t process_id();
// Calls in_child() in each child of fork(), before fork() returns there.
void on_fork(void (*in_child)());
// How many processors the system lets this thread use.
[[nodiscard]] int allowed_processors();
// Which ones: a bit each. All zero if there are more; only bit 0 where the system does not tell.
using ProcessorMask = std::array<std::uint64_t, 16>;
[[nodiscard]] ProcessorMask processor_mask();
// From now on this thread sleeps as long as it asks for; Linux otherwise adds up to 50 microseconds.
void sleep_precisely();
// Asks for large pages. Kernels stride through memory, and with small pages the translation of addresses cost 4% of a
// training step and 10% of a prediction of one image (Zen 3). If the system has none, the call has no effect.
void prefer_large_pages(void* begin, std::size_t bytes);
// Asks for the registers of AMX, which Linux gives only to a process that asks (Documentation/arch/x86/xstate.rst). False
// if there are none.
[[nodiscard]] bool ask_for_tiles();

// ---- SIGTERM and SIGINT ----

// How the system calls a handler.
struct SignalCall {
  int number;
  void *info, *context;
};
// Lets handle() take the signal once; a second one ends the process. Changes nothing and returns false if the program
// ignores the signal. The handler that the program had is kept for the two functions below.
bool take_signal(int number, void (*handle)(const SignalCall& call));
[[nodiscard]] bool had_handler(int number);
void call_former_handler(const SignalCall& call);
// These may be called in a handler. The first ends this process after so long, whatever it is doing.
void end_process_in(unsigned seconds);
void write_error(const char* text, std::size_t length);

}  // namespace strata::inline STRATA_ABI::detail::os

#if !defined(STRATA_COMPILED)
#include <strata/util/system_impl.hpp>
#endif
