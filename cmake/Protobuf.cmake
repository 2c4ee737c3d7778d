# strata_add_protobuf(<component> <folder>): adds strata::<component>, tensorboard or onnx, if protobuf is found. <folder> holds
# strata/io/<component>.proto. Each build generates the code for it with the protobuf that it links.
function(strata_add_protobuf component folder)
  find_package(Protobuf QUIET)
  if(TARGET strata::${component} OR NOT TARGET protobuf::libprotobuf OR NOT TARGET protobuf::protoc)
    return()
  endif()
  set(target strata_${component})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${target})
  file(MAKE_DIRECTORY ${out})
  set(sources ${out}/strata/io/${component}.pb.cc ${out}/strata/io/${component}.pb.h)
  add_custom_command(OUTPUT ${sources}
    COMMAND protobuf::protoc --proto_path=${folder} --cpp_out=${out} ${folder}/strata/io/${component}.proto
    DEPENDS ${folder}/strata/io/${component}.proto VERBATIM)
  add_library(${target}_proto STATIC EXCLUDE_FROM_ALL ${sources})
  target_compile_features(${target}_proto PUBLIC cxx_std_20)
  target_include_directories(${target}_proto SYSTEM PUBLIC ${out})  # SYSTEM: no warnings for generated code
  target_link_libraries(${target}_proto PUBLIC protobuf::libprotobuf)
  add_library(${target} INTERFACE)
  target_link_libraries(${target} INTERFACE strata::strata ${target}_proto)
  add_library(strata::${component} ALIAS ${target})
endfunction()
