# BoringSSL, static: libcrypto, and libssl for the layer that asks for it. A target with the property
# HF_REPEATABLE gets the one whose random numbers repeat: the simulator and the fuzzers.

set(BORINGSSL_ROOT /opt/boringssl CACHE PATH "BoringSSL: include/openssl and lib/libcrypto.a")
set(BORINGSSL_FUZZ_ROOT ${BORINGSSL_ROOT}-fuzz CACHE PATH "the same with BORINGSSL_UNSAFE_DETERMINISTIC_MODE")

if(NOT EXISTS ${BORINGSSL_ROOT}/lib/libcrypto.a)
    message(FATAL_ERROR "no BoringSSL in ${BORINGSSL_ROOT}; build in the build root "
        "(tools/root run cmake ...) or give -DBORINGSSL_ROOT=")
endif()
if(NOT EXISTS ${BORINGSSL_FUZZ_ROOT}/lib/libcrypto.a)
    message(STATUS "no repeatable BoringSSL in ${BORINGSSL_FUZZ_ROOT}: the simulator uses the plain one")
    set(BORINGSSL_FUZZ_ROOT ${BORINGSSL_ROOT})
endif()

find_package(Threads REQUIRED)
foreach(variant boringssl boringssl_fuzz)
    add_library(${variant} STATIC IMPORTED)
    target_link_libraries(${variant} INTERFACE Threads::Threads)
    add_library(${variant}_tls STATIC IMPORTED)
    target_link_libraries(${variant}_tls INTERFACE ${variant})
endforeach()
set_target_properties(boringssl PROPERTIES IMPORTED_LOCATION ${BORINGSSL_ROOT}/lib/libcrypto.a)
set_target_properties(boringssl_fuzz PROPERTIES IMPORTED_LOCATION ${BORINGSSL_FUZZ_ROOT}/lib/libcrypto.a)
set_target_properties(boringssl_tls PROPERTIES IMPORTED_LOCATION ${BORINGSSL_ROOT}/lib/libssl.a)
set_target_properties(boringssl_fuzz_tls PROPERTIES IMPORTED_LOCATION ${BORINGSSL_FUZZ_ROOT}/lib/libssl.a)
