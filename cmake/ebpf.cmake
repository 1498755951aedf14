# The steering program: steer.bpf.c -> object -> ebpf/steer.skel.h in the build folder, which hf_ebpf brings.

find_program(HF_CLANG NAMES clang-19 clang REQUIRED)
find_program(HF_LLVM_STRIP NAMES llvm-strip-19 llvm-strip REQUIRED)
find_program(HF_BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf)

file(GLOB bpf_headers CONFIGURE_DEPENDS ebpf/*.h)

# `source` -> object -> the skeleton `ret` in the build folder. -g for BTF, which libbpf needs, and which is
# all that the strip leaves of it. The architecture's folder has the asm/types.h of <linux/bpf.h>.
function(hf_bpf source name ret)
    get_filename_component(folder ${CMAKE_BINARY_DIR}/${source} DIRECTORY)
    get_filename_component(stem ${source} NAME_WE)
    set(object ${folder}/${stem}.bpf.o)
    set(skeleton ${folder}/${stem}.skel.h)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${HF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu17
            -Wall -Wextra -Wshadow -Wvla -Werror -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
            -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -c ${CMAKE_SOURCE_DIR}/${source} -o ${object}
        COMMAND ${HF_LLVM_STRIP} -g ${object}
        DEPENDS ${source} ${ARGN} ${bpf_headers}
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${HF_BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}
        DEPENDS ${object})
    set(${ret} ${skeleton} PARENT_SCOPE)
endfunction()

hf_bpf(ebpf/steer.bpf.c steer_bpf steer)
hf_bpf(ebpf/socket.bpf.c socket_bpf socket)
add_custom_target(hf_ebpf_skeletons DEPENDS ${steer} ${socket})

add_library(hf_ebpf INTERFACE)
add_dependencies(hf_ebpf hf_ebpf_skeletons)
target_include_directories(hf_ebpf INTERFACE ${CMAKE_SOURCE_DIR})
target_include_directories(hf_ebpf SYSTEM INTERFACE ${CMAKE_BINARY_DIR})
target_link_libraries(hf_ebpf INTERFACE PkgConfig::libbpf)
