# Runs two forms of one program, whose output may differ in the first line alone. CTest runs it with -P and sets HEADERS and
# COMPILED, the programs, which print these words in that line.
foreach(form HEADERS COMPILED)
  string(TOLOWER ${form} word)
  execute_process(COMMAND ${${form}} RESULT_VARIABLE rc OUTPUT_VARIABLE text ERROR_VARIABLE error)
  if(NOT rc EQUAL 0 OR NOT text MATCHES "^${word}\n.")
    message(FATAL_ERROR "the program of the form \"${word}\" failed (${rc}):\n${text}${error}")
  endif()
  string(REGEX REPLACE "^[a-z]+\n" "" ${form}_output "${text}")
endforeach()
if(NOT HEADERS_output STREQUAL COMPILED_output)
  message(FATAL_ERROR "the two forms differ:\n${HEADERS_output}\nand\n${COMPILED_output}")
endif()
