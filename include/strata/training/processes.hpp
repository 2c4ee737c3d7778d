// SPDX-License-Identifier: BSL-1.0
// Several processes that train one model together. Training knows no engine: parallel/mpi.hpp has one for MPI.
#pragma once
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/batch_share.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

// Thrown in each process when one of them cannot go on; what() is the line "strata: rank R: cause", which this process has
// printed on stderr. A process that a signal told to end has printed that instead, and its own failure as well. In the
// process that failed, the exception that was the cause is nested in it.
class ProcessError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class DeviceSums;  // training/device_sums.hpp

// Numbers are sent as they are, or rounded if the options of the processes say so.
enum class Wire { exact, as_chosen };

// The processes of a run, this one among them. Every process makes the same calls in the same order. All functions but the
// getters throw ProcessError once a process has failed.
class Processes : public Interface {
 public:
  [[nodiscard]] virtual int rank() const = 0;  // of this process, from 0
  [[nodiscard]] virtual int size() const = 0;
  // A batch is divided into this many parts. Each process computes parts() / size() neighbouring ones.
  [[nodiscard]] virtual int parts() const { return size(); }
  // Whether the bits are those of any other number of processes with as many parts. Both are powers of two then, and sums
  // are those of a tree over the parts: ((0 + 1) + (2 + 3)) + ...
  [[nodiscard]] virtual bool reproducible() const { return false; }
  // Whether BatchNorm takes the statistics of the whole batch. It needs as many parts as processes.
  [[nodiscard]] virtual bool synchronizes_batch_norm() const { return false; }
  // Begins to replace numbers by their sums over all processes, the same bits everywhere; several may be under way. They
  // are there, and may be touched again, after wait(). `wire` says whether fewer bits may be sent.
  virtual void all_reduce(std::span<float> values, Wire wire) = 0;
  virtual void all_reduce(std::span<double> values, Wire wire) = 0;
  virtual void wait() = 0;
  // Whether each process computes the update of its own pieces of the parameters alone (detail::piece_of). by_train: the
  // question is train()'s, which gathers the optimizer's memory before it is read.
  [[nodiscard]] virtual bool splits_update(bool /*by_train*/) const { return false; }
  // Like all_reduce(), but only the piece of this process gets its sums. The rest is undefined then.
  virtual void reduce_pieces(std::span<float>, Wire) { refuse_pieces(); }
  virtual void reduce_pieces(std::span<double>, Wire) { refuse_pieces(); }
  // Begins to give everybody the pieces of all processes, exactly; until wait(), as all_reduce().
  virtual void gather_pieces(std::span<float>) { refuse_pieces(); }
  virtual void gather_pieces(std::span<double>) { refuse_pieces(); }
  // Sums in the queue of a GPU, one for each process; null if these processes have none. They live as long as this object.
  [[nodiscard]] virtual DeviceSums* device_sums() { return nullptr; }
  // The bytes of each process, in the order of ranks.
  [[nodiscard]] virtual std::vector<std::string> all_gather(std::string_view own) = 0;
  // Everybody gets the bytes of rank 0.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  // Prints this process's line and tells the others, which then throw. Returns what this process throws.
  [[nodiscard]] virtual ProcessError failed(const std::string& cause) = 0;
  // Options that must be equal in all processes.
  [[nodiscard]] virtual std::string describe() const = 0;

  [[nodiscard]] BatchShare share() const {
    const int each = parts() / size();
    return {.parts = parts(), .first = rank() * each, .last = (rank() + 1) * each};
  }

 private:
  [[noreturn]] static void refuse_pieces() {
    throw std::logic_error("strata: these processes do not split updates, so splits_update() must be false");
  }
};

// Mpi{} of parallel/mpi.hpp, or an engine of your own.
using MakeProcesses = std::function<std::shared_ptr<Processes>()>;

namespace detail {

// Runs f; what it throws ends all processes.
template <class F>
decltype(auto) together(Processes* processes, F&& f) {
  if (!processes || processes->size() == 1) return f();
  try {
    return f();
  } catch (const ProcessError&) {
    throw;
  } catch (const std::exception& e) {
    std::throw_with_nested(processes->failed(e.what()));
  } catch (...) {
    std::throw_with_nested(processes->failed("an exception of an unknown type"));
  }
}

// The calls that gather bytes. If the processes make different ones, each throws std::runtime_error.
enum class Call : char { check = 'c', question = 'q', step = 's', evaluation = 'e' };
[[nodiscard]] std::vector<std::string> all_gather(Processes& processes, Call call, std::string_view own);
// True if it is in any process.
[[nodiscard]] bool any(Processes& processes, bool own);
// Asks `stop` in all processes, which end together; the question itself if there is none, or one process alone.
[[nodiscard]] std::function<bool()> shared_stop(Processes* processes, const std::function<bool()>& stop);
// Everybody gets the text of rank 0.
[[nodiscard]] std::string broadcast_text(Processes& processes, const std::string& text);
// Throws std::runtime_error, the same in all processes, unless they have the same lines.
void check_same(Processes& processes, const std::vector<std::string>& lines);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/processes_impl.hpp>
#endif
