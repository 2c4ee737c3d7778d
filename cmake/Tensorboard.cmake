# strata_add_tensorboard(<folder>): strata::tensorboard, where protobuf is found. <folder> holds strata/io/tensorboard.proto;
# the code for it is generated in the build that uses it, by the same protobuf that it is linked with.
function(strata_add_tensorboard folder)
  find_package(Protobuf QUIET)
  if(TARGET strata::tensorboard OR NOT TARGET protobuf::libprotobuf OR NOT TARGET protobuf::protoc)
    return()
  endif()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/strata_tensorboard)
  file(MAKE_DIRECTORY ${out})
  set(sources ${out}/strata/io/tensorboard.pb.cc ${out}/strata/io/tensorboard.pb.h)
  add_custom_command(OUTPUT ${sources}
    COMMAND protobuf::protoc --proto_path=${folder} --cpp_out=${out} ${folder}/strata/io/tensorboard.proto
    DEPENDS ${folder}/strata/io/tensorboard.proto VERBATIM)
  add_library(strata_tensorboard_proto STATIC EXCLUDE_FROM_ALL ${sources})
  target_compile_features(strata_tensorboard_proto PUBLIC cxx_std_20)
  target_include_directories(strata_tensorboard_proto SYSTEM PUBLIC ${out})  # SYSTEM: no warnings for code of protoc's
  target_link_libraries(strata_tensorboard_proto PUBLIC protobuf::libprotobuf)
  add_library(strata_tensorboard INTERFACE)
  target_link_libraries(strata_tensorboard INTERFACE strata::strata strata_tensorboard_proto)
  add_library(strata::tensorboard ALIAS strata_tensorboard)
endfunction()
