# The steering programs: ebpf/NAME.bpf.c -> object -> ebpf/NAME.skel.h in the build folder, which hf_ebpf
# brings.

find_program(HF_CLANG NAMES clang-19 clang REQUIRED)
find_program(HF_LLVM_STRIP NAMES llvm-strip-19 llvm-strip REQUIRED)
find_program(HF_BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf)

file(GLOB bpf_headers CONFIGURE_DEPENDS ebpf/*.h)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/ebpf)

# -g for BTF, which libbpf needs, and which is all that the strip leaves of it. The architecture's folder has
# the asm/types.h of <linux/bpf.h>.
function(hf_bpf_skeleton name)
    set(object ${CMAKE_BINARY_DIR}/ebpf/${name}.bpf.o)
    set(skeleton ${CMAKE_BINARY_DIR}/ebpf/${name}.skel.h)
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${HF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu17
            -Wall -Wextra -Wshadow -Wvla -Werror -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
            -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -c ${CMAKE_SOURCE_DIR}/ebpf/${name}.bpf.c -o ${object}
        COMMAND ${HF_LLVM_STRIP} -g ${object}
        DEPENDS ebpf/${name}.bpf.c ${bpf_headers}
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${HF_BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
        DEPENDS ${object})
    add_custom_target(hf_ebpf_${name} DEPENDS ${skeleton})
    add_dependencies(hf_ebpf hf_ebpf_${name})
endfunction()

add_library(hf_ebpf INTERFACE)
target_include_directories(hf_ebpf INTERFACE ${CMAKE_SOURCE_DIR})
target_include_directories(hf_ebpf SYSTEM INTERFACE ${CMAKE_BINARY_DIR})
target_link_libraries(hf_ebpf INTERFACE PkgConfig::libbpf)
hf_bpf_skeleton(steer)
hf_bpf_skeleton(socket)
