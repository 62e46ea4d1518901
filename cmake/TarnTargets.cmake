# How every target of the project is compiled; and a line for each kind of target.

add_library(tarn_options INTERFACE)
target_compile_definitions(tarn_options INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_include_directories(tarn_options INTERFACE ${PROJECT_SOURCE_DIR}/include
                                                  ${PROJECT_SOURCE_DIR}/src)
target_compile_options(
    tarn_options
    INTERFACE -Wall
              -Wextra
              -Wshadow
              -Wconversion
              -Wformat=2
              -Wstrict-prototypes
              -Wmissing-prototypes
              -Wold-style-definition
              -Wpointer-arith
              -Wwrite-strings
              -Wundef
              -Wvla
              -Wimplicit-fallthrough
              -Wcast-qual
              -fno-common
              -fstack-protector-strong
              -fno-omit-frame-pointer
              -fvisibility=hidden)

# Asserts stay on in every build of the server and the tools: a crash beats corruption.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

function(tarn_apply_options)
    if(TARN_WERROR)
        target_compile_options(tarn_options INTERFACE -Werror)
    endif()
    if(TARN_SANITIZE)
        target_compile_options(tarn_options INTERFACE -fsanitize=${TARN_SANITIZE}
                                                      -fno-sanitize-recover=all)
        target_link_options(tarn_options INTERFACE -fsanitize=${TARN_SANITIZE})
    else()
        target_link_options(tarn_options INTERFACE -Wl,-z,relro,-z,now)
    endif()
    if(TARN_FUZZ)
        target_compile_options(tarn_options INTERFACE -fsanitize=fuzzer-no-link)
    endif()
    if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT TARN_SANITIZE)
        target_compile_options(tarn_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    endif()
endfunction()
cmake_language(DEFER DIRECTORY ${PROJECT_SOURCE_DIR} CALL tarn_apply_options)

# tarn_module(NAME SOURCES... [LINK targets...]): a static library inside the project.
function(tarn_module name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
    add_library(${name} STATIC ${arg_SOURCES})
    target_link_libraries(${name} PUBLIC ${arg_LINK} tarn_options)
endfunction()

# tarn_test(NAME SOURCES... [LINK targets...]): a cmocka program, run by ctest.
function(tarn_test name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LINK} tarn_options PkgConfig::CMOCKA)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_compile_definitions(${name} PRIVATE TARN_TEST_VECTORS="${PROJECT_SOURCE_DIR}/tests/vectors")
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# tarn_fuzz(NAME SOURCE [LINK targets...]): a libFuzzer target where TARN_FUZZ is on; elsewhere a program
# that replays the files of tests/fuzz/corpus/NAME, as a normal test.
function(tarn_fuzz name source)
    cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
    if(TARN_FUZZ)
        add_executable(fuzz_${name} ${source})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(fuzz_${name} ${source} ${PROJECT_SOURCE_DIR}/tests/fuzz/driver.c)
        add_test(NAME fuzz_${name} COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    endif()
    target_link_libraries(fuzz_${name} PRIVATE ${arg_LINK} tarn_options)
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
