// SPDX-License-Identifier: BSL-1.0
// Against tests/data/range_server.py on 127.0.0.1; nothing here leaves the machine.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <strata/data/cifar.hpp>
#include <strata/data/download.hpp>

#include "files.hpp"

using namespace strata;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// One entry of a tar file.
std::string entry(const std::string& name, const std::string& body, char type = '0') {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  std::snprintf(header.data() + 124, 12, "%011zo", body.size());
  header[156] = type;
  header.replace(257, 5, "ustar");
  return header + body + std::string((512 - body.size() % 512) % 512, '\0');
}

std::string noise(std::size_t n, unsigned seed) {
  std::string bytes(n, '\0');
  for (char& b : bytes) b = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

// A server for the archive set.tar.gz, and a cache; both go away with the test.
struct Served {
  Folder temporary;
  fs::path root = temporary.path, served, cache, log;
  Archive archive{"set.tar.gz", "", "set-bin", {"one.bin", "two.bin"}};
  std::string one = noise(100'000, 1), two = noise(1234, 2), base;
  pid_t server = -1;

  Served() {
    served = root / "served", cache = root / "deep/cache", log = root / "log";
    fs::create_directories(served);
    pack(entry("set-bin/", "", '5') + entry("set-bin/readme.html", "hello") + entry("../../escaped", "no") +
         entry("set-bin/two.bin", two) + entry("set-bin/one.bin", one) + std::string(1024, '\0'));
    start();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  ~Served() { stop(); }

  void pack(const std::string& tar) {
    gzFile out = gzopen((served / archive.file).c_str(), "wb");
    gzwrite(out, tar.data(), static_cast<unsigned>(tar.size()));
    gzclose(out);
    archive.md5 = detail::md5_of(served / archive.file);
  }

  void start() {
    const std::string script = "tests/data/range_server.py";  // tests run in the project's folder
    const std::string folder = served.string(), requests = log.string();
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    server = fork();
    if (server == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(ends[1], 1);
      execlp("python3", "python3", script.c_str(), folder.c_str(), requests.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
    close(ends[1]);
    std::string port;
    for (char c; ::read(ends[0], &c, 1) == 1 && c != '\n';) port += c;
    close(ends[0]);
    REQUIRE_FALSE(port.empty());
    base = "http://127.0.0.1:" + port + "/";
    setenv("no_proxy", "127.0.0.1", 1);
  }
  void stop() {
    if (server < 0) return;
    kill(server, SIGKILL);
    waitpid(server, nullptr, 0);
    server = -1;
  }

  fs::path get(const std::string& how, int attempts = 5) {
    return download(archive, {.cache = cache, .base = base + how, .attempts = attempts});
  }
  std::string error(const std::string& how, int attempts = 5) {
    try {
      get(how, attempts);
    } catch (const DownloadError& e) {
      return e.what();
    }
    return "none";
  }
  void check_files() const {
    CHECK(read(cache / "set-bin/one.bin") == one);
    CHECK(read(cache / "set-bin/two.bin") == two);
    CHECK(std::distance(fs::directory_iterator(cache / "set-bin"), {}) == 2);
    CHECK(std::distance(fs::directory_iterator(cache), {}) == 2);  // and the lock; no archive, no part of one
    CHECK_FALSE(fs::exists(root / "escaped"));
  }
};

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("fetched, unpacked, and not fetched again") {
  Served s;
  std::uint64_t done = 0, all = 0;
  CHECK(download(s.archive, {.cache = s.cache, .base = s.base + "whole", .progress = [&](std::uint64_t d, std::uint64_t a) {
                               done = d, all = a;
                             }}) == s.cache);
  s.check_files();
  CHECK(done == all);
  CHECK(done == fs::file_size(s.served / s.archive.file));
  CHECK(read(s.log) == "/whole/set.tar.gz -\n");
  s.stop();
  CHECK(s.get("whole") == s.cache);
}

TEST_CASE("a connection that breaks is resumed") {
  Served s;
  s.get("cut-40000");
  s.check_files();
  CHECK(read(s.log) == "/cut-40000/set.tar.gz -\n/cut-40000/set.tar.gz bytes=40000-\n/cut-40000/set.tar.gz bytes=80000-\n");
}

TEST_CASE("the next call resumes what this one could not finish") {
  Served s;
  const std::string error = s.error("cut-30000", 2);
  CHECK(says(error, s.base + "cut-30000/set.tar.gz: "));
  CHECK(says(error, "--data DIR"));
  CHECK(fs::file_size(s.cache / "set.tar.gz.part") == 60000);
  CHECK_FALSE(fs::exists(s.cache / "set-bin"));
  s.get("whole");
  s.check_files();
  CHECK(says(read(s.log), "/whole/set.tar.gz bytes=60000-\n"));
}

TEST_CASE("what progress throws ends the download") {
  Served s;
  const auto quit = [](std::uint64_t, std::uint64_t) { throw std::logic_error("enough"); };
  CHECK_THROWS_WITH_AS(download(s.archive, {.cache = s.cache, .base = s.base + "whole", .progress = quit}), "enough",
                       std::logic_error);
  s.get("whole");
  s.check_files();
}

TEST_CASE("a server without ranges sends all of it again") {
  Served s;
  CHECK(s.error("cut-30000", 1) != "none");
  s.get("ignore");
  s.check_files();
}

TEST_CASE("a part that is no part of it") {
  Served s;
  fs::create_directories(s.cache);
  const auto leave = [&](const std::string& bytes) {
    std::ofstream(s.cache / "set.tar.gz.part", std::ios::binary) << bytes;
  };
  SUBCASE("other bytes") { leave(noise(5000, 9)); }
  SUBCASE("longer") { leave(noise(500'000, 9)); }
  SUBCASE("all of it") { leave(read(s.served / s.archive.file)); }
  s.get("whole");
  s.check_files();
}

TEST_CASE("an archive there, not unpacked") {
  Served s;
  fs::create_directories(s.cache);
  SUBCASE("right") {
    fs::copy_file(s.served / s.archive.file, s.cache / s.archive.file);
    s.get("whole");
    CHECK_FALSE(fs::exists(s.log));
  }
  SUBCASE("wrong") {
    std::ofstream(s.cache / s.archive.file) << "not it";
    s.get("whole");
  }
  s.check_files();
}

TEST_CASE("a wrong hash") {
  Served s;
  const std::string right = s.archive.md5;
  s.archive.md5 = std::string(32, '0');
  const std::string error = s.error("whole");
  CHECK(says(error, s.base + "whole/set.tar.gz: its MD5 is " + right + "; expected 00000000"));
  CHECK(says(error, "--data DIR"));
  CHECK_FALSE(fs::exists(s.cache / "set.tar.gz"));
  CHECK_FALSE(fs::exists(s.cache / "set.tar.gz.part"));
  CHECK_FALSE(fs::exists(s.cache / "set-bin"));
}

TEST_CASE("no such file, no server, no such scheme") {
  Served s;
  s.archive.file = "other.tar.gz";
  CHECK(says(s.error("whole"), "404"));
  s.stop();
  CHECK(says(s.error("whole"), "other.tar.gz: "));
  s.base = "file:///etc/";
  CHECK(says(s.error(""), "file:///etc/other.tar.gz: "));
}

TEST_CASE("a server that answers no connection is not asked twice") {
  Served s;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  socklen_t length = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(bind(listener, generic, length) == 0);
  REQUIRE(getsockname(listener, generic, &length) == 0);
  REQUIRE(listen(listener, 0) == 0);
  std::vector<int> waiting;  // they fill its queue
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    (void)connect(waiting.back(), generic, length);
  }
  int asked = 0;
  const DownloadOptions options{.cache = s.cache,
                                .base = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)),
                                .attempts = 1000,
                                .connect_timeout = 1,
                                .progress = [&](std::uint64_t, std::uint64_t) { ++asked; }};
  CHECK_THROWS_AS(download(s.archive, options), DownloadError);
  CHECK(asked > 0);
  for (const int socket : waiting) close(socket);
  close(listener);
}

TEST_CASE("archives that are not what they should be") {
  Served s;
  SUBCASE("a file lacks") { s.pack(entry("set-bin/one.bin", s.one) + std::string(1024, '\0')); }
  SUBCASE("cut short") { s.pack(entry("set-bin/one.bin", s.one) + entry("set-bin/two.bin", s.two).substr(0, 700)); }
  SUBCASE("a link in its place") {
    s.pack(entry("set-bin/one.bin", s.one) + entry("set-bin/two.bin", "", '2') + std::string(1024, '\0'));
  }
  SUBCASE("no tar") { s.pack(std::string(2000, 'x')); }
  CHECK_THROWS_AS(s.get("whole"), std::runtime_error);
  CHECK_FALSE(fs::exists(s.cache / "set-bin/two.bin"));
}

TEST_CASE("two at once take turns") {
  Served s;
  std::thread other([&] { s.get("whole"); });
  s.get("whole");
  other.join();
  s.check_files();
  CHECK(read(s.log) == "/whole/set.tar.gz -\n");
}

TEST_CASE("the cache's place") {
  const auto put = [](const char* name, const char* value) { value ? setenv(name, value, 1) : unsetenv(name); };
  put("STRATA_CACHE", "/a"), put("XDG_CACHE_HOME", "/b"), put("HOME", "/c");
  CHECK(cache_folder() == "/a");
  put("STRATA_CACHE", "");
  CHECK(cache_folder() == "/b/strata");
  put("XDG_CACHE_HOME", nullptr);
  CHECK(cache_folder() == "/c/.cache/strata");
  put("HOME", nullptr);
  CHECK_THROWS_AS((void)cache_folder(), std::runtime_error);
}
