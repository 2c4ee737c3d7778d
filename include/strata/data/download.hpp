// SPDX-License-Identifier: BSL-1.0
// Downloads the official archives of CIFAR into a cache. The CMake target strata::download links libcurl, OpenSSL's
// libcrypto and zlib.
//   const auto data = Cifar10::train(download(cifar10_archive()));
#pragma once
#include <curl/curl.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/open_file.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI {

// There is no network, no such file, or the file differs from the published one. what() has the address, the reason, and
// what to do instead.
class DownloadError : public std::runtime_error {
 public:
  DownloadError(const std::string& address, const std::string& why)
      : std::runtime_error(address + ": " + why +
                           "; or fetch and unpack it by other means and name the folder (in the examples: --data DIR)") {}
};

// A published tar.gz: its name, its MD5, the folder in it, and the files in that folder to keep.
struct Archive {
  std::string file, md5, folder;
  std::vector<std::string> files;
};

inline Archive cifar10_archive() {
  return {"cifar-10-binary.tar.gz",
          "c32a1d4ab5d03f1284b67883e8d87530",
          "cifar-10-batches-bin",
          {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
           "test_batch.bin"}};
}
inline Archive cifar100_archive() {
  return {"cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary", {"train.bin", "test.bin"}};
}

// $STRATA_CACHE, else $XDG_CACHE_HOME/strata, else ~/.cache/strata. Throws std::runtime_error if none is set.
inline std::filesystem::path cache_folder() {
  const auto set = [](const char* name) -> const char* {
    const char* value = std::getenv(name);
    return value && *value ? value : nullptr;
  };
  if (const char* own = set("STRATA_CACHE")) return own;
  if (const char* xdg = set("XDG_CACHE_HOME")) return std::filesystem::path(xdg) / "strata";
  if (const char* home = set("HOME")) return std::filesystem::path(home) / ".cache" / "strata";
  throw std::runtime_error("strata: no cache folder: none of STRATA_CACHE, XDG_CACHE_HOME and HOME is set");
}

struct DownloadOptions {
  std::filesystem::path cache{};  // empty: cache_folder()
  std::string base = "https://www.cs.toronto.edu/~kriz/";
  int attempts = 5;          // connections; each continues where the last broke off
  int connect_timeout = 30;  // seconds to wait for a server that does not answer
  // Called a few times a second with the bytes received and the bytes in total (0: unknown), also while waiting for another
  // process that downloads. An exception from it ends the download; the next call of download() continues it.
  std::function<void(std::uint64_t, std::uint64_t)> progress{};
};

namespace detail {

inline std::uintmax_t size_or_zero(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

inline std::string md5_of(const std::filesystem::path& file) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  bool good = context && EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) == 1;
  OpenFile in(file, os::OpenFor::reading);
  std::vector<char> piece(std::size_t{1} << 20);
  while (const std::size_t n = good ? in.read(piece) : 0) good = EVP_DigestUpdate(context.get(), piece.data(), n) == 1;
  if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1)
    throw std::runtime_error("strata: OpenSSL computes no MD5 here (in FIPS mode?)");
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += {"0123456789abcdef"[digest[i] >> 4], "0123456789abcdef"[digest[i] & 15]};
  return text;
}

// One connection. Appends to the file, from its present end.
class Transfer : NoCopy {
 public:
  Transfer(const std::string& address, const std::filesystem::path& part, const DownloadOptions& options)
      : had_(size_or_zero(part)), out_(part, os::OpenFor::appending), options_(options) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(ready == CURLE_OK ? curl_easy_init() : nullptr, curl_easy_cleanup);
    if (!curl) throw std::runtime_error("strata: libcurl does not start");
    CURL* c = curl.get();
    std::array<char, CURL_ERROR_SIZE> text{};
    curl_easy_setopt(c, CURLOPT_URL, address.c_str());
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text.data());
    curl_easy_setopt(c, CURLOPT_USERAGENT, "strata");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, address.rfind("https:", 0) == 0 ? "https" : "http,https");
#endif
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options_.connect_timeout));
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);  // do not wait for a name that is still being looked up
#endif
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(had_));
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &Transfer::on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, options_.progress ? 0L : 1L);
    code = curl_easy_perform(c);
    if (error_) std::rethrow_exception(error_);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    double seconds = 0;
    connected = curl_easy_getinfo(c, CURLINFO_CONNECT_TIME, &seconds) == CURLE_OK && seconds > 0;
    why = text[0] ? text.data() : curl_easy_strerror(code);
  }

  CURLcode code = CURLE_OK;
  long status = 0;         // of HTTP
  bool connected = false;  // whether the server was reached
  std::string why;

 private:
  // Exceptions must not cross libcurl. They are stored and rethrown after it has returned.
  template <class F>
  bool guarded(F f) noexcept {
    try {
      f();
      return true;
    } catch (...) {
      error_ = std::current_exception();
      return false;
    }
  }
  static std::size_t on_data(char* from, std::size_t, std::size_t n, void* self) {
    auto& t = *static_cast<Transfer*>(self);
    return t.guarded([&] { t.out_.write(std::string_view(from, n)); }) ? n
                                                                       : n + 1;  // any number but n is an error to libcurl
  }
  static int on_progress(void* self, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
    auto& t = *static_cast<Transfer*>(self);
    const auto all = total > 0 ? t.had_ + static_cast<std::uint64_t>(total) : 0;
    return t.guarded([&] { t.options_.progress(t.had_ + static_cast<std::uint64_t>(done), all); }) ? 0 : 1;
  }

  std::uint64_t had_;
  OpenFile out_;
  const DownloadOptions& options_;
  std::exception_ptr error_;
};

// Continues `part` until it is complete, over several connections if they break.
inline void fetch(const std::string& address, const std::filesystem::path& part, const DownloadOptions& options) {
  constexpr std::array broken{CURLE_PARTIAL_FILE,       CURLE_RECV_ERROR, CURLE_SEND_ERROR,  CURLE_GOT_NOTHING,
                              CURLE_OPERATION_TIMEDOUT, CURLE_HTTP2,      CURLE_HTTP2_STREAM};
  for (int attempt = 1;; ++attempt) {
    const bool had = size_or_zero(part) > 0;
    const Transfer t(address, part, options);
    if (t.code == CURLE_OK) return;
    if (had && (t.code == CURLE_RANGE_ERROR || t.status == 416)) {  // the server cannot continue here: start again
      std::filesystem::remove(part);
      continue;
    }
    if (!t.connected || attempt >= options.attempts || std::find(broken.begin(), broken.end(), t.code) == broken.end())
      throw DownloadError(address, t.why);
  }
}

// Unpacks the files of the archive into cache / folder; each appears only when it is complete. Reads the headers of tar
// (ustar, GNU): name in bytes 0-99, size in octal in 124-135, type in 156; contents padded to 512 bytes.
inline void unpack(const Archive& archive, const std::filesystem::path& tar, const std::filesystem::path& cache) {
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error(tar.string() + ": " + why + "; expected a tar.gz with " + archive.folder + "/");
  };
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen(tar.c_str(), "rb"), gzclose);
  if (!in) fail("cannot be opened");
  std::vector<char> block(std::size_t{1} << 16);
  const auto read = [&](std::size_t n) {
    const int got = gzread(in.get(), block.data(), static_cast<unsigned>(n));
    if (got < 0 || static_cast<std::size_t>(got) != n) fail("ends too early or is damaged");
  };
  std::vector<std::string> missing = archive.files;
  std::filesystem::create_directories(cache / archive.folder);
  while (!missing.empty()) {
    read(512);
    if (block[0] == '\0') break;
    const std::string name(block.data(), std::find(block.data(), block.data() + 100, '\0'));
    const char type = block[156];
    std::uint64_t size = 0;
    for (const char digit : std::string_view(block.data() + 124, 12)) {
      if (digit == ' ' || digit == '\0') continue;
      if (digit < '0' || digit > '7') fail("has an entry whose size is not octal");
      size = size * 8 + static_cast<std::uint64_t>(digit - '0');
    }
    const auto found = std::find_if(missing.begin(), missing.end(), [&](const std::string& file) {
      return name == archive.folder + "/" + file || name == "./" + archive.folder + "/" + file;
    });
    const bool wanted = found != missing.end() && (type == '0' || type == '\0');
    // The name is from the list of files to keep, never from the archive.
    const std::filesystem::path target = cache / archive.folder / (wanted ? *found : std::string("none"));
    const std::filesystem::path part = target.string() + ".part";
    const auto out = wanted ? std::make_unique<OpenFile>(part, os::OpenFor::overwriting) : nullptr;
    for (std::uint64_t left = (size + 511) / 512 * 512, data = size; left > 0;) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, block.size()));
      read(n);
      const auto useful = static_cast<std::size_t>(std::min<std::uint64_t>(data, n));
      if (out) out->write(std::string_view(block.data(), useful));
      left -= n, data -= useful;
    }
    if (!wanted) continue;
    out->sync();
    publish(part, target);
    missing.erase(found);
  }
  if (!missing.empty()) fail("has no " + archive.folder + "/" + missing.front());
}

}  // namespace detail

// Returns the folder that contains archive.folder and its files, for the loaders. Downloads, checks and unpacks the archive
// unless they are there. A broken download is continued, in this call or the next; two processes take turns. Throws
// DownloadError if the network or the server fails or the MD5 is wrong (nothing is kept then), std::runtime_error or
// std::system_error if the disk fails.
inline std::filesystem::path download(const Archive& archive, DownloadOptions options = {}) {
  namespace fs = std::filesystem;
  const fs::path cache = options.cache.empty() ? cache_folder() : options.cache;
  const auto there = [&] {
    return std::all_of(archive.files.begin(), archive.files.end(),
                       [&](const std::string& file) { return fs::exists(cache / archive.folder / file); });
  };
  if (there()) return cache;
  fs::create_directories(cache);
  detail::OpenFile lock(cache / (archive.file + ".lock"), detail::os::OpenFor::locking);
  while (!lock.try_lock()) {
    if (options.progress) options.progress(0, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (there()) return cache;  // another process has made them

  const fs::path whole = cache / archive.file, part = cache / (archive.file + ".part");
  if (!options.base.empty() && options.base.back() != '/') options.base += '/';
  const std::string address = options.base + archive.file;
  if (!fs::exists(whole) || detail::md5_of(whole) != archive.md5) {
    for (bool resumed = detail::size_or_zero(part) > 0;; resumed = false) {
      detail::fetch(address, part, options);
      const std::string md5 = detail::md5_of(part);
      if (md5 == archive.md5) break;
      fs::remove(part);
      // The part from an earlier call may be wrong: try again from the beginning.
      if (!resumed) throw DownloadError(address, "its MD5 is " + md5 + "; expected " + archive.md5);
    }
    detail::OpenFile(part, detail::os::OpenFor::reading).sync();
    detail::publish(part, whole);
  }
  detail::unpack(archive, whole, cache);
  fs::remove(whole);
  return cache;
}

}  // namespace strata::inline STRATA_ABI
