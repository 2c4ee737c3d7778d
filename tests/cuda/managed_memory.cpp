// SPDX-License-Identifier: BSL-1.0
// In a program that is linked with this, operator new returns managed memory while managed_memory.hpp's flag is set, so
// that kernels can access the heap, including the contents of std::vector. Over-aligned allocations are not managed.
//
// Managed memory is slow to allocate, and tests often need a little of it. It is therefore allocated in large pieces and
// cut into blocks whose sizes are powers of 2, which are reused. With STRATA_TEST_MEMORY=separate in the environment every
// block is a piece of its own with the requested size, so that compute-sanitizer sees where it ends.
#include "managed_memory.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <utility>

namespace {

// For operator new's own records.
template <class T>
struct Malloc {
  using value_type = T;
  Malloc() = default;
  template <class U>
  Malloc(const Malloc<U>&) {}  // NOLINT: allocators convert
  T* allocate(std::size_t n) {
    if (void* p = std::malloc(n * sizeof(T))) return static_cast<T*>(p);
    throw std::bad_alloc();
  }
  void deallocate(T* p, std::size_t) { std::free(p); }
  friend bool operator==(const Malloc&, const Malloc&) { return true; }
};

struct Piece {
  std::byte* end;
  int size_class;  // cut into blocks of 2^size_class bytes; -1: it is one block
};
// By their first address, which tells managed memory from other memory: both may be freed here.
using Pieces = std::map<std::byte*, Piece, std::less<>, Malloc<std::pair<std::byte* const, Piece>>>;
Pieces& pieces() {
  alignas(Pieces) static std::byte room[sizeof(Pieces)];
  static Pieces& all = *new (room) Pieces;  // never destroyed: memory is freed until the very end
  return all;
}

struct FreeBlock {
  FreeBlock* next;
};
struct SizeClass {
  FreeBlock* free;
  std::byte *uncut, *end;  // the rest of its last piece
};
SizeClass size_classes[64] = {};
std::mutex mutex;  // never held while CUDA is called

std::byte* take_piece(std::size_t bytes, int size_class) {
  const CallsCuda calls;
  void* p = nullptr;
  if (cudaMallocManaged(&p, bytes) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw std::bad_alloc();
  }
  auto* const piece = static_cast<std::byte*>(p);
  const std::lock_guard lock(mutex);
  pieces().emplace(piece, Piece{piece + bytes, size_class});
  return piece;
}

std::byte* take_block(std::size_t bytes) {
  constexpr std::size_t least = 64, large = std::size_t{8} << 20;
  const std::size_t size = std::bit_ceil(std::max(bytes, least));
  const int size_class = std::countr_zero(size);
  SizeClass& blocks = size_classes[size_class];
  {
    const std::lock_guard lock(mutex);
    if (FreeBlock* const taken = blocks.free) {
      blocks.free = taken->next;
      return reinterpret_cast<std::byte*>(taken);
    }
  }
  if (blocks.uncut == blocks.end) {
    const std::size_t length = std::max(size, large);
    blocks.uncut = take_piece(length, size_class);
    blocks.end = blocks.uncut + length;
  }
  return std::exchange(blocks.uncut, blocks.uncut + size);
}

bool separate() {
  const char* const wish = std::getenv("STRATA_TEST_MEMORY");
  return wish && std::strcmp(wish, "separate") == 0;
}

void* take(std::size_t bytes) {
  if (kernels_reach_heap) {  // only main's thread
    static const bool own = separate();
    return own ? take_piece(std::max<std::size_t>(bytes, 1), -1) : take_block(bytes);
  }
  if (void* const p = std::malloc(bytes == 0 ? 1 : bytes)) return p;
  throw std::bad_alloc();
}

void give(void* p) {
  {
    const std::lock_guard lock(mutex);
    auto after = pieces().upper_bound(static_cast<std::byte*>(p));
    if (after == pieces().begin() || (--after)->second.end <= p) return std::free(p);
    if (const int size_class = after->second.size_class; size_class >= 0) {
      FreeBlock*& free = size_classes[size_class].free;
      free = new (p) FreeBlock{free};
      return;
    }
    if (!kernels_reach_heap) return;  // the program ends
    pieces().erase(after);
  }
  const CallsCuda calls;
  static_cast<void>(cudaFree(p));
}

}  // namespace

// If they were inlined, GCC would warn about a mismatched pair. The other forms of new and delete call these.
[[gnu::noinline]] void* operator new(std::size_t n) { return take(n); }
[[gnu::noinline]] void operator delete(void* p) noexcept {
  if (p) give(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
