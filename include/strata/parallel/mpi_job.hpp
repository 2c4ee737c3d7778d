// SPDX-License-Identifier: BSL-1.0
// Jobs of the MPI thread: sums, gathers, broadcasts. All calls of MPI within a job return at once; poll() is called until
// the job is done.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/parallel/mpi_call.hpp>
#include <strata/training/pieces.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// Calls on one communicator are matched by their order, so that each kind of call that may come in another order in another
// process has its own.
struct MpiCommunicators {
  MPI_Comm scatter = MPI_COMM_NULL, collect = MPI_COMM_NULL, other = MPI_COMM_NULL, control = MPI_COMM_NULL;
  int rank = 0, size = 1;
};

// Memory that sums use again and again: fresh memory costs as much as the sums.
class MpiBuffers {
 public:
  std::vector<std::byte> take(std::size_t bytes) {
    std::vector<std::byte> buffer;
    if (!free_.empty()) buffer = std::move(free_.back()), free_.pop_back();
    if (buffer.size() < bytes) buffer.resize(bytes);
    return buffer;
  }
  void give(std::vector<std::byte> buffer) {
    if (!buffer.empty()) free_.push_back(std::move(buffer));
  }

 private:
  std::vector<std::vector<std::byte>> free_;
};

class MpiJob : public Interface {
 public:
  // Jobs start in the order in which they are given.
  virtual void start(const MpiCommunicators& mpi) = 0;
  // Whether it is done. turn: no sum before it waits for its turn.
  virtual bool poll(const MpiCommunicators& mpi, bool turn) = 0;
  [[nodiscard]] virtual bool is_sum() const { return false; }
  [[nodiscard]] virtual bool waits_for_turn() const { return false; }

 protected:
  static bool done(MPI_Request& request) {
    int finished = 0;
    mpi_call(MPI_Test(&request, &finished, MPI_STATUS_IGNORE), "waiting");
    return finished != 0;
  }
};

// to[i] = f(i), by blocks that are computed before they are stored: so compilers make vector code of it at -O2. `to` may be
// what f reads at i.
template <class To, class F>
void compute_all(std::size_t count, To* to, const F& f) {
  constexpr std::size_t block = 32;
  To some[block];
  std::size_t i = 0;
  for (; i + block <= count; i += block) {
    for (std::size_t j = 0; j < block; ++j) some[j] = f(i + j);
    std::copy_n(some, block, to + i);
  }
  for (; i < count; ++i) to[i] = f(i);
}
inline void narrow_all(std::size_t count, const float* from, Bf16* to) {
  compute_all(count, to, [=](std::size_t i) { return Bf16(from[i]); });
}
inline void widen_all(std::size_t count, const Bf16* from, float* to) {
  compute_all(count, to, [=](std::size_t i) { return static_cast<float>(from[i]); });
}

template <class T>
inline MPI_Datatype mpi_type() {
  return std::is_same_v<T, float> ? MPI_FLOAT : std::is_same_v<T, double> ? MPI_DOUBLE : MPI_UINT16_T;
}

// The pieces of all processes, as MPI counts them.
struct MpiPieces {
  std::vector<int> offsets, counts;
  MpiPieces(std::size_t count, int size) {
    for (int p = 0; p < size; ++p) {
      const Piece piece = piece_of(static_cast<std::int64_t>(count), p, size);
      offsets.push_back(static_cast<int>(piece.first)), counts.push_back(static_cast<int>(piece.count));
    }
  }
};

// Replaces numbers by their sums. Each process gets one piece of them from all others, adds it in the order of a binary
// tree over the ranks, and sends the sums to all: twice the bytes of the numbers are sent, whatever the number of
// processes, and the order of the additions is ours and not that of an MPI library. Sent: what is sent, T or bfloat16.
// pieces: the sums are not sent, so that each process has those of its own piece.
template <class T, class Sent>
class MpiAllReduce final : public MpiJob {
 public:
  MpiAllReduce(std::span<T> values, MpiBuffers& buffers, bool pieces)
      : values_(values), buffers_(buffers), pieces_(pieces) {}
  ~MpiAllReduce() override {
    for (auto* buffer : {&sent_, &received_, &wide_}) buffers_.give(std::move(*buffer));
  }
  [[nodiscard]] bool is_sum() const override { return true; }
  [[nodiscard]] bool waits_for_turn() const override { return stage_ < 2 && !pieces_; }

  void start(const MpiCommunicators& mpi) override {
    const auto size = static_cast<std::size_t>(mpi.size);
    own_ = static_cast<std::size_t>(mpi.rank);
    MpiPieces all(values_.size(), mpi.size);
    offsets_ = std::move(all.offsets), counts_ = std::move(all.counts);
    // A process does not send its own piece to itself.
    to_counts_ = counts_;
    to_counts_[own_] = 0;
    for (std::size_t p = 0; p < size; ++p) {
      from_offsets_.push_back(static_cast<int>(p) * counts_[own_]);
      from_counts_.push_back(p == own_ ? 0 : counts_[own_]);
    }
    received_ = buffers_.take(static_cast<std::size_t>(counts_[own_]) * size * sizeof(Sent));
    if constexpr (narrow) {
      sent_ = buffers_.take(values_.size() * sizeof(Sent));
      narrow_all(values_.size(), values_.data(), wire());
    }
    mpi_call(MPI_Ialltoallv(wire(), to_counts_.data(), offsets_.data(), mpi_type<Sent>(), as<Sent>(received_),
                            from_counts_.data(), from_offsets_.data(), mpi_type<Sent>(), mpi.scatter, &request_),
             "sending gradients");
  }
  bool poll(const MpiCommunicators& mpi, bool turn) override {
    if (stage_ == 0 && done(request_)) {
      add();
      if (pieces_) {
        if constexpr (narrow)
          widen_all(static_cast<std::size_t>(counts_[own_]), own_piece(), values_.data() + offsets_[own_]);
        return true;
      }
      stage_ = 1;
    }
    if (stage_ == 1 && turn) {
      mpi_call(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, wire(), counts_.data(), offsets_.data(),
                               mpi_type<Sent>(), mpi.collect, &request_),
               "sending sums");
      stage_ = 2;
    }
    if (stage_ != 2 || !done(request_)) return false;
    if constexpr (narrow) widen_all(values_.size(), wire(), values_.data());
    return true;
  }

 private:
  static constexpr bool narrow = !std::is_same_v<T, Sent>;
  template <class N>
  static N* as(std::vector<std::byte>& buffer) {
    return reinterpret_cast<N*>(buffer.data());
  }
  Sent* wire() {
    if constexpr (narrow)
      return as<Sent>(sent_);
    else
      return values_.data();
  }
  Sent* own_piece() { return wire() + offsets_[own_]; }
  // The received pieces and this process's own, into the latter.
  void add() {
    const auto count = static_cast<std::size_t>(counts_[own_]);
    T* const to = values_.data() + offsets_[own_];
    if constexpr (narrow) {
      wide_ = buffers_.take(count * counts_.size() * sizeof(T));
      widen_all(count * counts_.size(), as<Sent>(received_), as<T>(wide_));
      widen_all(count, own_piece(), to);  // rounded, as the others are
    }
    T* const received = narrow ? as<T>(wide_) : as<T>(received_);
    std::vector<T*> rows;
    for (std::size_t p = 0; p < counts_.size(); ++p) rows.push_back(p == own_ ? to : received + p * count);
    for (std::size_t stride = 1; stride < rows.size(); stride *= 2)
      for (std::size_t i = 0; i + stride < rows.size(); i += 2 * stride) {
        const T *const left = rows[i], *const right = rows[i + stride];
        T* const sum = 2 * stride >= rows.size() ? to : rows[i];
        compute_all(count, sum, [=](std::size_t j) { return left[j] + right[j]; });
      }
    if constexpr (narrow) narrow_all(count, to, own_piece());
  }

  std::span<T> values_;
  MpiBuffers& buffers_;
  bool pieces_;
  std::vector<std::byte> sent_, received_, wide_;
  std::vector<int> offsets_, counts_, to_counts_, from_offsets_, from_counts_;
  std::size_t own_ = 0;
  MPI_Request request_ = MPI_REQUEST_NULL;
  int stage_ = 0;  // pieces are sent, sums wait for their turn, sums are sent
};

// Everybody gets the pieces of all processes.
template <class T>
class MpiGatherPieces final : public MpiJob {
 public:
  explicit MpiGatherPieces(std::span<T> values) : values_(values) {}
  // Sums send on the same communicator.
  [[nodiscard]] bool waits_for_turn() const override { return !pieces_; }
  void start(const MpiCommunicators&) override {}
  bool poll(const MpiCommunicators& mpi, bool turn) override {
    if (!pieces_ && turn) {
      pieces_.emplace(values_.size(), mpi.size);
      mpi_call(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values_.data(), pieces_->counts.data(),
                               pieces_->offsets.data(), mpi_type<T>(), mpi.collect, &request_),
               "sending parameters");
    }
    return pieces_ && done(request_);
  }

 private:
  std::span<T> values_;
  std::optional<MpiPieces> pieces_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

class MpiAllGather final : public MpiJob {
 public:
  MpiAllGather(std::string_view own, std::vector<std::string>& all)
      : own_(own), length_(static_cast<int>(own.size())), all_(all) {}
  void start(const MpiCommunicators& mpi) override {
    lengths_.resize(static_cast<std::size_t>(mpi.size));
    mpi_call(MPI_Iallgather(&length_, 1, MPI_INT, lengths_.data(), 1, MPI_INT, mpi.other, &request_), "gathering");
  }
  bool poll(const MpiCommunicators& mpi, bool) override {
    if (!done(request_)) return false;
    if (offsets_.empty()) {
      std::size_t bytes = 0;
      for (const int n : lengths_) offsets_.push_back(static_cast<int>(bytes)), bytes += static_cast<std::size_t>(n);
      bytes_.resize(bytes);
      mpi_call(MPI_Iallgatherv(own_.data(), length_, MPI_BYTE, bytes_.data(), lengths_.data(), offsets_.data(), MPI_BYTE,
                               mpi.other, &request_),
               "gathering");
      return false;
    }
    all_.clear();
    for (std::size_t i = 0; i < lengths_.size(); ++i)
      all_.push_back(bytes_.substr(static_cast<std::size_t>(offsets_[i]), static_cast<std::size_t>(lengths_[i])));
    return true;
  }

 private:
  std::string_view own_;
  int length_;
  std::vector<std::string>& all_;
  std::vector<int> lengths_, offsets_;
  std::string bytes_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

class MpiBroadcast final : public MpiJob {
 public:
  explicit MpiBroadcast(std::span<std::byte> bytes) : bytes_(bytes) {}
  void start(const MpiCommunicators& mpi) override { next(mpi); }
  bool poll(const MpiCommunicators& mpi, bool) override {
    if (!done(request_)) return false;
    if (bytes_.empty()) return true;
    next(mpi);
    return false;
  }

 private:
  // MPI counts in int.
  void next(const MpiCommunicators& mpi) {
    const std::size_t n = std::min(bytes_.size(), std::size_t{1} << 26);
    mpi_call(MPI_Ibcast(bytes_.data(), static_cast<int>(n), MPI_BYTE, 0, mpi.other, &request_), "broadcasting");
    bytes_ = bytes_.subspan(n);
  }
  std::span<std::byte> bytes_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

}  // namespace strata::inline STRATA_ABI::detail
