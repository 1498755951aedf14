# Compiler flags of every build. HF_SANITIZE names sanitizers, HF_HARDEN turns on what a release carries.

set(HF_SANITIZE "" CACHE STRING "sanitizers for everything, as -fsanitize takes them")
set(HF_FUZZ OFF CACHE BOOL "link tests/fuzz with libFuzzer (clang)")
set(HF_HARDEN OFF CACHE BOOL "the hardening of a release build")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

add_compile_options(
    -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # Wrong at -Og and under sanitizers, where the compiler sees only part of the flow.
    add_compile_options(-Wno-maybe-uninitialized)
endif()

if(HF_SANITIZE)
    add_compile_options(
        -fsanitize=${HF_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${HF_SANITIZE})
endif()
if(HF_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(HF_HARDEN)
    add_compile_options(
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection)
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        add_compile_options(-fcf-protection=full)
    elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
        add_compile_options(-mbranch-protection=standard)
    endif()
    add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
endif()

# What comes from a static library stays out of the dynamic symbol table: nothing can bind to our BoringSSL by
# accident. Not with clang's sanitizers: their malloc comes from a static library, and shared libraries must
# use it too.
if(NOT HF_FUZZ)
    add_link_options(LINKER:--exclude-libs,ALL)
endif()
