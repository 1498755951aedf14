# tests/unit/<name>/*.c -> unit_<name> (Criterion), with the layer of that name or, when there is none, all of
# the core; tests/lib -> hf_testlib; tests/sim -> sim; tests/fleetsim -> fleetsim; tests/fuzz/fuzz_<x>.c ->
# fuzz_<x>, which in all but the fuzz preset replays the files it is given.

if(NOT BUILD_TESTING)
    return()
endif()

function(hf_subfolders parent out)
    file(GLOB entries CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/${parent} ${parent}/*)
    set(folders)
    foreach(entry IN LISTS entries)
        file(GLOB sources CONFIGURE_DEPENDS ${parent}/${entry}/*.c)
        if(sources)
            list(APPEND folders ${entry})
        endif()
    endforeach()
    set(${out} ${folders} PARENT_SCOPE)
endfunction()

file(GLOB testlib_sources CONFIGURE_DEPENDS tests/lib/*.c)
if(testlib_sources)
    add_library(hf_testlib STATIC ${testlib_sources})
    target_compile_definitions(hf_testlib PRIVATE _GNU_SOURCE)
    target_link_libraries(hf_testlib PUBLIC hf_core)
else()
    add_library(hf_testlib INTERFACE)
    target_link_libraries(hf_testlib INTERFACE hf_core)
endif()

# The load generator stands on the initiator of the tests.
if(TARGET hf_ikeload)
    target_link_libraries(hf_ikeload PUBLIC hf_testlib)
    hf_executable(ikeload ikeload tools/ikeload)
endif()

# Unit tests. Not in a fuzz build: Criterion and libFuzzer have nothing to say to each other.
hf_subfolders(tests/unit unit_folders)
if(unit_folders AND NOT HF_FUZZ)
    pkg_check_modules(criterion REQUIRED IMPORTED_TARGET criterion)
    # Criterion links libgit2 for coloured diffs, which brings OpenSSL's libcrypto; this takes its place.
    add_library(git2_stub SHARED cmake/git2_stub.c)
    set_target_properties(git2_stub PROPERTIES OUTPUT_NAME git2 SOVERSION 1.9 C_VISIBILITY_PRESET default)
    target_link_options(git2_stub PRIVATE LINKER:--no-as-needed)
    foreach(name IN LISTS unit_folders)
        file(GLOB sources CONFIGURE_DEPENDS tests/unit/${name}/*.c)
        add_executable(unit_${name} ${sources})
        target_compile_definitions(unit_${name} PRIVATE _GNU_SOURCE)
        target_link_options(unit_${name} PRIVATE LINKER:--no-as-needed)
        target_link_libraries(unit_${name} PRIVATE git2_stub hf_testlib PkgConfig::criterion)
        string(REGEX REPLACE "_.*" "" layer ${name}) # plane_user is a part of plane
        if(TARGET hf_${layer})
            target_link_libraries(unit_${name} PRIVATE hf_${layer})
        endif()
        add_test(NAME unit_${name} COMMAND unit_${name})
    endforeach()
endif()

file(GLOB sim_sources CONFIGURE_DEPENDS tests/sim/*.c)
if(sim_sources)
    add_executable(sim ${sim_sources})
    set_target_properties(sim PROPERTIES HF_REPEATABLE ON)
    target_link_libraries(sim PRIVATE hf_testlib)
    add_test(NAME sim COMMAND sim)
endif()

file(GLOB fleetsim_sources CONFIGURE_DEPENDS tests/fleetsim/*.c)
add_executable(fleetsim ${fleetsim_sources})
set_target_properties(fleetsim PROPERTIES HF_REPEATABLE ON)
target_link_libraries(fleetsim PRIVATE hf_testlib)
add_test(NAME fleetsim COMMAND fleetsim)

file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
file(GLOB fuzz_helpers CONFIGURE_DEPENDS tests/fuzz/*.c)
list(FILTER fuzz_helpers EXCLUDE REGEX "/(fuzz_[^/]*|replay_main)[.]c$")
foreach(source IN LISTS fuzz_sources)
    get_filename_component(name ${source} NAME_WE)
    string(REPLACE "fuzz_" "" corpus ${name})
    add_executable(${name} ${source} ${fuzz_helpers})
    set_target_properties(${name} PROPERTIES HF_REPEATABLE ON)
    target_link_libraries(${name} PRIVATE hf_testlib)
    if(corpus STREQUAL "esp") # packets meet the engine in its adapter alone
        target_link_libraries(${name} PRIVATE hf_plane)
    elseif(corpus STREQUAL "config")
        target_link_libraries(${name} PRIVATE hf_ops)
    endif()
    if(HF_FUZZ)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(${name} PRIVATE tests/fuzz/replay_main.c)
        if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${corpus})
            add_test(NAME ${name} COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${corpus})
        endif()
    endif()
endforeach()

# Benchmarks: built by name, run by hand in a release build.
file(GLOB bench_sources CONFIGURE_DEPENDS tests/bench/bench_*.c)
foreach(source IN LISTS bench_sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} EXCLUDE_FROM_ALL ${source})
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_link_libraries(${name} PRIVATE hf_plane)
endforeach()

target_link_libraries(bench_store PRIVATE hf_store)

# The steering program in a wrapper, on the frames and the scene of its unit tests.
hf_bpf(tests/bench/steer_wrap.bpf.c steer_wrap_bpf skeleton ebpf/steer.bpf.c tests/bench/steer_wrap.h)
target_sources(bench_steer PRIVATE ${skeleton} tests/unit/ebpf/case.c tests/unit/ebpf/frame.c
    tests/unit/ebpf/scene.c)
target_link_libraries(bench_steer PRIVATE hf_ebpf)

add_test(NAME tidy COMMAND ${CMAKE_SOURCE_DIR}/tools/tidy --build ${CMAKE_BINARY_DIR})
add_test(NAME tidy_finds COMMAND ${CMAKE_SOURCE_DIR}/tests/tidy/test_tidy.py)
