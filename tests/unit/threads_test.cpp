// SPDX-License-Identifier: BSL-1.0
// How many threads there are, what happens if they cannot be started, and after fork().
#include <doctest/doctest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/strata.hpp>
#include <strata/util/processor_limits.hpp>
#include <strata/util/processors.hpp>
#include <strata/util/thread_pool.hpp>

#if defined(__SANITIZE_THREAD__)
#define STRATA_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRATA_TEST_TSAN 1
#endif
#endif

namespace {
using namespace strata;
using Files = std::map<std::string, std::string>;

int processors(const Files& files) {
  return detail::cgroup_processors([&](const std::string& path) {
    const auto found = files.find(path);
    return found == files.end() ? std::string() : found->second;
  });
}

TEST_CASE("a quota is rounded up to whole processors") {
  CHECK(detail::quota_processors("200000", "100000") == 2);
  CHECK(detail::quota_processors("200001\n", "100000\n") == 3);
  CHECK(detail::quota_processors("1", "100000") == 1);
  CHECK(detail::quota_processors("9223372036854775807", "1") == detail::no_quota);
  for (const char* none : {"max", "-1", "", "0", "x"}) CHECK(detail::quota_processors(none, "100000") == detail::no_quota);
  CHECK(detail::quota_processors("100000", "") == detail::no_quota);
  CHECK(detail::quota_processors("100000", "0") == detail::no_quota);
}

TEST_CASE("quotas of cgroups, version 2") {
  const std::string mounts =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
  Files files{{"/proc/self/mountinfo", mounts}, {"/proc/self/cgroup", "0::/\n"}};
  CHECK(processors(files) == detail::no_quota);
  files["/sys/fs/cgroup/cpu.max"] = "max 100000\n";
  CHECK(processors(files) == detail::no_quota);
  files["/sys/fs/cgroup/cpu.max"] = "250000 100000\n";
  CHECK(processors(files) == 3);
  // The smallest of the groups around the process.
  files["/proc/self/cgroup"] = "0::/user.slice/job.scope\n";
  files["/sys/fs/cgroup/user.slice/cpu.max"] = "150000 100000\n";
  files["/sys/fs/cgroup/user.slice/job.scope/cpu.max"] = "800000 100000\n";
  CHECK(processors(files) == 2);
  files["/sys/fs/cgroup/user.slice/job.scope/cpu.max"] = "50000 100000\n";
  CHECK(processors(files) == 1);
}

TEST_CASE("quotas of cgroups, version 1") {
  Files files{
      {"/proc/self/mountinfo",
       "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
       "32 31 0:29 /docker/1f /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:11 - cgroup cgroup rw,cpu,cpuacct\n"
       "33 31 0:30 /docker/1f /sys/fs/cgroup/cpuset ro,nosuid - cgroup cgroup rw,cpuset\n"},
      {"/proc/self/cgroup", "9:cpuset:/docker/1f\n4:cpu,cpuacct:/docker/1f/part\n0::/docker/1f\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"},
      {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
      {"/sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "1\n"},
      {"/sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n"},
  };
  CHECK(processors(files) == detail::no_quota);
  files["/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us"] = "400000\n";
  CHECK(processors(files) == 4);
  files["/sys/fs/cgroup/cpu,cpuacct/part/cpu.cfs_quota_us"] = "110000\n";
  files["/sys/fs/cgroup/cpu,cpuacct/part/cpu.cfs_period_us"] = "100000\n";
  CHECK(processors(files) == 2);
  // A path that the mount does not show.
  files["/proc/self/cgroup"] = "4:cpu,cpuacct:/docker/1f0\n";
  CHECK(processors(files) == 4);
}

TEST_CASE("damaged descriptions of cgroups give no limit") {
  CHECK(processors({}) == detail::no_quota);
  CHECK(processors({{"/proc/self/mountinfo", "a\n - \n1 2 3 / - cgroup2 x rw\n1 2 3 / /c rw - cgroup2 x rw"},
                    {"/proc/self/cgroup", "\n0\n0:\n:\n0::/a"}}) == detail::no_quota);
}

TEST_CASE("a pool takes the processors that the affinity allows") {
  CHECK(ThreadPool().size() == detail::usable_processors());
  cpu_set_t before;
  CPU_ZERO(&before);
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(detail::os::allowed_processors() == CPU_COUNT(&before));
  std::size_t first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  const int size = ThreadPool().size();
  CHECK(::sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK(size == 1);
}

TEST_CASE("threads that cannot be started are an error that says how many were asked for") {
  // No address space has room for these stacks.
  pthread_attr_t before, huge;
  REQUIRE(::pthread_getattr_default_np(&before) == 0);
  REQUIRE(::pthread_attr_init(&huge) == 0);
  REQUIRE(::pthread_attr_setstacksize(&huge, std::size_t{1} << 50) == 0);
  if (::pthread_setattr_default_np(&huge) != 0) return;
  std::string pool, batches;
  try {
    ThreadPool{7};
  } catch (const std::system_error& e) {
    pool = e.what();
  }
  const ArrayDataset<Shape{1, 1, 1}, 2> data({1, 2}, {0, 1});
  Batches<ArrayDataset<Shape{1, 1, 1}, 2>> two(data, {.batch = 1, .threads = 2});
  try {
    two.start(0);
  } catch (const std::system_error& e) {
    batches = e.what();
  }
  CHECK(::pthread_setattr_default_np(&before) == 0);
  CHECK_MESSAGE(pool.find("strata: 7 threads were asked for, but only 1 could be started: ") == 0, pool);
  CHECK_MESSAGE(batches.find("strata: 2 threads were asked for, but only 0 could be started: ") == 0, batches);
  two.start(0);
  CHECK(two.next() != nullptr);
}

#if !defined(STRATA_TEST_TSAN)  // it does not start threads in a child

// What work() returns in a child process, at most 125; 126: it threw an exception. A child that hangs is killed.
template <class Work>
int in_child(const Work& work) {
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    int result = 126;
    try {
      result = work();
    } catch (...) {
    }
    ::_exit(result);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int sum_of(ThreadPool& pool) {
  std::atomic<int> sum{0};
  for (int round = 0; round < 50; ++round) pool.parallel_for(10, [&](int task, int) { sum += task; });
  return sum == 50 * 45 ? 0 : 1;
}

TEST_CASE("a pool in a child after fork") {
  for (int round = 0; round < 10; ++round) {
    auto pool = std::make_unique<ThreadPool>(4);
    CHECK(sum_of(*pool) == 0);
    CHECK(in_child([&] { return sum_of(*pool); }) == 0);
    CHECK(in_child([&] {
            pool.reset();
            return 0;
          }) == 0);
    CHECK(in_child([&] {  // the new pool may get the stacks of the old one's threads
            ThreadPool other(4);
            const int wrong = sum_of(other);
            pool.reset();
            return wrong + sum_of(other);
          }) == 0);
    CHECK(in_child([&] {
            const int wrong = sum_of(*pool), below = in_child([&] { return sum_of(*pool); });
            pool.reset();
            return wrong + (below == 0 ? 0 : 1);
          }) == 0);
    CHECK(sum_of(*pool) == 0);
  }
}

TEST_CASE("a child may be made while another thread uses the pool") {
  ThreadPool pool(3);
  std::atomic<bool> inside{false}, forked{false};
  std::thread other([&] {
    pool.parallel_for(3, [&](int, int) {
      inside = true;
      while (!forked) std::this_thread::yield();
    });
  });
  while (!inside) std::this_thread::yield();
  CHECK(in_child([&] { return sum_of(pool); }) == 0);
  forked = true;
  other.join();
  CHECK(sum_of(pool) == 0);
}

TEST_CASE("Batches in a child after fork") {
  std::vector<float> pixels;
  std::vector<int> labels;
  for (int i = 0; i < 40; ++i) pixels.push_back(static_cast<float>(i)), labels.push_back(i % 2);
  using Data = ArrayDataset<Shape{1, 1, 1}, 2>;
  const Data data(pixels, labels);
  std::vector<float> expected;
  Batches<Data> alone(data, {.batch = 3, .seed = 5, .shuffle = true, .threads = 0});
  alone.start(2);
  while (const Batch* b = alone.next()) expected.insert(expected.end(), b->images.begin(), b->images.end());

  for (const int threads : {0, 1, 3}) {
    for (const std::size_t taken : {0U, 1U, 5U, 14U}) {
      CAPTURE(threads);
      CAPTURE(taken);
      auto batches =
          std::make_unique<Batches<Data>>(data, BatchOptions{.batch = 3, .seed = 5, .shuffle = true, .threads = threads});
      batches->start(2);
      const Batch* held = nullptr;
      for (std::size_t i = 0; i < taken; ++i) held = batches->next();
      const auto rest = [&] {
        std::vector<float> found(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                                                          3 * taken, expected.size())));
        if (held && held->images[0] != found[3 * (taken - 1)]) return 2;
        while (const Batch* b = batches->next()) found.insert(found.end(), b->images.begin(), b->images.end());
        return found == expected ? 0 : 1;
      };
      CHECK(in_child(rest) == 0);
      CHECK(in_child([&] {
              batches.reset();
              return 0;
            }) == 0);
      CHECK(in_child([&] {
              batches->start(2, taken);
              held = nullptr;
              return rest();
            }) == 0);
      CHECK(rest() == 0);
    }
  }
}

TEST_CASE("a model in a child after fork") {
  using Net = Sequential<Input<8, 8, 3>, Conv<3, 8>, ReLU, MaxPool<2>, Flatten, Dense<4>>;
  auto model = std::make_unique<Model<Net>>(ModelOptions{.batch = 16, .threads = 4, .seed = 3});
  const std::vector<float> images(16 * 192, 0.25f);
  const auto outputs = [&] {
    const auto y = model->predict(images);
    return std::vector<float>(y.begin(), y.end());
  };
  const std::vector<float> expected = outputs();
  CHECK(in_child([&] {
          const bool same = outputs() == expected;
          model.reset();
          return same ? 0 : 1;
        }) == 0);
  CHECK(in_child([&] {
          std::vector<int> labels(16, 1);
          train(*model, ArrayDataset<Shape{8, 8, 3}, 4>(images, labels), SoftmaxCrossEntropy{}, SGD{},
                {.epochs = 1, .verbose = false});
          return 0;
        }) == 0);
  CHECK(outputs() == expected);
}

#endif

}  // namespace
