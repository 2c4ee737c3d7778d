# SPDX-License-Identifier: BSL-1.0
# Conan 2. Where the sources of strata lie around this file, they are used; else the archive in conandata.yml.
import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, get, rmdir
from conan.tools.scm import Version

required_conan_version = ">=2.1"


class StrataConan(ConanFile):
    name = "strata"
    version = "0.2.0"
    description = "Neural networks as C++ types"
    license = "BSL-1.0"
    url = "https://github.com/strata-nn/strata"
    homepage = "https://github.com/strata-nn/strata"
    topics = ("neural-network", "deep-learning", "compile-time", "header-only")
    settings = "os", "arch", "compiler", "build_type"
    package_type = "static-library"
    # compiled: build strata::compiled. The others are the components that need a library.
    options = {"compiled": [True, False], "gzip": [True, False], "images": [True, False], "fPIC": [True, False]}
    default_options = {"compiled": True, "gzip": False, "images": False, "fPIC": True}

    @property
    def _root(self):
        """The sources that this recipe is a part of, or None."""
        root = os.path.join(self.recipe_folder, "..", "..")
        return root if os.path.isfile(os.path.join(root, "include", "strata", "strata.hpp")) else None

    def export_sources(self):
        if self._root:
            for part in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "examples/import_model/*", "examples/predict/*",
                         "examples/common/*"):
                copy(self, part, self._root, self.export_sources_folder)

    def config_options(self):
        if self.settings.os == "Windows":
            self.options.rm_safe("fPIC")

    def configure(self):
        if not self.options.compiled:
            self.package_type = "header-library"

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("eigen/[>=3.4 <6]", transitive_headers=True)
        if self.options.gzip:
            self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True)
        if self.options.images:
            self.requires("libpng/[>=1.6 <2]", transitive_headers=True)
            self.requires("libjpeg-turbo/[>=2 <4]", transitive_headers=True)

    def build_requirements(self):
        self.tool_requires("cmake/[>=3.25 <5]")

    def package_id(self):
        if not self.info.options.compiled:
            self.info.clear()

    def validate(self):
        if self.settings.os == "Windows":
            raise ConanInvalidConfiguration("strata needs a POSIX system such as Linux")
        check_min_cppstd(self, 20)
        oldest = {"gcc": "11", "clang": "18"}.get(str(self.settings.compiler))
        if oldest and Version(self.settings.compiler.version) < oldest:
            raise ConanInvalidConfiguration(f"strata needs {self.settings.compiler} {oldest} or newer")

    def source(self):
        if not os.path.isfile(os.path.join(self.source_folder, "CMakeLists.txt")):
            get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "EXAMPLES", "BENCH"):
            toolchain.cache_variables[f"STRATA_BUILD_{part}"] = False
        toolchain.cache_variables["STRATA_BUILD_COMPILED"] = bool(self.options.compiled)
        # Nothing but what Conan provides.
        for package in ("CURL", "OpenSSL", "MPI", "CUDAToolkit", "Protobuf"):
            toolchain.cache_variables[f"CMAKE_DISABLE_FIND_PACKAGE_{package}"] = True
        if not self.options.gzip:
            toolchain.cache_variables["CMAKE_DISABLE_FIND_PACKAGE_ZLIB"] = True
        if not self.options.images:
            toolchain.cache_variables["CMAKE_DISABLE_FIND_PACKAGE_PNG"] = True
            toolchain.cache_variables["CMAKE_DISABLE_FIND_PACKAGE_JPEG"] = True
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        if self.options.compiled:
            cmake.build(target="strata_compiled")

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        # Conan writes its own.
        for folder in ("share/doc", "share/pkgconfig", "lib/pkgconfig", "lib/cmake"):
            rmdir(self, os.path.join(self.package_folder, folder))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "strata")
        headers = self.cpp_info.components["strata"]
        headers.set_property("cmake_target_name", "strata::strata")
        headers.set_property("pkg_config_name", "strata")
        headers.requires = ["eigen::eigen"]
        headers.system_libs = ["pthread"]
        if self.options.compiled:
            compiled = self.cpp_info.components["compiled"]
            compiled.set_property("cmake_target_name", "strata::compiled")
            compiled.set_property("pkg_config_name", "strata-compiled")
            compiled.libs = ["strata"]
            compiled.defines = ["STRATA_COMPILED"]
            compiled.requires = ["strata"]
        else:
            headers.libdirs = []
        for name, libraries in (("gzip", ["zlib::zlib"]), ("images", ["libpng::libpng", "libjpeg-turbo::jpeg"])):
            if self.options.get_safe(name):
                component = self.cpp_info.components[name]
                component.set_property("cmake_target_name", f"strata::{name}")
                component.requires = ["strata", *libraries]
        # strata_embed_file(), strata_add_compile_fail_test(), strata_add_model(), strata_add_predict().
        self.cpp_info.set_property("cmake_build_modules", [os.path.join("share", "cmake", "strata", f"{name}.cmake") for name in (
            "EmbedFile", "CompileFailTest", "ImportModel", "Predict")])
