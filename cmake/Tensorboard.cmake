# strata_add_tensorboard(<folder>): adds strata::tensorboard if protobuf is found. <folder> holds strata/io/tensorboard.proto. Each
# build generates the code for it with the protobuf that it links.
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
  target_include_directories(strata_tensorboard_proto SYSTEM PUBLIC ${out})  # SYSTEM: no warnings for generated code
  target_link_libraries(strata_tensorboard_proto PUBLIC protobuf::libprotobuf)
  add_library(strata_tensorboard INTERFACE)
  target_link_libraries(strata_tensorboard INTERFACE strata::strata strata_tensorboard_proto)
  add_library(strata::tensorboard ALIAS strata_tensorboard)
endfunction()
