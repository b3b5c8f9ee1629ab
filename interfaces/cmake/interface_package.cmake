# build_interface_package(DEPENDENCIES <package>...): the body of an interface package.
#
# The CMake targets inside the ROS wheels name include folders of the machine that built the wheels.
# CMake's generate step refuses a target with a missing include folder, so these are dropped first.
function(_drop_missing_include_folders)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT folders)
      continue()
    endif()
    set(kept "")
    foreach(folder IN LISTS folders)
      if(folder MATCHES "^\\$<" OR EXISTS "${folder}")
        list(APPEND kept "${folder}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()

# A macro, not a function: find_package and ament keep their state in the caller's scope.
macro(build_interface_package)
  cmake_parse_arguments(ARG "" "" "DEPENDENCIES" ${ARGN})
  find_package(ament_cmake_core REQUIRED)
  find_package(rosidl_default_generators REQUIRED)
  foreach(dependency IN LISTS ARG_DEPENDENCIES)
    find_package(${dependency} REQUIRED)
  endforeach()
  _drop_missing_include_folders()
  file(GLOB message_files CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}" "msg/*.msg")
  rosidl_generate_interfaces(${PROJECT_NAME} ${message_files} DEPENDENCIES ${ARG_DEPENDENCIES})
  ament_package()
endmacro()
