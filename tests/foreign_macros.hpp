// SPDX-License-Identifier: BSL-1.0
// Macros that other libraries' headers define. Each expands to nonsense here, so that a header of ours that uses the name
// for something of its own does not compile. Other libraries' headers must not see these, so they come first.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <any>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <compare>
#include <concepts>
#include <condition_variable>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <numbers>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#if __has_include(<emmintrin.h>)
#include <immintrin.h>
#endif
// The libraries of the components, where they are installed.
#if __has_include(<zlib.h>)
#include <zlib.h>
#endif
#if __has_include(<curl/curl.h>)
#include <curl/curl.h>
#endif
#if __has_include(<openssl/evp.h>)
#include <openssl/evp.h>
#endif
#if __has_include(<png.h>)
#include <png.h>
#endif
#if __has_include(<jpeglib.h>)
#include <jpeglib.h>

#include <jerror.h>
#endif
#if __has_include(<google/protobuf/message.h>)
#include <google/protobuf/message.h>
#endif

#if __has_include(<cudnn.h>)
#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>
#endif

// clang-format off
#define STRATA_NONSENSE ) ] } nonsense { [ (
// Qt
#undef slots
#define slots STRATA_NONSENSE
#undef signals
#define signals STRATA_NONSENSE
#undef emit
#define emit STRATA_NONSENSE
#undef foreach
#define foreach STRATA_NONSENSE
#undef forever
#define forever STRATA_NONSENSE
// <complex.h>
#undef I
#define I STRATA_NONSENSE
#undef complex
#define complex STRATA_NONSENSE
#undef imaginary
#define imaginary STRATA_NONSENSE
// X11
#undef None
#define None STRATA_NONSENSE
#undef Bool
#define Bool STRATA_NONSENSE
#undef Status
#define Status STRATA_NONSENSE
#undef True
#define True STRATA_NONSENSE
#undef False
#define False STRATA_NONSENSE
#undef Always
#define Always STRATA_NONSENSE
#undef Success
#define Success STRATA_NONSENSE
#undef Above
#define Above STRATA_NONSENSE
#undef Below
#define Below STRATA_NONSENSE
#undef Expose
#define Expose STRATA_NONSENSE
#undef Complex
#define Complex STRATA_NONSENSE
#undef Convex
#define Convex STRATA_NONSENSE
#undef Opposite
#define Opposite STRATA_NONSENSE
#undef Unsorted
#define Unsorted STRATA_NONSENSE
#undef GrayScale
#define GrayScale STRATA_NONSENSE
#undef StaticGray
#define StaticGray STRATA_NONSENSE
#undef TrueColor
#define TrueColor STRATA_NONSENSE
#undef PseudoColor
#define PseudoColor STRATA_NONSENSE
#undef DirectColor
#define DirectColor STRATA_NONSENSE
#undef KeyPress
#define KeyPress STRATA_NONSENSE
#undef KeyRelease
#define KeyRelease STRATA_NONSENSE
#undef FocusIn
#define FocusIn STRATA_NONSENSE
#undef FocusOut
#define FocusOut STRATA_NONSENSE
#undef ControlMask
#define ControlMask STRATA_NONSENSE
#undef CursorShape
#define CursorShape STRATA_NONSENSE
#undef FontChange
#define FontChange STRATA_NONSENSE
#undef FillSolid
#define FillSolid STRATA_NONSENSE
#undef InputOnly
#define InputOnly STRATA_NONSENSE
#undef InputOutput
#define InputOutput STRATA_NONSENSE
#undef CurrentTime
#define CurrentTime STRATA_NONSENSE
#undef NoSymbol
#define NoSymbol STRATA_NONSENSE
#undef DestroyAll
#define DestroyAll STRATA_NONSENSE
#undef RetainTemporary
#define RetainTemporary STRATA_NONSENSE
#undef AllocNone
#define AllocNone STRATA_NONSENSE
#undef AllocAll
#define AllocAll STRATA_NONSENSE
#undef WhenMapped
#define WhenMapped STRATA_NONSENSE
#undef NotUseful
#define NotUseful STRATA_NONSENSE
#undef BadValue
#define BadValue STRATA_NONSENSE
#undef BadRequest
#define BadRequest STRATA_NONSENSE
#undef Button1
#define Button1 STRATA_NONSENSE
#undef ClientMessage
#define ClientMessage STRATA_NONSENSE
#undef DestinationOver
#define DestinationOver STRATA_NONSENSE
#undef LineSolid
#define LineSolid STRATA_NONSENSE
#undef CapRound
#define CapRound STRATA_NONSENSE
#undef JoinRound
#define JoinRound STRATA_NONSENSE
#undef EvenOddRule
#define EvenOddRule STRATA_NONSENSE
#undef WindingRule
#define WindingRule STRATA_NONSENSE
#undef Nonconvex
#define Nonconvex STRATA_NONSENSE
#undef XYPixmap
#define XYPixmap STRATA_NONSENSE
// Windows
#undef min
#define min(a, b) STRATA_NONSENSE
#undef max
#define max(a, b) STRATA_NONSENSE
#undef near
#define near STRATA_NONSENSE
#undef far
#define far STRATA_NONSENSE
#undef small
#define small STRATA_NONSENSE
#undef hyper
#define hyper STRATA_NONSENSE
#undef pascal
#define pascal STRATA_NONSENSE
#undef cdecl
#define cdecl STRATA_NONSENSE
#undef interface
#define interface STRATA_NONSENSE
#undef uuid
#define uuid STRATA_NONSENSE
#undef rad1
#define rad1 STRATA_NONSENSE
#undef grp1
#define grp1 STRATA_NONSENSE
#undef ERROR
#define ERROR STRATA_NONSENSE
#undef IN
#define IN STRATA_NONSENSE
#undef OUT
#define OUT STRATA_NONSENSE
#undef OPTIONAL
#define OPTIONAL STRATA_NONSENSE
#undef CONST
#define CONST STRATA_NONSENSE
#undef VOID
#define VOID STRATA_NONSENSE
#undef DELETE
#define DELETE STRATA_NONSENSE
#undef STRICT
#define STRICT STRATA_NONSENSE
#undef RELATIVE
#define RELATIVE STRATA_NONSENSE
#undef ABSOLUTE
#define ABSOLUTE STRATA_NONSENSE
#undef OPAQUE
#define OPAQUE STRATA_NONSENSE
#undef TRANSPARENT
#define TRANSPARENT STRATA_NONSENSE
#undef DIFFERENCE
#define DIFFERENCE STRATA_NONSENSE
#undef DOMAIN
#define DOMAIN STRATA_NONSENSE
#undef OVERFLOW
#define OVERFLOW STRATA_NONSENSE
#undef UNDERFLOW
#define UNDERFLOW STRATA_NONSENSE
#undef CALLBACK
#define CALLBACK STRATA_NONSENSE
#undef WINAPI
#define WINAPI STRATA_NONSENSE
#undef NEAR
#define NEAR STRATA_NONSENSE
#undef FAR
#define FAR STRATA_NONSENSE
#undef IGNORE
#define IGNORE STRATA_NONSENSE
#undef INFINITE
#define INFINITE STRATA_NONSENSE
#undef NO_ERROR
#define NO_ERROR STRATA_NONSENSE
#undef THIS
#define THIS STRATA_NONSENSE
#undef GetObject
#define GetObject STRATA_NONSENSE
#undef GetMessage
#define GetMessage STRATA_NONSENSE
#undef SendMessage
#define SendMessage STRATA_NONSENSE
#undef CreateFile
#define CreateFile STRATA_NONSENSE
#undef CopyFile
#define CopyFile STRATA_NONSENSE
#undef DeleteFile
#define DeleteFile STRATA_NONSENSE
#undef MoveFile
#define MoveFile STRATA_NONSENSE
#undef GetClassName
#define GetClassName STRATA_NONSENSE
#undef DrawText
#define DrawText STRATA_NONSENSE
#undef LoadImage
#define LoadImage STRATA_NONSENSE
#undef Yield
#define Yield STRATA_NONSENSE
// Other headers of POSIX systems, and gnu++ on Linux
#undef linux
#define linux STRATA_NONSENSE
#undef unix
#define unix STRATA_NONSENSE
#undef major
#define major STRATA_NONSENSE
#undef minor
#define minor STRATA_NONSENSE
#undef makedev
#define makedev STRATA_NONSENSE
#undef ECHO
#define ECHO STRATA_NONSENSE
#undef B0
#define B0 STRATA_NONSENSE
#undef B50
#define B50 STRATA_NONSENSE
#undef CTRL
#define CTRL STRATA_NONSENSE
#undef PI
#define PI STRATA_NONSENSE
// curses, R, Objective-C, Arduino, logging and test libraries
#undef OK
#define OK STRATA_NONSENSE
#undef ERR
#define ERR STRATA_NONSENSE
#undef Free
#define Free STRATA_NONSENSE
#undef Calloc
#define Calloc STRATA_NONSENSE
#undef Realloc
#define Realloc STRATA_NONSENSE
#undef YES
#define YES STRATA_NONSENSE
#undef NO
#define NO STRATA_NONSENSE
#undef nil
#define nil STRATA_NONSENSE
#undef B1
#define B1 STRATA_NONSENSE
#undef B10
#define B10 STRATA_NONSENSE
#undef LOG
#define LOG STRATA_NONSENSE
#undef CHECK
#define CHECK STRATA_NONSENSE
#undef REQUIRE
#define REQUIRE STRATA_NONSENSE
#undef DEBUG
#define DEBUG STRATA_NONSENSE
#undef INFO
#define INFO STRATA_NONSENSE
#undef WARNING
#define WARNING STRATA_NONSENSE
#undef FATAL
#define FATAL STRATA_NONSENSE
#undef verify
#define verify STRATA_NONSENSE
#undef require
#define require STRATA_NONSENSE
// clang-format on
