# SPDX-License-Identifier: BSL-1.0
"""Reads Keras' files without Keras, with bounded memory: the archive .keras of Keras 3, and .h5 of Keras 2 and 3."""
import io
import json
import re
import zipfile

import numpy as np

from refusals import LIMIT_ELEMENTS, Refused, counted

LIMIT_CONFIG = 64 << 20
LIMIT_WEIGHTS = (1 << 31) - 1
# What h5py raises for damaged files.
UNREADABLE = (KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError)


class KerasFile:
    """config: the model as JSON. weights(path, names): the tensors of the layer at a path of (class, number, name)."""

    def __init__(self, path):
        try:
            import h5py
        except ImportError as error:
            raise ImportError(f"{error.name or 'h5py'} is missing") from error
        self.h5py, self.total = h5py, 0
        if zipfile.is_zipfile(path):
            self._archive(path)
        else:
            self._h5(path)
        if not isinstance(self.config, dict) or not isinstance(self.config.get("config"), (dict, list)):
            raise Refused("the file is no Keras model: it has no configuration")

    def _archive(self, path):
        try:
            with zipfile.ZipFile(path) as archive:
                config = self._entry(archive, "config.json", LIMIT_CONFIG)
                metadata = self._entry(archive, "metadata.json", LIMIT_CONFIG)
                data = self._entry(archive, "model.weights.h5", LIMIT_WEIGHTS)
        except (OSError, KeyError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
            raise Refused(f"the file is no Keras model, or a damaged one: {error}") from error
        self.config = self._json(config)
        about = self._json(metadata)
        self.version = str(about.get("keras_version", "3")) if isinstance(about, dict) else "3"
        self.legacy = False
        self.root = self._open(io.BytesIO(data))

    @staticmethod
    def _entry(archive, name, limit):
        with archive.open(name) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise Refused(f"{name} in the file has more than {limit} bytes")
        return data

    def _h5(self, path):
        self.root = self._open(path)
        try:
            config, version = self.root.attrs.get("model_config"), self.root.attrs.get("keras_version", b"2")
        except UNREADABLE as error:
            raise Refused(f"the file is no Keras model, or a damaged one: {error}") from error
        if not isinstance(config, (str, bytes)):
            raise Refused("the file is no Keras model: it has no model_config, as a file of weights alone")
        self.config = self._json(config)
        self.version = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
        self.legacy = True

    def _open(self, source):
        try:
            return self.h5py.File(source, "r")
        except UNREADABLE as error:
            raise Refused(f"the file is no Keras model, or a damaged one: {error}") from error

    @staticmethod
    def _json(text):
        if len(text) > LIMIT_CONFIG:
            raise Refused(f"its configuration has more than {LIMIT_CONFIG} bytes")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Refused(f"its configuration is no JSON: {error}") from error

    # --- Weights ----------------------------------------------------------------------------------------------------

    def weights(self, path, names):
        """path: [(class, number of the class among its siblings, name), ...], the outermost first."""
        try:
            found = self._by_name(path) if self.legacy else self._by_place(path, names)
        except UNREADABLE as error:
            raise Refused(f"its weights cannot be read: {error}") from error
        missing = [name for name in names if name not in found]
        if missing:
            raise Refused(f"the file has no {' and no '.join(missing)} of it")
        return {name: found[name] for name in names}

    def _by_place(self, path, names):
        group = self.root
        for kind, number, _ in path:
            inner = self._link(group, "layers") if "layers" in group else self._link(group, "_layer_checkpoint_dependencies")
            group = self._link(inner, snake_case(kind) + (f"_{number}" if number else ""))
        variables = self._link(group, "vars")
        return {name: self._array(self._link(variables, str(i))) for i, name in enumerate(names) if str(i) in variables}

    def _by_name(self, path):
        groups = self._link(self.root, "model_weights")
        group = self._link(groups, path[0][2])
        names = list(group.attrs.get("weight_names", []))
        part = 0
        while f"weight_names{part}" in group.attrs and part < 10000:
            names += list(group.attrs[f"weight_names{part}"])
            part += 1
        found = {}
        for name in names:
            name = name.decode() if isinstance(name, bytes) else str(name)
            pieces = name.split("/")
            if len(path) > 1 and path[-1][2] not in pieces[:-1]:
                continue
            inner = group
            for piece in pieces:
                inner = self._link(inner, piece)
            found[re.sub(r":\d+$", "", pieces[-1])] = self._array(inner)
        return found

    def _link(self, group, name):
        """A member of a group that lies in this file."""
        if not isinstance(group, self.h5py.Group) or not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
            raise Refused(f"the file has no {name} where it should be")
        return group[name]

    def _array(self, data):
        if not isinstance(data, self.h5py.Dataset) or data.external or data.is_virtual:
            raise Refused("its weights lie in another file")
        if data.dtype.kind != "f" or data.shape is None:
            raise Refused(f"its weights have the type {data.dtype}; expected float32")
        self.total += counted(data.shape, "its weight tensor")
        if self.total > 2 * LIMIT_ELEMENTS:
            raise Refused(f"the model has more than {2 * LIMIT_ELEMENTS} weights")
        return np.asarray(data[()], np.float32)


def snake_case(name):
    """As Keras names what it saves."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
