// SPDX-License-Identifier: BSL-1.0
// Shared by the command lines of the examples: checks in addition to those of CLI11, and the command line as text. An
// option that would have no effect is an error.
#pragma once
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "processes.hpp"

// Throws if the option was given but does not fit the other options.
inline void only_with(const CLI::App& app, const char* option, bool fits, const char* with) {
  if (app.count(option) > 0 && !fits) throw CLI::ValidationError(option, std::string("is only for ") + with);
}

// For paths. An unset shell variable leaves "", which would otherwise count as no path.
inline CLI::Validator not_empty() {
  return {[](std::string& text) { return text.empty() ? "is empty; expected a path" : ""; }, ""};
}

// CLI11 reads -1, and numbers that are too large, as the largest number.
inline CLI::Validator unsigned_64_bits() {
  return {[](std::string& text) {
            std::uint64_t value = 0;
            const char* end = text.data() + text.size();
            const auto [read, error] = std::from_chars(text.data(), end, value);
            return error == std::errc{} && read == end ? "" : text + " is not a whole number from 0 to 2^64 - 1";
          },
          ""};
}

inline CLI::Validator names_a_device() {
  return {[](std::string& text) {
            const bool known = text == "cpu" || text == "cuda" ||
                               (text.starts_with("cuda:") && text.size() > 5 && text.size() < 9 &&
                                text.find_first_not_of("0123456789", 5) == std::string::npos);
            return known ? "" : text + " is neither cpu nor cuda nor cuda:N";
          },
          ""};
}
// The number of the GPU; -1 for the CPU.
inline int gpu_of(const std::string& device) {
  if (device == "cpu") return -1;
  return device.size() > 5 ? std::stoi(device.substr(5)) : 0;
}

// gpus: the program trains on them too.
inline void add_process_options(CLI::App& app, ProcessArguments& a, bool gpus = false) {
  auto* processes = app.add_option(
      "--processes", a.by,
      std::string("one process, or mpi: all processes that mpirun has started, each with a share of every batch") +
          (gpus ? "; nccl: the same, each with a GPU" : ""));
  processes->check(gpus ? CLI::IsMember({"one", "mpi", "nccl"}) : CLI::IsMember({"one", "mpi"}))->capture_default_str();
  app.add_flag("--reproducible", a.reproducible, "for mpi: the same bits with 1, 2 and 4 processes");
  app.add_flag("--synchronized-batch-norm", a.synchronized_batch_norm,
               "for mpi: BatchNorm takes the statistics of the whole batch, not of each process's share");
  app.add_option("--gradients", a.gradients,
                 gpus ? "for mpi and nccl: how gradients are sent" : "for mpi: how gradients are sent")
      ->check(CLI::IsMember({"float32", "bf16"}))
      ->capture_default_str();
}
// Throws for options of processes that do not go together, or that this program was built without.
inline void check_process_options(const CLI::App& app, const ProcessArguments& a) {
  only_with(app, "--reproducible", a.by == "mpi", "--processes mpi");
  only_with(app, "--gradients", a.by != "one", "--processes mpi");
  only_with(app, "--synchronized-batch-norm", a.by == "mpi" && !a.reproducible, "--processes mpi without --reproducible");
  only_with(app, "--reproducible", a.gradients == "float32", "gradients of float32");
  if (a.by == "mpi" && !has_mpi)
    throw CLI::ValidationError("--processes",
                               "this program was built without MPI; examples/run.sh --with-mpi builds it in");
  if (a.by == "nccl" && !has_nccl)
    throw CLI::ValidationError(
        "--processes", "this program was built without NCCL; the preset cuda builds it in where CMake finds NCCL and MPI");
}

// The command line, quoted so that a shell accepts it.
inline std::string command_line(int argc, char** argv) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./=:,+%@";
  std::string line;
  for (int i = 0; i < argc; ++i) {
    std::string word = argv[i];
    if (word.empty() || word.find_first_not_of(plain) != std::string::npos) {
      for (std::size_t at = 0; (at = word.find('\'', at)) != std::string::npos; at += 4) word.replace(at, 1, "'\\''");
      word = "'" + word + "'";
    }
    line += (i > 0 ? " " : "") + word;
  }
  return line;
}
