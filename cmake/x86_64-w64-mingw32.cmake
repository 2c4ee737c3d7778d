# Toolchain for Windows on x86-64 with Debian's MinGW-w64 (g++-mingw-w64-x86-64-posix). Tests run in Wine (wine64).
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_CROSSCOMPILING_EMULATOR wine)

# GCC aligns the stack to 16 bytes only on Windows, and faults where it moves vectors of AVX to it by instructions that want
# more (https://gcc.gnu.org/bugzilla/show_bug.cgi?id=54412). The assembler replaces these.
set(CMAKE_CXX_FLAGS_INIT "-Wa,-muse-unaligned-vector-move")
# The program needs no DLLs of MinGW beside it.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")

# Libraries of this machine's system must not be found; packages of headers alone, such as Eigen, may be.
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)
