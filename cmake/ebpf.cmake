# The steering program: steer.bpf.c -> object -> ebpf/steer.skel.h in the build folder, which hf_ebpf brings.

find_program(HF_CLANG NAMES clang-19 clang REQUIRED)
find_program(HF_LLVM_STRIP NAMES llvm-strip-19 llvm-strip REQUIRED)
find_program(HF_BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf)

set(HF_BPF_OBJECT ${CMAKE_BINARY_DIR}/ebpf/steer.bpf.o)
set(HF_BPF_SKELETON ${CMAKE_BINARY_DIR}/ebpf/steer.skel.h)
file(GLOB bpf_headers CONFIGURE_DEPENDS ebpf/*.h)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/ebpf)

# -g for BTF, which libbpf needs, and which is all that the strip leaves of it. The architecture's folder has
# the asm/types.h of <linux/bpf.h>.
add_custom_command(
    OUTPUT ${HF_BPF_OBJECT}
    COMMAND ${HF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu17
        -Wall -Wextra -Wshadow -Wvla -Werror -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
        -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
        -c ${CMAKE_SOURCE_DIR}/ebpf/steer.bpf.c -o ${HF_BPF_OBJECT}
    COMMAND ${HF_LLVM_STRIP} -g ${HF_BPF_OBJECT}
    DEPENDS ebpf/steer.bpf.c ${bpf_headers}
    VERBATIM)
add_custom_command(
    OUTPUT ${HF_BPF_SKELETON}
    COMMAND ${HF_BPFTOOL} gen skeleton ${HF_BPF_OBJECT} name steer_bpf > ${HF_BPF_SKELETON}
    DEPENDS ${HF_BPF_OBJECT})
add_custom_target(hf_ebpf_skeleton DEPENDS ${HF_BPF_SKELETON})

add_library(hf_ebpf INTERFACE)
add_dependencies(hf_ebpf hf_ebpf_skeleton)
target_include_directories(hf_ebpf INTERFACE ${CMAKE_SOURCE_DIR})
target_include_directories(hf_ebpf SYSTEM INTERFACE ${CMAKE_BINARY_DIR})
target_link_libraries(hf_ebpf INTERFACE PkgConfig::libbpf)
